"""A fleet as a whole: what makes two runs equal, where it begins, and who is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.model.fleet import EPOCH, Fleet, FleetOptions, day_kelvin
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import build_site
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.fleet_profiles import cluster_of
from tests.unit.emulator.emulated import Strike, emulated

CLUSTERS = ("demo", "llm_roce_32k", "unified_2025", "jbog_2018")
TICKS = 5


def run(name: str, seed: int, tick_seconds: float = 10.0, fault: Fault | None = None) -> Fleet:
    options = FleetOptions(build_site(cluster_of(name), 6), seed, tick_seconds)
    schedule = FaultSchedule(options)
    if fault is not None:
        schedule.add(fault)
    fleet = Fleet(options, schedule.disturb)
    for _ in range(TICKS):
        fleet.tick()
    return fleet


def same(one: Table, two: Table) -> list[str]:
    """Metrics that are equal, unreadable ones in the same places."""
    return [
        metric
        for metric, column in one.columns.items()
        if np.array_equal(column, two[metric], equal_nan=True)
    ]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_same_seed_and_tick_give_equal_tables(name: str) -> None:
    one, two = run(name, 7), run(name, 7)
    assert one.tables.keys() == two.tables.keys()
    for device_class, table in one.tables.items():
        other = two.tables[device_class]
        assert same(table, other) == list(table.columns)
        assert list(table.columns) == list(other.columns)
        assert np.array_equal(table.present, other.present)
        assert table.labels == other.labels


def test_faults_too_are_the_same_again() -> None:
    fault = Fault(kind="xid_noise", parameters={"every_seconds": 5})
    one, two = (run("demo", 7, fault=fault).tables["accelerator"] for _ in range(2))
    assert one["last_fault_code"].any()
    assert same(one, two) == list(one.columns)


def test_another_seed_gives_another_fleet() -> None:
    one, two = run("demo", 7).tables, run("demo", 8).tables
    for device_class, metric in (
        ("accelerator", "power_watts"),
        ("host", "inlet_temperature_celsius"),
        ("fabric_port", "optics_receive_power_milliwatts"),
        ("power_unit", "input_energy_joules"),
        ("training_rank", "compute_seconds"),
    ):
        assert not np.array_equal(one[device_class][metric], two[device_class][metric])


def test_a_fault_changes_nothing_but_what_it_touches() -> None:
    """Nobody draws more or fewer random numbers for it: the others' noise is the same."""
    fault = Fault(kind="leak", target=Target(host_index=3))
    healthy, leaking = run("demo", 7).tables, run("demo", 7, fault=fault).tables
    changed = {
        (device_class, metric)
        for device_class, table in healthy.items()
        for metric in set(table.columns) - set(same(table, leaking[device_class]))
    }
    # the controller of a leaking tray says so of its host too
    assert changed == {("coolant_unit", "leak_state"), ("host", "health")}
    assert leaking["coolant_unit"].value("node004/leak0", "leak_state") == 1.0


