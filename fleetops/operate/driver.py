"""Runs the sans-I/O protocols on a real bus and a real scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError
from typing_extensions import override

from fleetops.bus.base import EPOCH_HEADER, Bus, Message
from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.errors import FleetOpsError, InputError
from fleetops.core.logging import get_logger
from fleetops.operate.commands import Act, Append, Command, ReadLog, ReadNode, Steps
from fleetops.operate.ledger import Ledger
from fleetops.operate.schedulers.base import Scheduler
from fleetops_schemas.records import Action, ActionKind, NodeState
from fleetops_schemas.topics import ACTIONS

HOLDER = "operate"
"""Name of the fenced producer: whoever opened it last holds the ledger."""
READ_SECONDS = 0.5
CATCH_UP_SECONDS = 60.0

T = TypeVar("T")


class Driver(Closing):
    """Holds the ledger from its opening on; opened anew after anything ambiguous."""

    def __init__(
        self,
        bus: Bus,
        scheduler: Scheduler,
        clock: Clock,
        on_read: Callable[[NodeState], None] = lambda _: None,
    ) -> None:
        """Fences every earlier holder, then reads the whole ledger.

        ``on_read`` is told of every node that was read.

        Raises:
            BusUnavailableError: the bus did not answer.
            InputError: a record of the ledger cannot be read; nothing is done on top of it.
        """
        self._scheduler = scheduler
        self._on_read = on_read
        # Fencing comes first: what was read before it could still change.
        self._producer = bus.fenced_producer(HOLDER)
        self._reader = bus.reader([ACTIONS.name])
        self.ledger = Ledger(self._producer.epoch, clock)
        broken: dict[str, InputError] = {}
        for message in self._reader.catch_up(CATCH_UP_SECONDS):
            try:
                record = _decode(message)
            except InputError as error:  # harmless if a later record of its key can be read
                broken[message.key] = error
                continue
            if record is None:
                self.ledger.book.displace(message.key)
                continue
            broken.pop(message.key, None)
            self.ledger.book.apply(record)
        if broken:
            raise next(iter(broken.values()))

    def run(self, steps: Steps[T]) -> T:
        """Runs a protocol to its end.

        Raises:
            FleetOpsError: whatever the protocol lets through.
        """
        answer: object = None
        failure: FleetOpsError | None = None
        while True:
            try:
                command = steps.throw(failure) if failure else steps.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            answer, failure = None, None
            try:
                answer = self._obey(command)
            except FleetOpsError as error:
                failure = error

    @override
    def close(self) -> None:
        """Lets the ledger go; whatever stands on it stays."""
        self._producer.close()
        self._reader.close()

    def _obey(self, command: Command) -> list[Action] | NodeState | None:
        match command:
            case Append(action):
                self._producer.append(ACTIONS.name, action.id, action.encode())
            case ReadLog():
                read = map(_decode, self._reader.poll(READ_SECONDS))
                return [record for record in read if record is not None]
            case ReadNode(node):
                state = self._scheduler.nodes({node}).get(node)
                if state is not None:
                    self._on_read(state)
                return state
            case Act(ActionKind.DRAIN, node, reason):
                self._scheduler.drain(node, reason)
            case Act(_, node, _):
                self._scheduler.undrain(node)
        return None


def _decode(message: Message) -> Action | None:
    """The record of a message; None for one that no holder of the ledger wrote.

    Raises:
        InputError: a holder wrote it, and it cannot be read.
    """
    place = f"{message.topic}/{message.partition}/{message.offset}"
    if EPOCH_HEADER not in message.headers:
        metrics.DISCARDED.labels("operate", "foreign ledger record").inc()
        get_logger("operate").warning("not written by a holder of the ledger", place=place)
        return None
    try:
        return Action.decode(message.value)
    except ValidationError as error:
        raise InputError(
            f"{place}: not an action: {error.error_count()} problems; the ledger is written by "
            "FleetOps alone: find who wrote this, then write the right record under its key"
        ) from error
