"""A hung driver under the whole runner: the others keep their cadence, and it says which device."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from fleetops.core.clock import Clock, SystemClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_schemas.records import CollectorReport, Event
from fleetops_schemas.topics import COLLECTORS, EVENTS
from fleetops_schemas.topology import HostPlacement, Topology
from tests.conftest import Figure
from tests.nvml_testbed import EmulatedDriver
from tests.unit.collectors.collect_support import SwitchedPublisher, scripted, temperature

SECONDS = 8.0
WELL_AFTER = 3.0
"""Before it the device hangs at the first try and at the second, after it at none."""
PACE = 0.1


def test_a_hung_driver_hangs_nobody_and_recovers(tmp_path: Path, figure: Figure) -> None:
    driver = EmulatedDriver(tmp_path)
    driver.behave("hang 2 * 1")
    times: list[float] = []

    def answer(target: Target, clock: Clock) -> Scrape:
        times.append(time.monotonic())
        return Scrape(target, clock.now(), readings=[temperature("n1/gpu0")])

    target = {"name": "n0", "host": "n0", "library_folder": str(driver.folder)}
    nvml = {
        **{"kind": "nvml", "name": "gpus", "targets": [target], "interval_seconds": 0.5},
        **{"deadline_seconds": 3, "device_seconds": 0.5, "retry_seconds": 1},
    }
    bus = SwitchedPublisher()
    runner = CollectorRunner(
        [
            scripted(answer, [Target(name="n1", host="n1")], interval_seconds=PACE),
            *parse_collectors([nvml]),
        ],
        publisher=bus,
        topology=Topology(HostPlacement(host=f"n{n}", rack="r0") for n in range(2)),
        clock=SystemClock(),
        settings=RunnerSettings(tmp_path / "state", "here-1", batch_seconds=0.3, tick_seconds=0.05),
    )

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(WELL_AFTER, driver.behave)
        loop.call_later(SECONDS, stop.set)
        await runner.run(stop)

    asyncio.run(main())
    gaps = sorted(later - sooner for sooner, later in pairwise(times))
    nine_tenths = gaps[len(gaps) * 9 // 10]
    figure(
        f"{len(times)} rounds of another target in {SECONDS:g} s, 90 % within {nine_tenths:.2f} s"
    )
    assert len(times) > SECONDS / PACE / 3, gaps[-5:]
    assert gaps[len(gaps) * 9 // 10] < 0.5, gaps[-5:]  # the device's own deadline
    sent = [(topic, value) for topic, _, value, _ in bus.sent]
    reports = [CollectorReport.model_validate_json(v) for t, v in sent if t == COLLECTORS.name]
    errors = [one.targets[0].error for one in reports if one.collector == "gpus" and one.targets]
    assert any("n0/gpu2: no answer within 0.5 s" in error for error in errors)
    assert errors[-1] == ""
    events = [Event.model_validate_json(v) for t, v in sent if t == EVENTS.name]
    assert [(one.kind, one.device) for one in events] == [("accelerator_unresponsive", "n0/gpu2")]
