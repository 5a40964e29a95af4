from __future__ import annotations

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.emulator.scheduler import EmulatedScheduler, HeldNodes
from fleetops_schemas.records import NodeState


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def scheduler(clock: ManualClock) -> EmulatedScheduler:
    return EmulatedScheduler(["n1", "n2", "n3"], [HeldNodes("81", "pretrain", ("n1", "n2"))], clock)


def state(scheduler: EmulatedScheduler, node: str) -> NodeState:
    return {item.node: item for item in scheduler.nodes()}[node]


def test_a_drained_busy_node_keeps_its_job(
    scheduler: EmulatedScheduler, clock: ManualClock
) -> None:
    clock.advance(5)
    scheduler.drain("n1", "fleetops:i1 hot", "fleetops")
    node = state(scheduler, "n1")
    assert node.states == ("ALLOCATED", "DRAIN")
    assert node.drained
    assert node.busy
    assert node.jobs == ("81",)
    assert (node.reason, node.reason_by, node.reason_at) == (
        "fleetops:i1 hot",
        "fleetops",
        clock.now(),
    )
    (job,) = scheduler.jobs()
    assert (job.state, job.nodes) == ("RUNNING", ("n1", "n2"))
    assert scheduler.drained == ["n1"]


def test_the_same_drain_twice_is_one(scheduler: EmulatedScheduler, clock: ManualClock) -> None:
    scheduler.drain("n3", "why", "me")
    at = state(scheduler, "n3").reason_at
    clock.advance(10)
    scheduler.drain("n3", "why", "me")
    assert state(scheduler, "n3").reason_at == at
    assert state(scheduler, "n3").states == ("IDLE", "DRAIN")


def test_another_reason_overwrites_as_in_slurm(scheduler: EmulatedScheduler) -> None:
    scheduler.drain("n3", "a person's", "alice")
    scheduler.drain("n3", "another", "bob")
    assert (state(scheduler, "n3").reason, state(scheduler, "n3").reason_by) == ("another", "bob")


def test_undrain_brings_the_node_back(scheduler: EmulatedScheduler) -> None:
    scheduler.drain("n3", "why", "me")
    scheduler.undrain("n3")
    node = state(scheduler, "n3")
    assert (node.drained, node.reason, node.reason_at) == (False, "", None)
    with pytest.raises(RefusedError):
        scheduler.undrain("n3")


def test_unknown_nodes_and_empty_reasons_are_refused(scheduler: EmulatedScheduler) -> None:
    with pytest.raises(NotFoundError, match="n9"):
        scheduler.drain("n9", "why", "me")
    with pytest.raises(NotFoundError):
        scheduler.undrain("n9")
    with pytest.raises(InputError, match="reason"):
        scheduler.drain("n1", "  ", "me")
    assert scheduler.drained == []


def test_each_job_holds_its_own_nodes(clock: ManualClock) -> None:
    jobs = [HeldNodes("81", "pretrain", ("n1",)), HeldNodes("82", "tuning", ("n3",))]
    scheduler = EmulatedScheduler(["n1", "n2", "n3"], jobs, clock)
    assert [(job.id, job.name, job.nodes) for job in scheduler.jobs()] == [
        ("81", "pretrain", ("n1",)),
        ("82", "tuning", ("n3",)),
    ]
    assert [one.jobs for one in scheduler.nodes()] == [("81",), (), ("82",)]


def test_a_job_that_holds_nothing_runs_no_longer(scheduler: EmulatedScheduler) -> None:
    scheduler.hold("81", ("n2",))
    assert [job.nodes for job in scheduler.jobs()] == [("n2",)]
    assert state(scheduler, "n1").states == ("IDLE",)
    scheduler.hold("81", ())
    assert scheduler.jobs() == []
    assert not any(node.busy for node in scheduler.nodes())
    with pytest.raises(NotFoundError, match="81"):
        scheduler.hold("99", ("n1",))


def test_a_node_that_does_not_respond_is_down_since_then(
    scheduler: EmulatedScheduler, clock: ManualClock
) -> None:
    scheduler.lose(["n1"])
    since = clock.now()
    clock.advance(30)
    scheduler.lose(["n1"])
    node = state(scheduler, "n1")
    assert node.states == ("DOWN", "NOT_RESPONDING")
    assert (node.reason, node.reason_by, node.reason_at) == ("Not responding", "slurm", since)
    assert not node.drained
    assert node.busy
    scheduler.lose([])
    assert state(scheduler, "n1").states == ("ALLOCATED",)


def test_a_drain_keeps_its_reason_while_the_node_is_down(scheduler: EmulatedScheduler) -> None:
    scheduler.drain("n1", "hot", "fleetops")
    scheduler.lose(["n1"])
    node = state(scheduler, "n1")
    assert node.states == ("DOWN", "NOT_RESPONDING", "DRAIN")
    assert (node.drained, node.reason, node.reason_by) == (True, "hot", "fleetops")
