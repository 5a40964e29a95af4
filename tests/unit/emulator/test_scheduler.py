from __future__ import annotations

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.emulator.scheduler import EmulatedScheduler
from fleetops_schemas.records import NodeState


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def scheduler(clock: ManualClock) -> EmulatedScheduler:
    return EmulatedScheduler(["n1", "n2", "n3"], "81", ["n1", "n2"], clock)


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
