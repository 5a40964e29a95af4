"""The ledger of actions: a fold over one compacted, fenced topic, and how a record is added.

Fencing alone is not enough: a delayed commit of a former holder may still land. So a record
counts only once it was read back, committed and with our own epoch, and only then is there an act;
after an ambiguous answer the ledger is opened anew and everything is decided again from what it
then says. Records of an epoch below the highest one read are void.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import AmbiguousWriteError
from fleetops.operate.commands import Append, ReadLog, Steps
from fleetops_schemas.records import Action, ActionKind, ActionState

READ_BACK_POLLS = 20
"""How often the log is asked for our record before it counts as lost (0.5 s each)."""


class Book:
    """Every action's latest valid record, in the order of the log."""

    def __init__(self) -> None:
        """Empty."""
        self._actions: dict[str, Action] = {}
        self._active: dict[str, None] = {}
        self._by_incident: dict[str, dict[str, None]] = {}
        self._last_done: dict[str, str] = {}
        self._epoch = 0
        self.displaced: set[str] = set()
        """Actions behind whose valid record a void one stands: compaction would keep that."""

    def __len__(self) -> int:
        return len(self._actions)

    def __iter__(self) -> Iterator[Action]:
        return iter(list(self._actions.values()))

    def get(self, action_id: str) -> Action | None:
        """The action, or None."""
        return self._actions.get(action_id)

    def active(self) -> list[Action]:
        """Actions that are not final, oldest first."""
        return [self._actions[action_id] for action_id in self._active]

    def of_incident(self, incident_id: str) -> list[Action]:
        """Actions that serve an incident, oldest first."""
        return [self._actions[ident] for ident in self._by_incident.get(incident_id, ())]

    def last_done(self, kind: ActionKind) -> list[tuple[str, Action]]:
        """Nodes whose last finished action was of this kind, with that action."""
        last = ((node, self._actions[ident]) for node, ident in self._last_done.items())
        return [(node, action) for node, action in last if action.kind is kind]

    def apply(self, record: Action) -> bool:
        """Takes in a record of the log; whether it is valid."""
        before = self._actions.get(record.id)
        reopened = before is not None and before.state.is_final and record.state != before.state
        if record.epoch < self._epoch or reopened:
            metrics.DISCARDED.labels("operate", "void ledger record").inc()
            if before is not None:
                self.displaced.add(record.id)
            return False
        self._epoch = record.epoch
        self._actions[record.id] = record
        self.displaced.discard(record.id)
        if record.incident_id:
            self._by_incident.setdefault(record.incident_id, {})[record.id] = None
        if record.state.is_final:
            self._active.pop(record.id, None)
            self._note_done(record)
        else:
            self._active[record.id] = None
        return True

    def displace(self, action_id: str) -> None:
        """Notes that something that no holder wrote stands behind the action's valid one."""
        if action_id in self._actions:
            self.displaced.add(action_id)

    def _note_done(self, record: Action) -> None:
        for outcome in record.outcomes:
            if outcome.state is ActionState.DONE:
                self._last_done[outcome.node] = record.id


class Ledger:
    """One holder's hand on the ledger, under one fencing epoch. Does no I/O itself."""

    def __init__(self, epoch: int, clock: Clock) -> None:
        """For the epoch of a fenced producer that was just opened."""
        self.epoch = epoch
        self.book = Book()
        self._clock = clock

    def take_in(self) -> Steps[int]:
        """Reads what there is; how many records."""
        seen = yield ReadLog()
        for record in seen:
            self.book.apply(record)
        return len(seen)

    def record(self, action: Action) -> Steps[Action]:
        """Adds the action's present state; it counts when this returns it.

        Raises:
            FencedError: another instance took over.
            AmbiguousWriteError: it may or may not be there; this ledger is spent.
            BusUnavailableError: it was certainly not written.
        """
        changes = {"epoch": self.epoch, "updated_at": self._clock.now()}
        record = action.model_copy(update=changes)
        yield Append(record)
        for _ in range(READ_BACK_POLLS):
            yield from self.take_in()
            if self.book.get(record.id) == record:
                metrics.ACTIONS.labels(record.kind.value, record.state.value).inc()
                return record
        raise AmbiguousWriteError(f"action {record.id}: written, yet not read back as ours")
