"""A fleet in real time over its protocols, and the same one in compressed time: one model."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from fleetops.bus.local import LocalBus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Event
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topics import EVENTS, all_topics, telemetry_topics
from fleetops_schemas.topology import HostPlacement, Topology
from tests.integration.emulator_process import SINGLE_PRECISION, Cell, Emulator, Twin, running

SEED = 11
SECONDS = 10.0
MOST_SECONDS = 40.0
"""On a busy machine, until every reading has come once."""
MOST_TICKS, FEW_TICKS, FEW_SHARE = 4, 2, 0.95
"""A row is read in several requests: on a busy machine more than one tick may pass meanwhile."""
LATE_SECONDS = 6.0
"""By how much more than a tick a row may trail the tick that it shows, on a busy machine."""


@dataclass(frozen=True)
class Case:
    """A fleet, and what goes wrong in it while it is read."""

    cluster: str
    hosts: int
    warming: str
    """JSON of a fault that warms the accelerators of a host."""
    host: str
    collectors: frozenset[str]

    @property
    def faults(self) -> tuple[str, str]:
        xid = '{"kind": "xid", "target": {"host_index": 1, "accelerator": 1}, "at_seconds": 4,'
        return self.warming, xid + ' "parameters": {"code": 94}}'


CASES = (
    Case(
        "emulated_hgx_liquid",
        8,
        '{"kind": "cold_plate_clog", "target": {"host_index": 2}, "at_seconds": 3,'
        ' "parameters": {"ramp_seconds": 2}}',
        "node003",
        frozenset({"dcgm", "node", "training", "bmc", "cdu", "shelf", "facility", "fboss"}),
    ),
    Case(
        "llm_roce_32k",
        4,
        '{"kind": "fan_failure", "target": {"host_index": 0}, "at_seconds": 3,'
        ' "parameters": {"air_ratio": 0.2}}',
        "node0001",
        frozenset({"dcgm", "node", "training", "bmc", "rackmon", "fboss", "gnmi"}),
    ),
)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A row as it came from the bus."""

    device_class: str
    device: str
    host: str
    rack: str
    collector: str
    time: datetime
    values: Mapping[str, float]


@dataclass
class Runs:
    """What both ways of running the fleet told."""

    case: Case
    began: datetime
    rows: list[Row]
    events: list[Event]
    told: dict[Cell, Floats]
    """Of the compressed run: the course of each reading, one value a tick; first the state that it
    begins with."""
    places: dict[tuple[str, str], tuple[str, str]]
    """Host and rack by class and device, in the compressed run."""
    told_events: list[Event]
    always: set[Cell]
    """Readings that some protocol carries, at every tick."""
    ever: set[Cell]
    tolerances: Mapping[tuple[str, str], float]

    def matches(self, row: Row) -> NDArray[np.bool_]:
        """(metrics, ticks) whether the row's value is the compressed run's at that tick."""
        found = []
        for metric, value in row.values.items():
            course = self.told[Cell(row.device_class, row.device, metric)]
            allowed = self.tolerances.get((row.device_class, metric), 0.0)
            with np.errstate(invalid="ignore"):
                near = np.abs(course - value) <= allowed + SINGLE_PRECISION * np.abs(course)
            found.append(near)
        return np.array(found)

    @cached_property
    def shown(self) -> list[Shown]:
        """What each row shows."""
        return [shown(self.matches(row)) for row in self.rows]


@dataclass(frozen=True)
class Shown:
    """The ticks that a row may show: where it shows several, the first of them."""

    ticks: NDArray[np.intp]
    width: int
    """How many ticks passed while it was read, and one."""

    @property
    def is_sure(self) -> bool:
        """Whether it is one tick and no other."""
        return self.width == 1 and len(self.ticks) == 1


def shown(near: NDArray[np.bool_]) -> Shown:
    """What a row shows, by where each of its values fits: the fewest neighbouring ticks."""
    for width in range(1, MOST_TICKS + 1):
        windows = [near[:, step : near.shape[1] - width + 1 + step] for step in range(width)]
        found = np.flatnonzero(np.any(windows, axis=0).all(axis=0))
        if len(found):
            return Shown(found, width)
    return Shown(np.array([], dtype=np.intp), 0)


