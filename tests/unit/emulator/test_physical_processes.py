"""Single processes of the model against numbers worked out by hand."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from fleetops.emulator.groups import indices
from fleetops.emulator.model.coolant import heat_flow_watts_per_kelvin
from fleetops.emulator.model.effects import Effects, Scope
from fleetops.emulator.model.fleet import EPOCH, Fleet, day_kelvin
from fleetops.emulator.model.jobs import vector
from fleetops.emulator.model.links import BASE_BIT_ERROR_DECADE, lost_codewords
from fleetops.emulator.model.memory import SPARE_ROWS_OF_BANK, ErrorCounters
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.workloads import Workload
from tests.unit.emulator.emulated import Strike, emulated

HOUR = 3600.0


def struck(*strikes: Strike, name: str = "demo", ticks: int = 1) -> Fleet:
    fleet = emulated(name, tick_seconds=10.0, hosts=2, strikes=strikes)
    for _ in range(ticks):
        fleet.tick()
    return fleet


def test_errors_beget_remaps_until_a_bank_runs_out() -> None:
    errors = ErrorCounters(2, np.random.default_rng(1))
    effects = Effects(dict.fromkeys(Scope, 2))
    effects.apply("uncorrectable_errors_per_hour", indices([0]), 1.0, 1.0)
    for hour in range(1, 13):
        errors.step(HOUR, effects)
        assert errors["uncorrectable_errors_per_hour"].tolist() == [hour, 0]
        spared = min(hour, SPARE_ROWS_OF_BANK)
        assert errors.remapped_for_uncorrectable.tolist() == [spared, 0.0]
        assert errors.remap_failed.tolist() == [float(hour > SPARE_ROWS_OF_BANK), 0.0]


def test_a_remap_is_pending_until_its_host_starts_anew() -> None:
    count = 3600.0 / 10.0
    fleet = emulated(
        "grand_teton",
        tick_seconds=10.0,
        hosts=2,
        strikes=[
            Strike("uncorrectable_errors_per_hour", [0], count, 10.0, 20.0),
            Strike("down", [0], 1.0, 30.0, 40.0),
        ],
    )
    pending, rows, volatile = [], [], []
    for _ in range(4):
        table = fleet.tick()["accelerator"]
        pending.append(table["row_remap_pending"][0])
        rows.append(table["remapped_rows_uncorrectable_total"][0])
        volatile.append(table["ecc_uncorrectable_total"][0])
    assert pending == [1.0, 1.0, 0.0, 0.0]
    assert rows == [1.0, 1.0, 1.0, 1.0], "for good"
    assert volatile == [1.0, 1.0, 0.0, 0.0], "since the driver started"


def test_uncorrectable_codewords_come_with_the_tail_and_not_at_once() -> None:
    before = struck(ticks=0).state.links
    healthy = before._decade[0]
    assert healthy == pytest.approx(BASE_BIT_ERROR_DECADE, abs=1.5)
    counts = []
    words = 400e9 * 60.0 / 5440
    for rate in (1e-5, 4e-4, 1e-3):
        fleet = struck(Strike("bit_errors", [0], np.log10(rate) - healthy), ticks=6)
        links = fleet.state.links
        wanted = words * lost_codewords(np.array([rate]))[0]
        assert links.uncorrectable[0] == pytest.approx(wanted, rel=0.01, abs=3.0)
        mended = links.corrected[0] - before.corrected[0]
        assert mended == pytest.approx(words * -np.expm1(-5440 * rate) - wanted, rel=0.001)
        counts.append(float(links.uncorrectable[0]))
    assert counts[0] == 0.0
    assert 0.0 < counts[1] < 1e-3 * counts[2]


def test_a_warm_module_needs_more_current_and_lasers_are_not_of_one_age() -> None:
    cool, warm = struck(), struck(Strike("optics_kelvin", range(16), 20.0), ticks=60)
    before, after = (fleet.state.links.bias_milliamperes for fleet in (cool, warm))
    lit = (before > 0.0) & (np.arange(len(before)) < 16)
    assert (after[lit] / before[lit]).mean() == pytest.approx(1.08, abs=0.01)
    assert 0.02 < np.std(np.log(before[lit])) < 0.10


def test_a_spinning_collective_runs_kernels_and_a_resting_server_none() -> None:
    training, decode = (load_profile(Workload, f"llm_{name}") for name in ("training", "decode"))
    assert vector(training.waiting)[-1] == 1.0
    assert vector(training.computing)[-1] == 1.0
    assert vector(decode.waiting)[-1] == 0.0


def test_a_decode_job_is_busy_and_computes_little() -> None:
    fleet = emulated("unified_2025", tick_seconds=10.0, hosts=30)
    jobs = fleet.state.jobs
    index = [job.workload.name for job in jobs.jobs].index("llm_decode")
    table = fleet.tick()["accelerator"]
    own = jobs.jobs[index].accelerators
    assert 0.7 < table["utilization_ratio"][own].mean() < 0.97
    assert table["tensor_active_ratio"][own].mean() < 0.12
    assert table["dram_active_ratio"][own].mean() > 0.6


def test_a_job_may_hold_a_part_of_each_host() -> None:
    fleet = emulated("acme_seren", hosts=40)
    jobs = fleet.state.jobs.jobs
    partial = next(job for job in jobs if job.workload.name == "acme_notebook")
    assert partial.accelerators.tolist() == [
        8 * int(host) + number for host in partial.hosts for number in range(4)
    ]
    table = fleet.tick()["accelerator"]
    idle = [8 * int(host) + number for host in partial.hosts for number in range(4, 8)]
    assert (table["utilization_ratio"][idle] == 0.0).all()
    assert (table["memory_used_bytes"][idle] == 0.0).all()


def test_the_second_row_breathes_what_the_first_has_warmed() -> None:
    fleet = emulated("dgx_a100", hosts=2)
    heat = fleet.state.heat
    heat._spread.resistance_factor[:] = 1.0
    for _ in range(30):
        fleet.tick()
    rise = (heat.outlet_celsius - heat.inlet_celsius)[0]
    front, back = heat.temperature_celsius[:4].mean(), heat.temperature_celsius[4:8].mean()
    watts = heat.watts[4:8].mean() - heat.watts[:4].mean()
    assert back - front == pytest.approx(rise / 2.0 + 0.08 * watts, abs=0.5)


def test_memory_follows_the_core_in_its_own_time() -> None:
    fleet = emulated("demo", tick_seconds=1.0, hosts=2)
    heat, part = fleet.state.heat, load_profile(Platform, "emulated_hgx_liquid").accelerator
    assert part is not None
    above = heat.memory_celsius - heat.temperature_celsius
    assert above == pytest.approx(float(part.memory_kelvin_per_watt) * heat.watts, abs=0.5)


def test_a_power_cap_holds_at_once_and_costs_the_root_of_the_dynamic_power() -> None:
    fleet = struck(Strike("power_cap", [0], 0.5))
    heat = fleet.state.heat
    limit, idle = 350.0, float(heat._idle[0])
    assert heat.power_limit_watts[0] == limit
    assert heat.watts[0] <= limit + 1e-6
    span = (700.0 - idle) * heat._spread.power_factor[0]
    power = fleet.state.jobs.demand["power"][0]
    assert heat.clock_ratio[0] == pytest.approx(((limit - idle) / (span * power)) ** 0.5, rel=1e-6)
    assert heat.throttle_reasons[0] & 0x4


def test_the_room_is_warmest_in_the_afternoon() -> None:
    kelvin = [day_kelvin(EPOCH, hour * HOUR) for hour in range(24)]
    assert int(np.argmax(kelvin)) == 15
    assert max(kelvin) - min(kelvin) == pytest.approx(3.0)
    shifted = day_kelvin(EPOCH + timedelta(hours=15), 0.0)
    assert shifted == pytest.approx(1.5)


def test_a_unit_that_gives_its_heat_to_the_room_feels_the_hour() -> None:
    fleet = emulated("catalina", tick_seconds=60.0, hosts=4, warm_up_seconds=60.0)
    coolant = fleet.state.coolant
    night = float(coolant.primary_celsius[0])
    assert night == pytest.approx(27.0 + day_kelvin(EPOCH, 0.0), abs=0.05)
    chilled = emulated("gb300_rack", hosts=4, warm_up_seconds=60.0)
    assert float(chilled.state.coolant.primary_celsius[0]) == 24.0


def test_a_site_of_some_racks_has_so_much_less_of_its_unit() -> None:
    part, whole = emulated("gb300_rack", hosts=9), emulated("gb300_rack", hosts=18)
    for fleet in (part, whole):
        fleet.tick()
    watts = [fleet.state.coolant.pump_watts.sum() for fleet in (part, whole)]
    assert watts[1] / watts[0] == pytest.approx(2.0)
    assert build_site(cluster_of("gb300_rack")).loops[0].unit.name == "cdu_row_large"
    assert watts[1] == pytest.approx(3 * 6500.0 * 0.75**3 / 8)


def test_coolant_that_hardly_flows_stays_long_and_warms_far() -> None:
    fleet = emulated("demo", hosts=8, warm_up_seconds=0.0)
    coolant, effects = fleet.state.coolant, fleet.effects
    coolant.supply_celsius[:] = coolant.tray_return_celsius[:] = 32.0
    effects.apply("conductance", indices([0]), 0.1, 1.0)
    coolant.move(effects)
    flow = coolant.tray_litres_per_minute / coolant.rated_tray_litres_per_minute
    coolant.warm(3.0, np.full(8, 6000.0), 0.0, effects)
    settled = 6000.0 / heat_flow_watts_per_kelvin(coolant.tray_litres_per_minute)
    share = (coolant.tray_return_celsius - 32.0) / settled
    assert share == pytest.approx(1.0 - np.exp(-flow), rel=1e-6), "3 s hold it at rated flow"
    assert share[0] < 0.12
    assert share[1] > 0.63
