"""Messages that faults leave in controllers' logs, as the Redfish collector reads them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.emulator.fault_default import with_target
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.serving import Serving
from fleetops.emulator.site import build_site
from fleetops_collectors.collector_config import parse_collectors
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Interface

SOON_SECONDS = 0.05


async def heard(folder: Path, kind: str) -> list[tuple[str, str]]:
    """(device, kind) of what the collector is told, once the fault has struck."""
    clock = SystemClock()
    options = FleetOptions(build_site(cluster_of("grand_teton"), 2), 1, began=clock.now())
    schedule = FaultSchedule(options)
    fleet = Fleet(options, schedule.disturb)
    async with Serving(fleet, folder, clock, only={Interface.REDFISH}) as serving:
        schedule.on_line.append(serving.tell)
        bmc = next(one for one in serving.collectors() if one["name"] == "bmc")
        (entry,) = parse_collectors([{**bmc, "log_interval_seconds": SOON_SECONDS}])
        collector = entry.collector_class.create(entry.config, clock)
        events = []
        for strike in (True, False):
            for target in entry.config.targets:
                events += (await collector.collect(target)).events
            if strike:
                assert events == []
                fault = with_target(Fault(kind=kind), options.site, schedule.places.jobs)
                schedule.add(fault, fleet.seconds)
                fleet.tick()
                await serving.refresh()
                await asyncio.sleep(2 * SOON_SECONDS)
        await collector.close()
    return [(event.device.partition("/")[0], event.kind) for event in events]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("fan_failure", "fan_fault"),
        ("ssd_failure", "storage_error"),
        ("row_remap_failure", "accelerator_row_remap"),
        ("host_memory_uncorrectable", "machine_check"),
        ("pcie_degraded", "pcie_error"),
    ],
)
def test_a_message_is_read_as_what_it_is(tmp_path: Path, kind: str, told: str) -> None:
    assert asyncio.run(heard(tmp_path, kind)) == [("node001", told)]