async def collect(
    emulator: Emulator, bus: LocalBus, folder: Path, expected: Collection[Cell]
) -> None:
    """Runs the collectors for a while, and on until everything has been read."""
    topology = Topology(map(HostPlacement.model_validate, emulator.endpoints["topology"]))
    runner = CollectorRunner(
        parse_collectors(emulator.endpoints["collectors"]),
        publisher=bus.producer(),
        topology=topology,
        clock=SystemClock(),
        settings=RunnerSettings(folder, "here", batch_seconds=0.2),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await asyncio.sleep(SECONDS)
    deadline = time.monotonic() + MOST_SECONDS - SECONDS
    while time.monotonic() < deadline:
        rows, _ = await asyncio.to_thread(read, bus)
        if cells(rows) >= set(expected):
            break
        await asyncio.sleep(2.0)
    stop.set()
    await task


def cells(rows: Iterable[Row]) -> set[Cell]:
    return {Cell(row.device_class, row.device, metric) for row in rows for metric in row.values}


def read(bus: LocalBus) -> tuple[list[Row], list[Event]]:
    rows: list[Row] = []
    with bus.reader([topic.name for topic in telemetry_topics()]) as reader:
        for message in reader.catch_up(30.0):
            header, batch = decode_batch(message.value, message.headers)
            metrics = [one.name for one in load_catalog()[header.device_class].metrics]
            for found in batch.to_pylist():
                values = {name: found[name] for name in metrics if found[name] is not None}
                if values:
                    names = (found["device"], found["host"], found["rack"])
                    where = (header.device_class, *names, header.collector)
                    rows.append(Row(*where, found["ts"], values))
    with bus.reader([EVENTS.name]) as reader:
        events = [Event.decode(message.value) for message in reader.catch_up(30.0)]
    return sorted(rows, key=lambda row: row.time), events


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.cluster)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    case: Case = request.param
    folder = tmp_path_factory.mktemp("agrees")
    arguments = ["--cluster", case.cluster, "--scale", str(case.hosts), "--seed", str(SEED)]
    arguments += ["--tick-seconds", "1"]
    for fault in case.faults:
        arguments += ["--fault", fault]
    with (
        running(folder / "emulator", *arguments) as emulator,
        LocalBus(BusConfig(path=folder / "bus.sqlite"), SystemClock()) as bus,
    ):
        bus.ensure_topics(all_topics())
        twin = Twin(emulator, folder / "twin", case.hosts, case.faults)
        asyncio.run(collect(emulator, bus, folder / "collectors", twin.carried()))
        rows, events = read(bus)
    return compressed(case, twin, rows, events)


def compressed(case: Case, twin: Twin, rows: list[Row], events: list[Event]) -> Runs:
    """The same fleet, tick by tick, from the batches that a compressed run makes."""
    ticks = int((rows[-1].time - twin.fleet.options.began).total_seconds()) + 2
    told: dict[Cell, Floats] = defaultdict(lambda: np.full(ticks, np.nan))
    for device_class, table in twin.fleet.tables.items():
        for name, array in table.arrays().items():
            for device, value in zip(table.roster.devices, numbers(array), strict=True):
                told[Cell(device_class, device, name)][0] = value
    places: dict[tuple[str, str], tuple[str, str]] = {}
    always = ever = set(twin.carried())
    for tick in range(1, ticks):
        for slab, batch in twin.run.batches(1):
            named = batch.select(["device", "host", "rack"]).to_pylist()
            for one in named:
                places[slab.device_class, one["device"]] = one["host"], one["rack"]
            for metric in load_catalog()[slab.device_class].metrics:
                column = batch.column(metric.name)
                if column.null_count < batch.num_rows:
                    for one, value in zip(named, numbers(column), strict=True):
                        told[Cell(slab.device_class, one["device"], metric.name)][tick] = value
        if tick % 5 == 0:
            now = set(twin.carried())
            always, ever = always & now, ever | now
    return Runs(
        case=case,
        began=twin.fleet.options.began,
        rows=rows,
        events=events,
        told=dict(told),
        places=places,
        told_events=twin.run.events(),
        always=always,
        ever=ever,
        tolerances=twin.tolerances(),
    )


