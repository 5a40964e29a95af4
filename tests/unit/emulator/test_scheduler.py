from __future__ import annotations

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.emulator.scheduler import MAX_CALLS, EmulatedScheduler, HeldNodes
from fleetops_schemas.records import NodeState

JOBS = (HeldNodes("81", "llm_training", ("n1", "n2")), HeldNodes("82", "llm_decode", ("n4",)))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def scheduler(clock: ManualClock) -> EmulatedScheduler:
    return EmulatedScheduler(["n1", "n2", "n3", "n4"], JOBS, clock)


def state(scheduler: EmulatedScheduler, node: str) -> NodeState:
    return {item.node: item for item in scheduler.nodes()}[node]


def test_each_job_holds_its_nodes_and_the_rest_are_idle(scheduler: EmulatedScheduler) -> None:
    assert [(job.id, job.name, job.state, job.nodes) for job in scheduler.jobs()] == [
        ("81", "llm_training", "RUNNING", ("n1", "n2")),
        ("82", "llm_decode", "RUNNING", ("n4",)),
    ]
    assert [(node.node, node.states, node.jobs) for node in scheduler.nodes()] == [
        ("n1", ("ALLOCATED",), ("81",)),
        ("n2", ("ALLOCATED",), ("81",)),
        ("n3", ("IDLE",), ()),
        ("n4", ("ALLOCATED",), ("82",)),
    ]


def test_jobs_began_with_the_scheduler_and_are_seen_now(
    scheduler: EmulatedScheduler, clock: ManualClock
) -> None:
    began = clock.now()
    clock.advance(60)
    assert {(job.started_at, job.observed_at) for job in scheduler.jobs()} == {(began, clock.now())}


def test_a_fleet_may_have_no_job(clock: ManualClock) -> None:
    scheduler = EmulatedScheduler(["n1"], (), clock)
    assert scheduler.jobs() == []
    assert not state(scheduler, "n1").busy


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
    job = scheduler.jobs()[0]
    assert (job.state, job.nodes) == ("RUNNING", ("n1", "n2"))
    assert scheduler.drained == ["n1"]


def test_drained_nodes_are_listed_in_the_fleets_order(scheduler: EmulatedScheduler) -> None:
    for node in ("n4", "n1", "n3"):
        scheduler.drain(node, "why", "me")
    assert scheduler.drained == ["n1", "n3", "n4"]


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
    with pytest.raises(NotFoundError, match="no node 'n9'; there are n1 to n4"):
        scheduler.drain("n9", "why", "me")
    with pytest.raises(NotFoundError):
        scheduler.undrain("n9")
    with pytest.raises(InputError, match="reason"):
        scheduler.drain("n1", "  ", "me")
    assert scheduler.drained == []


def test_what_was_asked_for_is_remembered_whatever_came_of_it(
    scheduler: EmulatedScheduler, clock: ManualClock
) -> None:
    scheduler.drain("n1", "why", "me")
    clock.advance(1)
    with pytest.raises(RefusedError):
        scheduler.undrain("n2")
    with pytest.raises(NotFoundError):
        scheduler.drain("n9", "why", "me")
    calls = [(call.verb, call.node, call.reason) for call in scheduler.calls]
    assert calls == [("drain", "n1", "why"), ("undrain", "n2", ""), ("drain", "n9", "why")]
    assert scheduler.calls[-1].at == clock.now()
    assert scheduler.calls.maxlen == MAX_CALLS, "a client in a loop does not fill the memory"


def test_without_nodes_nobody_is_known(clock: ManualClock) -> None:
    """A rack of storage hosts has no node that jobs run on."""
    scheduler = EmulatedScheduler((), (), clock)
    assert (scheduler.nodes(), scheduler.jobs(), scheduler.drained) == ([], [], [])
    with pytest.raises(NotFoundError, match="no node 'n1'; there are none"):
        scheduler.drain("n1", "why", "me")
