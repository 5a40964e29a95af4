"""The contract of interfaces, kept by the jobs' own reports."""

from __future__ import annotations

from collections.abc import Callable

from fleetops.emulator.interfaces.training import TrainingInterface
from tests.contract.interface_contract import InterfaceContract, Stand, Strike


class TestTrainingInterface(InterfaceContract):
    interface_class = TrainingInterface
    gone = Strike("gone", 3)

    def test_ranks_are_named_by_job_host_and_rank(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            job, hosts = stand.fleet.state.jobs.jobs[0], stand.fleet.site.hosts
            ranks = {cell.device: value for cell, value in found.items() if cell.metric == "rank"}
            assert ranks[f"{hosts[0]}/job{job.id}/rank5"] == 5.0
            assert len(ranks) == job.ranks
            labels = {
                device: said["job"]
                for scrape in stand.scrapes
                for device, said in scrape.labels.items()
            }
            assert labels == dict.fromkeys(ranks, job.id)

        use(act)

    def test_the_port_is_closed_once_the_job_has_ended(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            targets = [
                target["name"]
                for entry in stand.interface.collectors()
                for target in entry["targets"]
            ]
            stand.strikes.append(Strike("ended", 0))
            await stand.tick()
            assert await stand.read() == {}
            assert sorted(stand.silent) == sorted(targets)
            assert stand.expected() == {}

        use(act)