def numbers(array: pa.Array) -> Floats:
    """A column as numbers; NaN for null."""
    found: Floats = array.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def test_nothing_is_in_one_that_the_other_lacks(runs: Runs) -> None:
    """Every device, and every reading that some protocol carries, came through; no other did."""
    found = cells(runs.rows)
    assert sorted(runs.always - found)[:10] == []
    assert sorted(found - runs.ever)[:10] == []
    classes = {cell.device_class for cell in found}
    assert classes == {cell.device_class for cell in runs.told}
    assert runs.case.collectors <= {row.collector for row in runs.rows}
    assert len(found) > 2000


def test_rows_stand_where_they_stand_in_compressed_time(runs: Runs) -> None:
    for row in runs.rows:
        host, rack = runs.places[row.device_class, row.device]
        # building management knows units by name alone
        known = "none" if row.collector == "facility" else rack
        assert (row.host, row.rack) == (host, known)


def test_every_row_shows_one_tick_or_neighbours_of_the_compressed_run(runs: Runs) -> None:
    report = []
    for row, what in zip(runs.rows, runs.shown, strict=True):
        if not len(what.ticks):
            near = runs.matches(row)
            best = int(near.sum(axis=0).argmax())
            off = [name for name, fits in zip(row.values, near[:, best], strict=True) if not fits]
            report.append((row.collector, row.device, best, off))
    assert not report, f"{len(report)} of {len(runs.rows)} rows, such as {report[:5]}"
    assert np.mean([what.width <= FEW_TICKS for what in runs.shown]) >= FEW_SHARE


def test_most_rows_show_a_single_tick_and_no_other(runs: Runs) -> None:
    """Else the test above would show little: noise tells the ticks apart."""
    assert np.mean([what.is_sure for what in runs.shown]) > 0.6


def test_ticks_go_on_with_time(runs: Runs) -> None:
    """A tick a second: a row never shows what is to come, and trails what it shows but little."""
    lags = [
        (row.time - runs.began).total_seconds() - what.ticks
        for row, what in zip(runs.rows, runs.shown, strict=True)
    ]
    begins = min(lag[0] for lag, what in zip(lags, runs.shown, strict=True) if what.is_sure)
    late = begins + 1.0 + LATE_SECONDS
    assert all(((lag >= begins - 0.1) & (lag <= late)).any() for lag in lags)
    seen: dict[tuple[str, str, str], int] = {}
    for row, what in zip(runs.rows, runs.shown, strict=True):
        key = row.collector, row.device_class, row.device
        later = what.ticks[what.ticks >= seen.get(key, 0)]
        assert len(later), f"{row.collector} {row.device} went back from tick {seen[key]}"
        seen[key] = int(later[0])
    sure = {int(what.ticks[0]) for what in runs.shown if what.is_sure}
    assert len(sure) >= SECONDS - 3.0
    assert max(sure) - min(sure) >= SECONDS - 4.0


def test_protocols_agree_on_the_same_sensor_at_the_same_tick(runs: Runs) -> None:
    """In band and out of band an accelerator is one: both fit one course, as seen above."""
    by_cell: dict[Cell, set[str]] = defaultdict(set)
    for row in runs.rows:
        for metric in row.values:
            by_cell[Cell(row.device_class, row.device, metric)].add(row.collector)
    several = {collectors for collectors in map(frozenset, by_cell.values()) if len(collectors) > 1}
    assert any({"bmc", "dcgm"} <= one for one in several)


def test_the_faults_happened_in_both(runs: Runs) -> None:
    device = f"{runs.case.host}/gpu0"
    course = runs.told[Cell("accelerator", device, "temperature_celsius")]
    rows = [row for row in runs.rows if row.collector == "dcgm" and row.device == device]
    warmest = max(row.values["temperature_celsius"] for row in rows)
    assert warmest > course[0] + 2.0, "noise is a quarter of a kelvin"
    (expected,) = runs.told_events
    (event,) = [one for one in runs.events if one.source == expected.source]
    assert event.device.endswith("2/gpu1")
    assert event.code == 94
    assert (event.device, event.code, event.kind) == (expected.device, 94, expected.kind)
    late = (event.time - expected.time).total_seconds()
    assert 0.0 <= late <= 1.0 + LATE_SECONDS
