"""Runs of one seed with and without a fault, on small sites, compared reading by reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.fault_kinds import FaultKind, fault_kind
from fleetops.emulator.fault_reach import devices_within, reach_of, rows_of, rows_reached
from fleetops.emulator.fault_schedule import Fault, FaultSchedule, ScheduledFault
from fleetops.emulator.fault_shapes import Form
from fleetops.emulator.fault_signature import Mark, Moves
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site, build_site
from fleetops.emulator.truth import TruthFile, read_truth
from fleetops_schemas.clusters import Cluster, Placement
from fleetops_schemas.profiles import Basis, Figure, load_profile

TICK_SECONDS = 10.0
ONSET_TICK = 4
COUNTERS = {Moves.COUNTS, Moves.RESTARTS, Moves.STANDS}
SEED = 3
Tables = dict[str, Table]


def _share(workload: str, share: float) -> Placement:
    return Placement(
        workload=workload, share=Figure(value=share, basis=Basis.ASSUMED, why="a test's")
    )


@cache
def site_of(name: str) -> Site:
    """Half of the hosts train, the other half idles on racks and loops of its own."""
    cluster = load_profile(Cluster, "demo" if name == "liquid" else "llm_roce_32k")
    changes = {"jobs": (_share("llm_training", 0.5),), "racks_per_row": 2}
    return build_site(cluster.model_copy(update=changes), 32 if name == "liquid" else 8)


@cache
def healthy_run(site: str, ticks: int) -> tuple[Tables, ...]:
    """Tables of every tick, with nothing wrong."""
    fleet = Fleet(FleetOptions(site_of(site), SEED, TICK_SECONDS))
    return tuple(fleet.tick() for _ in range(ticks))


@dataclass(frozen=True)
class Case:
    """A kind on a site, short enough for a test."""

    kind: str
    target: Mapping[str, object]
    site: str = "liquid"
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    ticks: int = 24
    """It lasts."""
    recovery_ticks: int = 40

    @property
    def fault(self) -> Fault:
        """As it is scheduled."""
        return Fault(
            kind=self.kind,
            target=Target.model_validate(self.target),
            parameters=dict(self.parameters),
            at_seconds=ONSET_TICK * TICK_SECONDS,
            duration_seconds=self.ticks * TICK_SECONDS,
        )


class Trial:
    """One case, run."""

    def __init__(self, case: Case, truth: Path) -> None:
        """Runs the faulty fleet; the healthy one is shared by all cases of a site."""
        self.case = case
        options = FleetOptions(site_of(case.site), SEED, TICK_SECONDS)
        self.schedule = FaultSchedule(options)
        self.scheduled: ScheduledFault = self.schedule.add(case.fault)
        self.kind: FaultKind = fault_kind(case.kind)
        self.last = ONSET_TICK + case.ticks
        """The first tick at which the fault is over; tick numbers begin at 1."""
        self.lines: list[LogLine] = []
        self.schedule.on_line.append(self.lines.append)
        fleet = Fleet(options, self.schedule.disturb)
        count = self.last + case.recovery_ticks
        with TruthFile(truth, self.schedule, options.began):
            self.faulty = tuple(fleet.tick() for _ in range(count))
        self.episodes = read_truth(truth)
        self.healthy = healthy_run(case.site, count)

    def rows(self, mark: Mark) -> NDArray[np.intp]:
        """Rows of the devices that a mark names."""
        places = self.schedule.places
        extent = devices_within(places, self.scheduled.place, mark.within)
        roster = self.healthy[0][mark.devices.device_class].roster
        return rows_of(places, extent, mark.devices, roster)

    def shifts(self, mark: Mark, begin: int, end: int) -> Floats:
        """(rows,) how far each device moves in the mark's sense over ticks ``begin`` to ``end``.

        NaN where there is nothing to compare.
        """
        name = mark.devices.device_class
        there = self._present(self.faulty, name, begin, end)
        was_there = self._present(self.healthy, name, begin, end)
        if mark.moves is Moves.VANISHES:
            if mark.metric:
                there = there & ~np.isnan(self._column(self.faulty, mark, begin, end))
                was_there = was_there & ~np.isnan(self._column(self.healthy, mark, begin, end))
            gone: Floats = (was_there & ~there).mean(axis=0)
            return gone
        faulty = np.where(there, self._column(self.faulty, mark, begin, end), np.nan)
        healthy = np.where(was_there, self._column(self.healthy, mark, begin, end), np.nan)
        return self._moved(mark, faulty, healthy)

    def _moved(self, mark: Mark, faulty: Floats, healthy: Floats) -> Floats:
        whole = ~np.isnan(faulty).all(axis=0) & ~np.isnan(healthy).all(axis=0)
        if mark.moves in COUNTERS:
            whole &= ~np.isnan(faulty[0] + faulty[-1] + healthy[0] + healthy[-1])
        moved = np.full(faulty.shape[1], np.nan)
        if not whole.any():
            return moved
        faulty, healthy = faulty[:, whole], healthy[:, whole]
        grown, would = faulty[-1] - faulty[0], healthy[-1] - healthy[0]
        pulsing = self.kind.shape.form in {Form.PULSE, Form.FADE}
        match mark.moves:
            case Moves.UP:
                moved[whole] = np.nanquantile(faulty - healthy, 0.95 if pulsing else 0.5, axis=0)
            case Moves.DOWN:
                moved[whole] = np.nanquantile(healthy - faulty, 0.95 if pulsing else 0.5, axis=0)
            case Moves.WANDERS:
                moved[whole] = np.nanstd(faulty, axis=0) - np.nanstd(healthy, axis=0)
            case Moves.COUNTS:
                moved[whole] = grown - would
            case Moves.RESTARTS:
                moved[whole] = healthy[-1] - faulty[-1]
            case _:
                stands = np.nanstd(faulty[2:], axis=0) == 0.0
                moved[whole] = np.where(stands, would, 0.0)
        return moved

    def changed_outside(self) -> list[str]:
        """Readings that differ, of devices that are neither target nor in reach."""
        reach = self._reach()
        found = []
        for tick, (faulty, healthy) in enumerate(zip(self.faulty, self.healthy, strict=True), 1):
            for name, table in faulty.items():
                outside = np.ones(len(table.roster.devices), dtype=np.bool_)
                outside[reach[name]] = False
                found += [
                    f"tick {tick}: {table.roster.devices[row]} {metric}"
                    for metric, row in _differing(table, healthy[name], outside)
                ]
        return found

    def outside_rows(self) -> int:
        """Devices that must not change."""
        reach = self._reach()
        return sum(
            len(table.roster.devices) - len(reach[name]) for name, table in self.faulty[0].items()
        )

    def _reach(self) -> dict[str, NDArray[np.intp]]:
        places = self.schedule.places
        reach = reach_of(places, self.scheduled.place, self.kind.reach)
        return {
            name: rows_reached(places, reach, table.roster)
            for name, table in self.healthy[0].items()
        }

    def _present(
        self, run: tuple[Tables, ...], name: str, begin: int, end: int
    ) -> NDArray[np.bool_]:
        return np.array([tables[name].present for tables in run[begin - 1 : end - 1]])

    def _column(self, run: tuple[Tables, ...], mark: Mark, begin: int, end: int) -> Floats:
        name = mark.devices.device_class
        return np.array([tables[name][mark.metric] for tables in run[begin - 1 : end - 1]])


def _differing(table: Table, other: Table, rows: NDArray[np.bool_]) -> list[tuple[str, int]]:
    found = [
        ("presence", int(row)) for row in np.flatnonzero((table.present != other.present) & rows)
    ]
    for metric, column in table.columns.items():
        before = other.columns[metric]
        same = (column == before) | (np.isnan(column) & np.isnan(before))
        found += [(metric, int(row)) for row in np.flatnonzero(~same & rows & table.present)]
    return found