def test_the_day_begins_when_it_is_told_to() -> None:
    site = build_site(cluster_of("grand_teton"), 1)
    morning = datetime(2026, 3, 3, 3, tzinfo=UTC)
    inlets = []
    for began in (morning, morning + timedelta(hours=12)):
        fleet = Fleet(FleetOptions(site, began=began))
        fleet.tick()
        assert fleet.time == began + timedelta(seconds=10)
        inlets.append(fleet.state.heat.inlet_celsius[0])
    assert inlets[1] - inlets[0] == pytest.approx(3.0, abs=0.01), "coldest at 3, warmest at 15"
    assert day_kelvin(EPOCH, 15 * 3600.0) == pytest.approx(1.5)
    assert day_kelvin(EPOCH, 9 * 3600.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("tick_seconds", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_tick_is_a_length_of_time(tick_seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"a tick of .* s; give more than 0, at most a day"):
        FleetOptions(build_site(cluster_of("demo"), 1), tick_seconds=tick_seconds)


@pytest.mark.parametrize("name", CLUSTERS)
def test_rosters_are_the_sites_devices(name: str) -> None:
    fleet = run(name, 1)
    site, tables = fleet.site, fleet.tables
    assert tables["accelerator"].roster.devices == site.accelerators
    assert tables["host"].roster.devices == (*site.hosts, *site.names("switches"))
    ports = tables["fabric_port"].roster.devices
    assert ports[: len(site.ports.names)] == site.ports.names
    units = tables["power_unit"].roster.devices
    assert units[: len(site.supplies) + len(site.batteries)] == (*site.supplies, *site.batteries)
    assert ("coolant_unit" in tables) == bool(site.loops)
    ranks = sum(job.ranks for job in fleet.state.jobs.jobs if job.trains)
    assert len(tables["training_rank"].roster.devices if ranks else ()) == ranks
    for device_class, table in tables.items():
        declared = {metric.name for metric in load_catalog()[device_class].metrics}
        assert set(table.columns) <= declared
        roster = table.roster
        assert len(set(roster.devices)) == len(roster.hosts) == len(roster.racks)
        assert all(roster.racks), device_class
        for column in table.columns.values():
            assert column.shape == table.present.shape == (len(roster.devices),)


def test_hosts_and_racks_of_rows_are_those_of_the_site() -> None:
    site, tables = run("demo", 1).site, run("demo", 1).tables
    place = {one.host: one.rack for one in site.standing}
    for device_class in ("accelerator", "training_rank"):
        roster = tables[device_class].roster
        assert [place[host] for host in roster.hosts] == list(roster.racks)
    units = tables["coolant_unit"].roster
    rows = {name: units.index[name] for name in ("cdu1/pump2", "node002/leak0")}
    assert [units.hosts[row] for row in rows.values()] == ["", "node002"]
    assert {units.racks[row] for row in rows.values()} == {"r01"}


@pytest.mark.parametrize("name", ["demo", "grand_teton", "unified_host", "yosemite_v3"])
def test_it_begins_in_a_steady_state(name: str) -> None:
    """Half an hour later temperatures and power are where they were, but for noise and steps."""
    fleet = emulated(name, tick_seconds=10.0, hosts=6, warm_up_seconds=300.0)
    heat = fleet.state.heat

    def mean_of(ticks: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        sums = np.zeros(3)
        for _ in range(ticks):
            fleet.tick()
            sums += (
                heat.host_watts.mean(),
                heat.processor_celsius.mean(),
                heat.outlet_celsius.mean(),
            )
        mean: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = sums / ticks
        return mean

    first = mean_of(6)
    mean_of(180)
    later = mean_of(6)
    drift = day_kelvin(EPOCH, 1900.0) - day_kelvin(EPOCH, 30.0)
    assert later[0] == pytest.approx(first[0], rel=0.01)
    assert later[1:] == pytest.approx(first[1:], abs=0.4 + abs(drift))


def test_the_tables_before_the_first_tick_are_those_of_the_steady_state() -> None:
    fleet = emulated("demo", tick_seconds=1.0, hosts=4, warm_up_seconds=300.0)
    assert fleet.ticks == 0
    busy = fleet.tables["accelerator"]["temperature_celsius"][:24]
    before = busy.mean()
    fleet.tick()
    after = fleet.tables["accelerator"]["temperature_celsius"][:24].mean()
    assert before > 50.0
    assert after == pytest.approx(before, abs=2.0)


GONE: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("gone", "accelerators", "node002/gpu3", ("node002/gpu3",), ("node002/gpu2", "node002")),
    # the management controller of a dead host goes on, and the other way round
    (
        "down",
        "hosts",
        "node002",
        ("node002/gpu0", "node002/gpu7", "node002/job81/rank8"),
        ("node002", "node003/gpu0"),
    ),
    (
        "controller_down",
        "hosts",
        "node002",
        ("node002", "node002/leak0"),
        ("node002/gpu0", "node003"),
    ),
    ("supply_gone", "supplies", "r01/shelf1/psu2", ("r01/shelf1/psu2",), ("r01/shelf1/psu1",)),
    ("port_gone", "ports", "node001/mlx5_2", ("node001/mlx5_2",), ("node001/mlx5_3",)),
)


@pytest.mark.parametrize(("channel", "kind", "name", "missing", "there"), GONE)
def test_what_is_gone_is_absent_and_comes_back(
    channel: str, kind: str, name: str, missing: tuple[str, ...], there: tuple[str, ...]
) -> None:
    index = build_site(cluster_of("demo"), 6).index(kind, name)
    strike = Strike(channel, [index], 1.0, from_seconds=10.0, to_seconds=11.0)
    fleet = emulated("demo", tick_seconds=10.0, hosts=6, strikes=[strike], warm_up_seconds=60.0)

    def absent() -> set[str]:
        return {
            table.roster.devices[row]
            for table in fleet.tables.values()
            for row in np.flatnonzero(~table.present)
        }

    before = absent()
    fleet.tick()
    assert set(missing) <= absent()
    assert not set(there) & absent()
    table = next(one for one in fleet.tables.values() if missing[0] in one.roster.index)
    assert np.isnan(table.value(missing[0], next(iter(table.columns))))
    fleet.tick()
    assert absent() == before == set()
