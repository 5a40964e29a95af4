"""Instances of operate on a simulated log and scheduler, interleaved command by command.

The log fences by epoch as the bus does, and may lose an acknowledgement, drop the write, or let
it land later, behind records of a newer holder. The scheduler may answer late or not at all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from fleetops.core.clock import ManualClock
from fleetops.core.errors import (
    AmbiguousWriteError,
    FencedError,
    FleetOpsError,
    SchedulerUnavailableError,
)
from fleetops.operate.commands import Act, Append, Command, ReadLog, ReadNode, Steps
from fleetops.operate.executor import ACT_LEASE_SECONDS, Executor, open_nodes
from fleetops.operate.ledger import Ledger
from fleetops.operate.ownership import ident_of
from fleetops_schemas.records import Action, ActionKind, ActionState, NodeState

NODE = "node001"
PREFIX = "fleetops"


@dataclass
class Trouble:
    """How likely each kind of trouble is, a command."""

    lost_acknowledgement: float = 0.0
    """The record is there, or lands later, or never; the writer cannot know."""
    unclear_act: float = 0.0
    """The act took effect, or did not; the answer is lost."""
    away: float = 0.0
    crash: float = 0.0
    stall_seconds: float = 0.0
    """Longest pause between two commands of one instance."""


@dataclass
class ActMade:
    """One act that the scheduler carried out."""

    instance: int
    epoch: int
    fenced: bool
    """Somebody else had opened the ledger by then."""


@dataclass
class World:
    """The log, the scheduler and what happened."""

    trouble: Trouble
    chance: random.Random
    clock: ManualClock = field(default_factory=ManualClock)
    log: list[Action] = field(default_factory=list)
    delayed: list[Action] = field(default_factory=list)
    epoch: int = 0
    reason: str = ""
    drained: bool = False
    acts: list[ActMade] = field(default_factory=list)
    overwritten: int = 0
    lifted: bool = False

    def node(self) -> NodeState:
        return NodeState(
            node=NODE,
            states=("IDLE", "DRAIN") if self.drained else ("IDLE",),
            drained=self.drained,
            busy=False,
            reason=self.reason,
            observed_at=self.clock.now(),
        )

    def land(self) -> None:
        """A delayed write reaches the log after all, whoever holds it now."""
        if self.delayed:
            self.log.append(self.delayed.pop(self.chance.randrange(len(self.delayed))))


class Instance:
    """One process: opens the ledger, then carries out what is open, one command at a time."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.ended = False
        self.ledger: Ledger | None = None
        self._position = 0
        self._read_at = 0.0
        self._steps: Steps[Action] | None = None
        self._answer: object = None
        self._failure: FleetOpsError | None = None

    def open(self) -> None:
        """Fences everybody before, and reads the log as it stands."""
        self.world.epoch += 1
        self.ledger = Ledger(self.world.epoch, self.world.clock)
        self._position = 0
        for record in self._read():
            self.ledger.book.apply(record)
        self._steps = None

    def crash(self) -> None:
        """Everything in memory is gone."""
        self.ledger, self._steps, self._answer, self._failure = None, None, None, None

    def step(self) -> None:
        """One command, or the opening of the ledger; nothing when there is nothing to do."""
        if self.ended:
            return
        if self.ledger is None:
            self.open()
        elif self._steps is not None or self._begin(self.ledger):
            self._command(self.ledger)

    def _command(self, ledger: Ledger) -> None:
        assert self._steps is not None
        failure, self._failure = self._failure, None
        try:
            command = self._steps.throw(failure) if failure else self._steps.send(self._answer)
        except StopIteration:
            self._steps, self._answer = None, None
        except FencedError:
            self.ended = True
        except FleetOpsError:
            self.crash()
        else:
            self._answer = None
            try:
                self._answer = self._obey(command, ledger)
            except FleetOpsError as error:
                self._failure = error

    def _begin(self, ledger: Ledger) -> bool:
        for action in ledger.book.active():
            executor = Executor(ledger, self.world.clock, PREFIX)
            self._steps = executor.carry_out(action, open_nodes(action)[0])
            return True
        return False

    def _read(self) -> list[Action]:
        new = self.world.log[self._position :]
        self._position = len(self.world.log)
        return new

    def _obey(self, command: Command, ledger: Ledger) -> list[Action] | NodeState | None:
        world = self.world
        match command:
            case Append(action):
                self._append(action)
            case ReadLog():
                self._read_at = world.clock.monotonic()
                return self._read()
            case ReadNode():
                if world.chance.random() < world.trouble.away:
                    raise SchedulerUnavailableError("away")
                return world.node()
            case Act(kind, _, reason):
                self._act(kind, reason, ledger)
        return None

    def _append(self, action: Action) -> None:
        world = self.world
        if action.epoch != world.epoch:
            raise FencedError(f"{action.epoch} < {world.epoch}")
        if world.chance.random() < world.trouble.lost_acknowledgement:
            fate = world.chance.choice(("there", "later", "never"))
            if fate == "there":
                world.log.append(action)
            elif fate == "later":
                world.delayed.append(action)
            raise AmbiguousWriteError(fate)
        world.log.append(action)

    def _act(self, kind: ActionKind, reason: str, ledger: Ledger) -> None:
        world = self.world
        self._check_claim(ledger)
        if world.chance.random() < world.trouble.away:
            raise SchedulerUnavailableError("away")
        unclear = world.chance.random() < world.trouble.unclear_act
        if not unclear or world.chance.random() < 0.5:
            want = kind is ActionKind.DRAIN
            if world.drained and want and ident_of(PREFIX, world.reason) is None:
                world.overwritten += 1
            world.drained = want
            world.reason = reason if want else world.reason
            fenced = ledger.epoch != world.epoch
            world.acts.append(ActMade(self.number, ledger.epoch, fenced))
        if unclear:
            raise AmbiguousWriteError("no answer")

    def _check_claim(self, ledger: Ledger) -> None:
        """Never an act without a record of it, by this very epoch, that this holder has read."""
        claims = [
            record
            for record in self.world.log[: self._position]
            if record.epoch == ledger.epoch
            and record.state is ActionState.EXECUTING
            and any(o.state is ActionState.EXECUTING for o in record.outcomes)
        ]
        assert claims, "an act without a claim that was read back"
        assert ledger.book.get(claims[-1].id) == claims[-1]
        assert self.world.clock.monotonic() - self._read_at <= ACT_LEASE_SECONDS
