"""The ledger's fold, and its protocol under thousands of seeded interleavings."""

from __future__ import annotations

import random

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import AmbiguousWriteError
from fleetops.operate.commands import Append, ReadLog
from fleetops.operate.ledger import READ_BACK_POLLS, Book, Ledger
from fleetops_schemas.records import Action, ActionKind, ActionState
from tests.unit.operate.builders import NOW, an_action
from tests.unit.operate.simulation import NODE, Instance, Trouble, World

SEEDS = 2000
MAX_STEPS = 400


def at_epoch(action: Action, epoch: int, state: ActionState) -> Action:
    return action.model_copy(update={"epoch": epoch, "state": state})


class TestBook:
    def test_the_last_valid_record_holds(self) -> None:
        book, action = Book(), an_action()
        assert book.apply(at_epoch(action, 1, ActionState.APPROVED))
        assert [a.id for a in book.active()] == [action.id]
        assert book.apply(at_epoch(action, 1, ActionState.DONE))
        assert book.active() == []
        assert len(book) == 1

    def test_a_record_of_an_older_holder_behind_a_newer_one_is_void(self) -> None:
        book, action, other = Book(), an_action(), an_action("node002")
        book.apply(at_epoch(action, 1, ActionState.APPROVED))
        book.apply(at_epoch(other, 2, ActionState.APPROVED))
        assert not book.apply(at_epoch(action, 1, ActionState.EXECUTING))
        found = book.get(action.id)
        assert found is not None
        assert found.state is ActionState.APPROVED
        assert book.displaced == {action.id}

    def test_what_is_final_stays_final(self) -> None:
        book, action = Book(), an_action()
        book.apply(at_epoch(action, 1, ActionState.DENIED))
        assert not book.apply(at_epoch(action, 2, ActionState.APPROVED))
        assert book.active() == []

    def test_the_last_done_of_a_node_is_known(self) -> None:
        book = Book()
        drain = an_action(state=ActionState.DONE, outcome=ActionState.DONE)
        book.apply(drain)
        assert [node for node, _ in book.last_done(ActionKind.DRAIN)] == [NODE]
        undrain = an_action(
            kind=ActionKind.UNDRAIN, state=ActionState.DONE, outcome=ActionState.DONE
        )
        book.apply(undrain)
        assert book.last_done(ActionKind.DRAIN) == []
        assert [action.id for _, action in book.last_done(ActionKind.UNDRAIN)] == [undrain.id]


class TestRecord:
    def test_counts_only_once_it_was_read_back(self) -> None:
        ledger = Ledger(7, ManualClock(NOW))
        steps = ledger.record(an_action())
        appended = steps.send(None)
        assert isinstance(appended, Append)
        assert (appended.action.epoch, appended.action.updated_at) == (7, NOW)
        assert steps.send(None) == ReadLog()
        assert steps.send([]) == ReadLog()
        with pytest.raises(StopIteration) as done:
            steps.send([appended.action])
        assert done.value.value == appended.action

    def test_a_record_of_another_epoch_confirms_nothing(self) -> None:
        ledger = Ledger(7, ManualClock(NOW))
        steps = ledger.record(an_action())
        appended = steps.send(None)
        assert isinstance(appended, Append)
        steps.send(None)
        foreign = appended.action.model_copy(update={"epoch": 6})
        with pytest.raises(AmbiguousWriteError, match="not read back"):  # noqa: PT012
            for _ in range(READ_BACK_POLLS):
                steps.send([foreign])


TROUBLES = {
    "crashes": Trouble(crash=0.05),
    "lost acknowledgements": Trouble(lost_acknowledgement=0.2),
    "unclear acts": Trouble(unclear_act=0.4),
    "stalls": Trouble(stall_seconds=30.0),
    "everything": Trouble(0.1, 0.2, 0.1, 0.03, 20.0),
}


def simulate(seed: int, trouble: Trouble) -> World:
    """Two instances, the second one joining at some time, until all is quiet."""
    chance = random.Random(seed)  # noqa: S311  a simulation, not a secret
    world = World(trouble, chance)
    world.log.append(an_action(updated_at=world.clock.now()))
    instances = [Instance(world, 0), Instance(world, 1)]
    joins_at = chance.randrange(40)
    for step in range(MAX_STEPS):
        if step == MAX_STEPS // 2:
            world.trouble = Trouble()  # trouble ends, and everything has to come to its end
        awake = instances if step >= joins_at else instances[:1]
        chosen = chance.choice(awake)
        world.clock.advance(chance.random() * world.trouble.stall_seconds + 0.01)
        if chance.random() < world.trouble.crash:
            chosen.crash()
            chosen.ended = False  # the supervisor starts it again
        if chance.random() < 0.05:
            world.land()
        chosen.step()
    return world


@pytest.mark.parametrize("name", TROUBLES)
def test_never_two_acts_by_holders_and_all_comes_to_an_end(name: str) -> None:
    """No action is carried out twice by instances that held the ledger, whatever happens."""
    acted = 0
    for seed in range(SEEDS // len(TROUBLES) * 2):
        world = simulate(seed, TROUBLES[name])
        where = f"{name}, seed {seed}"
        assert sum(not act.fenced for act in world.acts) <= 1, where
        book = Book()
        for record in world.log:
            book.apply(record)
        assert book.active() == [], where
        (final,) = book
        done = final.state is ActionState.DONE
        assert done or final.state is ActionState.FAILED, where
        assert world.drained or not done, where
        acted += len(world.acts)
    assert acted > SEEDS // len(TROUBLES)


def test_a_drain_by_somebody_else_is_never_overwritten() -> None:
    """It stands whenever it came before our last look; only the instant of the act is exposed."""
    refused = 0
    for seed in range(500):
        chance = random.Random(seed)  # noqa: S311
        world = World(Trouble(crash=0.02), chance)
        world.log.append(an_action(updated_at=world.clock.now()))
        instance, when = Instance(world, 0), chance.randrange(8)
        for step in range(100):
            if step == when and not world.drained:
                world.drained, world.reason = True, "ops: RMA 4711"
            if chance.random() < world.trouble.crash:
                instance.crash()
            instance.step()
        if world.reason.startswith("ops:"):
            assert world.acts == []
            refused += 1
        assert world.overwritten <= 1
    assert refused > 300
