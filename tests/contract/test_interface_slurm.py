"""The contract of interfaces, kept by slurmrestd."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fleetops.emulator.interfaces.slurm import SlurmInterface, index_ranges
from fleetops_schemas.records import Job, NodeState
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike


def nodes_of(stand: Stand) -> dict[str, NodeState]:
    (scrape,) = stand.scrapes
    return {one.node: one for one in scrape.nodes}


def jobs_of(stand: Stand) -> dict[str, Job]:
    (scrape,) = stand.scrapes
    return {one.id: one for one in scrape.jobs}


class TestSlurmInterface(InterfaceContract):
    interface_class = SlurmInterface
    cluster: ClassVar[str] = "research_ib_16k"
    hosts: ClassVar[int] = 20
    gone = Strike("down", 3)

    def test_nodes_and_jobs_are_the_schedulers(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            assert isinstance(stand.interface, SlurmInterface)
            scheduler = stand.interface.scheduler
            drained = stand.fleet.site.hosts[1]
            scheduler.drain(drained, "xid 79", "fleetops")
            await stand.read()
            at = {"reason_at", "observed_at"}
            told = {one.node: one.model_dump(exclude=at) for one in scheduler.nodes()}
            found = {name: one.model_dump(exclude=at) for name, one in nodes_of(stand).items()}
            assert found == told
            state = nodes_of(stand)[drained]
            assert (state.states, state.reason) == (("ALLOCATED", "DRAIN"), "xid 79")
            assert state.reason_by == "fleetops"
            assert state.reason_at is not None
            jobs = jobs_of(stand)
            assert {one.id: one.nodes for one in scheduler.jobs()} == {
                name: one.nodes for name, one in jobs.items()
            }
            assert len(jobs) == 2

        use(act)

    def test_a_job_holds_all_accelerators_of_its_nodes(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            jobs = jobs_of(stand)
            busy = {node for job in jobs.values() for node in job.nodes}
            held = {
                cell.device: value
                for cell, value in found.items()
                if cell.metric == "allocated_accelerators"
            }
            assert held == {node: 8.0 if node in busy else 0.0 for node in held}
            assert set(held.values()) == {0.0, 8.0}
            (allocation,) = jobs["81"].allocations
            assert allocation.accelerators == tuple(range(8))
            assert jobs["81"].tasks == 8 * len(jobs["81"].nodes)

        use(act)

    def test_a_node_that_is_down_does_not_respond(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("down", 0))
            await stand.tick()
            found = await stand.read()
            node = stand.fleet.site.hosts[0]
            state = nodes_of(stand)[node]
            assert state.states == ("DOWN", "NOT_RESPONDING")
            assert (state.reason, state.reason_by) == ("Not responding", "slurm")
            assert not state.drained
            assert Cell("host", node, "power_watts") not in found
            stand.strikes.clear()
            await stand.tick()
            await stand.read()
            assert nodes_of(stand)[node].states == ("ALLOCATED",)

        use(act)

    def test_a_job_that_ended_is_listed_no_longer(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            await stand.read()
            nodes = jobs_of(stand)["81"].nodes
            stand.strikes.append(Strike("ended", 0))
            await stand.tick()
            found = await stand.read()
            # the collector tells an end once
            assert {one.id: one.state for one in jobs_of(stand).values()} == {
                "81": "ENDED",
                "82": "RUNNING",
            }
            assert all(nodes_of(stand)[node].states == ("IDLE",) for node in nodes)
            assert {found[Cell("host", node, "allocated_accelerators")] for node in nodes} == {0.0}

        use(act)


def test_numbers_of_accelerators_are_folded_as_slurm_does() -> None:
    assert index_ranges([]) == "N/A"
    assert index_ranges([3]) == "3"
    assert index_ranges([6, 0, 1, 2]) == "0-2,6"
