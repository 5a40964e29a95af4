"""Kernel logs, as the real collector reads them: every line that faults write, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.kernel_lines import boot_lines
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.serving import Serving
from fleetops.emulator.site import build_site
from fleetops_collectors.collector_config import parse_collectors
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.platforms import Interface
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.records import Event

TICK_SECONDS = 10.0
HOSTS = 4
Told = list[tuple[str, str, int | None]]


class Stand:
    """A fleet with its kernel logs served, and the collectors that follow them."""

    def __init__(self, folder: Path) -> None:
        """Nothing is wrong yet."""
        site = build_site(load_profile(Cluster, "llm_roce_32k"), HOSTS)
        options = FleetOptions(site, seed=5, tick_seconds=TICK_SECONDS)
        self.schedule = FaultSchedule(options)
        self.fleet = Fleet(options, self.schedule.disturb)
        self._folder = folder

    def run(self, act: Callable[[Stand], Awaitable[None]]) -> None:
        """Serves the logs while ``act`` runs."""

        async def session() -> None:
            clock = SystemClock()
            served = Serving(self.fleet, self._folder, clock, only={Interface.KERNEL_LOG})
            self.schedule.on_line.append(served.tell)
            async with served as self.serving:
                self._readers = [
                    (one.collector_class.create(one.config, clock), one.config.targets)
                    for one in parse_collectors(served.collectors())
                ]
                try:
                    await self.read()
                    await act(self)
                finally:
                    for collector, _ in self._readers:
                        await collector.close()

        asyncio.run(session())

    async def tick(self, ticks: int = 1) -> None:
        """Moves the fleet on."""
        for _ in range(ticks):
            self.fleet.tick()
            await self.serving.refresh()

    async def read(self) -> list[Event]:
        """What the collectors find since the last time."""
        events: list[Event] = []
        for collector, targets in self._readers:
            for target in targets:
                scrape = await collector.collect(target)
                assert scrape.warnings == []
                events += scrape.events
        return events

    def strike(self, kind: str, target: dict[str, object], **parameters: float | str) -> None:
        """A fault from now on."""
        self.schedule.add(
            Fault(kind=kind, target=Target.model_validate(target), parameters=parameters),
            self.fleet.seconds,
        )


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def told(events: list[Event]) -> Told:
    return [(event.device, event.kind, event.code) for event in events]


def test_a_healthy_fleet_says_nothing_that_matters(stand: Stand) -> None:
    async def act(stand: Stand) -> None:
        await stand.tick(20)
        assert await stand.read() == []

    stand.run(act)
    logs = sorted((stand._folder / "kmsg").iterdir())
    assert [log.stem for log in logs] == sorted(stand.fleet.site.hosts)
    lines = sum(len(log.read_text().splitlines()) for log in logs)
    boot = sum(len(list(boot_lines("", 8 * log.stem.startswith("node")))) for log in logs)
    assert lines > boot + len(logs)


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        (
            "accelerator_off_bus",
            {"host_index": 1, "accelerator": 4},
            [
                ("node0002/gpu4", "accelerator_fallen_off_bus", 79),
                ("node0002/gpu4", "accelerator_fallen_off_bus", None),
            ],
        ),
        (
            "hbm_uncorrectable",
            {"host_index": 1, "accelerator": 4},
            [
                ("node0002/gpu4", "accelerator_memory_uncorrectable", 94),
                ("node0002/gpu4", "accelerator_row_remap", 63),
            ],
        ),
        (
            "gsp_timeout",
            {"host_index": 0, "accelerator": 0},
            [("node0001/gpu0", "accelerator_gsp", 119)],
        ),
        (
            "nvlink_errors",
            {"host_index": 0, "accelerator": 7},
            [("node0001/gpu7", "accelerator_nvlink", 74)],
        ),
        ("nvswitch_errors", {"host_index": 2}, [("node0003/nvswitch0", "nvswitch_fault", 20034)]),
        (
            "cable_fault",
            {"host_index": 2, "port": "mlx5_5"},
            [("node0003/mlx5_5", "link_down", None)],
        ),
        (
            "nic_down",
            {"host_index": 2, "port": "mlx5_5"},
            [("node0003/mlx5_5", "link_errors", None)],
        ),
        (
            "pcie_degraded",
            {"host_index": 2, "accelerator": 1},
            [("node0003/gpu1", "pcie_error", None)],
        ),
        (
            "host_memory_corrected",
            {"host_index": 2},
            [("node0003/MC0", "memory_corrected", None)],
        ),
        (
            "host_memory_uncorrectable",
            {"host_index": 2},
            [("node0003/MC0", "machine_check", None), ("node0003", "machine_check", None)],
        ),
        ("processor_throttled", {"host_index": 2}, [("node0003", "host_hot", None)]),
        (
            "ssd_failure",
            {"host_index": 2},
            [
                ("node0003/nvme1", "storage_error", None),
                ("node0003/nvme1", "storage_error", None),
            ],
        ),
    ],
)
def test_a_fault_is_read_as_what_it_is(
    stand: Stand, kind: str, target: dict[str, object], expected: Told
) -> None:
    async def act(stand: Stand) -> None:
        stand.strike(kind, target)
        await stand.tick()
        assert told(await stand.read()) == expected

    stand.run(act)


def test_a_flapping_link_is_seen_as_one(stand: Stand) -> None:
    async def act(stand: Stand) -> None:
        stand.strike("nic_flap", {"host_index": 0, "port": "mlx5_0"}, period_seconds=30)
        await stand.tick(10)
        kinds = [event.kind for event in await stand.read()]
        assert kinds.count("link_flapping") >= 1
        assert "link_up" in kinds

    stand.run(act)


def test_noise_is_of_programs_and_drains_nothing(stand: Stand) -> None:
    async def act(stand: Stand) -> None:
        stand.strike("xid_noise", {}, every_seconds=10)
        await stand.tick(30)
        events = await stand.read()
        assert {event.code for event in events} <= {74, 43, 31, 45}
        assert len(events) > 10
        actions = {str(event.attributes["recommended_action"]) for event in events}
        assert not any(action.startswith("drain") for action in actions)

    stand.run(act)


def test_a_dead_host_writes_nothing_and_boots_when_it_returns(stand: Stand) -> None:
    async def act(stand: Stand) -> None:
        log = stand._folder / "kmsg" / "node0003.log"
        stand.schedule.add(
            Fault(kind="host_down", target=Target(host_index=2), duration_seconds=300),
            stand.fleet.seconds,
        )
        await stand.tick()
        before = log.read_text()
        await stand.tick(28)
        assert log.read_text() == before
        await stand.tick(3)
        assert "Linux version" in log.read_text()[len(before) :]

    stand.run(act)
