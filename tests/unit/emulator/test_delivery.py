"""Faults of telemetry, where rows leave: by compressed runs, and over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.errors import TemporaryError
from fleetops.emulator.compressed import CompressedRun
from fleetops.emulator.fault_kinds import fault_kinds
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_signature import Moves
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.serving import Serving
from fleetops_collectors.collector_config import parse_collectors
from fleetops_schemas.platforms import Interface
from fleetops_schemas.records import Event
from fleetops_schemas.topics import EVENTS
from tests.unit.emulator.fault_cases import CASES
from tests.unit.emulator.fault_trials import SEED, TICK_SECONDS, Case, site_of

DELIVERED = [
    case
    for case in CASES
    if any(mark.moves.is_of_delivery for mark in fault_kinds()[case.kind].signature)
]
TICKS = 40
HOST = "node0003"


class Row(NamedTuple):
    """One row, as it arrived."""

    device_class: str
    device: str
    host: str
    ts: datetime
    arrived: int


def arrived(case: Case | None) -> list[Row]:
    """Every row of a run, in the order of arrival."""
    options = FleetOptions(site_of("air"), SEED, TICK_SECONDS)
    schedule = FaultSchedule(options)
    if case is not None:
        schedule.add(case.fault)
    fleet = Fleet(options, schedule.disturb)
    rows = []
    for slab, batch in CompressedRun(fleet).batches(TICKS):
        devices, hosts, times = (
            batch.column(name).to_pylist() for name in ("device", "host", "ts")
        )
        rows += [
            Row(slab.device_class, device, host, ts, fleet.ticks)
            for device, host, ts in zip(devices, hosts, times, strict=True)
        ]
    return rows


@pytest.fixture(scope="module")
def healthy() -> list[Row]:
    return arrived(None)


def concerned(case: Case, row: Row) -> bool:
    """Whether the fault may touch the row."""
    if "collector" in case.target:
        return row.device_class == "accelerator"
    return row.host == HOST and row.device_class != "host"


def moves_of(case: Case) -> Moves:
    return fault_kinds()[case.kind].signature[0].moves


@pytest.mark.parametrize("case", DELIVERED, ids=[case.kind for case in DELIVERED])
def test_a_fault_of_telemetry_touches_its_rows_alone(case: Case, healthy: list[Row]) -> None:
    faulty = arrived(case)
    others = [row for row in healthy if not concerned(case, row)]
    assert Counter(row for row in faulty if not concerned(case, row)) == Counter(others)
    own = [row for row in faulty if concerned(case, row)]
    were = [row for row in healthy if concerned(case, row)]
    assert own != were
    assert _shows(moves_of(case), own, were)


def _shows(moves: Moves, own: list[Row], were: list[Row]) -> bool:
    times = Counter((row.device, row.ts) for row in own)
    before = Counter((row.device, row.ts) for row in were)
    match moves:
        case Moves.LOST:
            return times < before
        case Moves.REPEATED:
            return set(times) == set(before) and set(times.values()) == {1, 2}
        case Moves.SKEWED:
            off = {key for key in times if key not in before}
            return bool(off) and all(
                (device, ts - timedelta(seconds=2)) in before for device, ts in off
            )
        case Moves.LATE:
            delays = {row.arrived - _tick(row) for row in own}
            return times == before and delays == {0, 6}
        case _:
            order = [row.ts for row in own if row.device == own[0].device]
            return times == before and order != sorted(order)


def _tick(row: Row) -> int:
    began = FleetOptions(site_of("air")).began
    return round((row.ts - began).total_seconds() / TICK_SECONDS)


def test_a_share_of_the_rounds_is_lost(healthy: list[Row]) -> None:
    case = next(case for case in DELIVERED if case.kind == "row_loss")
    device = f"{HOST}/gpu0"
    kept = sum(row.device == device for row in arrived(case))
    lost = sum(row.device == device for row in healthy) - kept
    assert lost == pytest.approx(0.5 * case.ticks, abs=6)


@pytest.mark.parametrize("kind", ["exporter_restart", "row_loss"])
def test_over_http_a_silent_host_does_not_answer(tmp_path: Path, kind: str) -> None:
    case = next(case for case in DELIVERED if case.kind == kind)
    options = FleetOptions(site_of("air"), SEED, TICK_SECONDS)
    schedule = FaultSchedule(options)
    schedule.add(case.fault)
    fleet = Fleet(options, schedule.disturb)

    async def silent_hosts() -> list[set[str]]:
        found = []
        async with Serving(fleet, tmp_path, SystemClock(), only={Interface.DCGM}) as serving:
            (entry,) = parse_collectors(serving.collectors())
            collector = entry.collector_class.create(entry.config, SystemClock())
            for _ in range(12):
                fleet.tick()
                await serving.refresh()
                silent = set()
                for target in entry.config.targets:
                    try:
                        await collector.collect(target)
                    except TemporaryError:
                        silent.add(target.name)
                found.append(silent)
            await collector.close()
        return found

    found = asyncio.run(silent_hosts())
    assert found[:3] == [set()] * 3
    rows = arrived(case)
    ticks = {row.arrived for row in rows if row.device == f"{HOST}/gpu0"}
    assert [HOST in silent for silent in found] == [tick not in ticks for tick in range(1, 13)]
    assert set().union(*found) == {HOST}


class Sent:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.messages: list[tuple[str, str, bytes]] = []

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        del headers
        self.messages.append((topic, key, value))

    def flush(self, timeout_seconds: float) -> None: ...


def test_compressed_time_has_the_events_of_kernel_logs() -> None:
    options = FleetOptions(site_of("air"), SEED, 60.0)
    schedule = FaultSchedule(options)
    fault = {"kind": "gsp_timeout", "target": {"host_index": 1, "accelerator": 6}}
    schedule.add(Fault.model_validate({**fault, "at_seconds": 150}))
    run, sent = CompressedRun(Fleet(options, schedule.disturb)), Sent()
    schedule.on_line.append(run.hear)
    run.publish(5, sent)
    ((key, value),) = [(key, value) for topic, key, value in sent.messages if topic == EVENTS.name]
    event = Event.decode(value)
    assert (key, event.device, event.kind, event.code) == (
        "node0002",
        "node0002/gpu6",
        "accelerator_gsp",
        119,
    )
    assert event.time == event.observed_at == options.began + timedelta(seconds=150)
    before = [topic for topic, _, _ in sent.messages].index(EVENTS.name)
    assert before == 2 * (len(sent.messages) - 1) // 5  # two of five ticks
