"""Every platform and cluster as an emulated fleet: what the model makes of its figures."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fleetops.emulator.groups import NONE
from fleetops.emulator.model.coolant import Coolant, heat_flow_watts_per_kelvin
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions, sizes
from fleetops.emulator.model.heat import Heat
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.spread import Spread
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site, build_site
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs.racks import (
    PG25_JOULES_PER_LITRE_KELVIN,
    flow_ratio_without_a_pump,
    litres_per_minute,
    rack_watts,
)
from fleetops_schemas.designs.wiring import LEAST_SPINES, wiring
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import load_profile, profile_names

SAMPLED = 40
SETTLED_SECONDS = 3000
NAMES = fleet_names()


class Rated:
    """One rack of a platform that has long worked at rated power, every device like its profile."""

    def __init__(self, platform: str) -> None:
        """Moves the model until it is settled."""
        self.site = build_site(cluster_of(platform))
        self.coolant = Coolant(self.site)
        hosts, accelerators = len(self.site.hosts), len(self.site.accelerators)
        self.heat = Heat(
            self.site,
            self.coolant,
            Spread(
                resistance_factor=np.ones(accelerators),
                power_factor=np.ones(accelerators),
                inlet_kelvin=np.zeros(hosts),
                accelerator_energy_joules=np.zeros(accelerators),
                host_energy_joules=np.zeros(hosts),
            ),
        )
        self.effects = Effects(sizes(self.site) | Jobs(self.site, 1).sizes())
        power, load, air = np.ones(accelerators), np.ones(hosts), 0.0
        for _ in range(SETTLED_SECONDS // 5):
            self.coolant.move(self.effects)
            self.heat.step(5.0, power, load, air, self.effects)


@cache
def rated(platform: str) -> Rated:
    return Rated(platform)


platforms = pytest.mark.parametrize("name", profile_names(Platform))


@platforms
def test_air_warms_as_in_real_hosts(name: str) -> None:
    heat = rated(name).heat
    rise = heat.outlet_celsius - heat.inlet_celsius
    assert rise.min() >= 10.0, "OCP asks for at least 12.3 K at the rack"
    assert rise.max() <= 25.0


@platforms
def test_chips_stay_below_their_limits(name: str) -> None:
    heat, platform = rated(name).heat, load_profile(Platform, name)
    if platform.accelerator is not None:
        margin = float(platform.accelerator.slowdown_celsius) - heat.temperature_celsius.max()
        assert 3.0 <= margin <= 40.0, "it works without throttling, and not as if in ice"
        assert heat.memory_celsius.max() <= 95.0
        assert heat.clock_ratio.min() == 1.0
    if float(platform.processors.sockets):
        assert 45.0 <= heat.processor_celsius.max() <= 85.0


@platforms
def test_the_rack_draws_its_rated_power_less_the_fans_reserve(name: str) -> None:
    heat, platform = rated(name).heat, load_profile(Platform, name)
    fans = float(platform.board.fan_watts) * int(platform.rack.hosts)
    drawn = heat.host_watts.sum()
    assert rack_watts(platform) - fans <= drawn <= rack_watts(platform) + 1.0


@pytest.mark.parametrize(
    "name", [one for one in profile_names(Platform) if load_profile(Platform, one).cooling.unit]
)
def test_coolant_warms_by_ten_kelvin(name: str) -> None:
    coolant, platform = rated(name).coolant, load_profile(Platform, name)
    rise = coolant.tray_return_celsius - coolant.supply_celsius[0]
    assert 8.0 <= rise.min() <= rise.max() <= 12.0
    assert coolant.tray_litres_per_minute[0] == pytest.approx(litres_per_minute(platform))
    carried = heat_flow_watts_per_kelvin(np.array([60.0]))[0]
    assert carried == pytest.approx(PG25_JOULES_PER_LITRE_KELVIN)


@pytest.mark.parametrize("name", ["emulated_hgx_liquid", "gb300_rack", "catalina"])
def test_pumps_make_up_for_one_that_stands_as_counted(name: str) -> None:
    site = build_site(cluster_of(name))
    coolant, effects = Coolant(site), Effects(sizes(site) | Jobs(site, 1).sizes())
    effects.apply("pump_speed", np.array([0]), 0.0, 1.0)
    coolant.move(effects)
    reached = coolant.litres_per_minute[0] / coolant.rated_litres_per_minute[0]
    assert reached == pytest.approx(flow_ratio_without_a_pump(site.loops[0].unit), rel=1e-6)


@cache
def fleet(name: str) -> Fleet:
    cluster = cluster_of(name)
    hosts = sum(int(group.hosts) for group in cluster.groups)
    made = Fleet(FleetOptions(build_site(cluster, min(hosts, SAMPLED)), tick_seconds=10.0))
    for _ in range(30):
        made.tick()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_fleet_stays_inside_the_catalogues_ranges(name: str) -> None:
    for device_class, table in fleet(name).tables.items():
        declared = load_catalog()[device_class]
        for metric, column in table.columns.items():
            lowest, highest = declared.metric(metric).range
            told = column[table.present & ~np.isnan(column)]
            assert ((told >= lowest) & (told <= highest)).all(), f"{device_class}.{metric}"


@pytest.mark.parametrize("name", NAMES)
def test_no_rack_of_a_fleet_is_braked(name: str) -> None:
    assert (fleet(name).state.power.brake == 1.0).all()


@pytest.mark.parametrize("name", profile_names(Cluster))
def test_the_wiring_is_what_is_emulated(name: str) -> None:
    """Ports and leaves of the whole site are those that the designs count."""
    cluster = load_profile(Cluster, name)
    site, built = build_site(cluster), wiring(cluster)
    leaves = [switch for switch in site.switches if switch.is_leaf]
    assert len(leaves) == built.leaves
    assert int((site.ports.is_backend & (site.ports.host_of != NONE)).sum()) == built.host_ports
    ends = sum(one.number for one in built.ends)
    assert int(site.ports.is_backend.sum()) == ends
    spines = len(site.switches) - len(leaves)
    assert spines == min(built.spines, LEAST_SPINES), "of larger fabrics four are emulated"


def test_an_accelerator_tells_what_its_model_can() -> None:
    m40, h100 = _metrics("big_sur"), _metrics("grand_teton")
    assert {"memory_temperature_celsius", "row_remap_failed"} <= h100 - m40
    assert "temperature_celsius" in m40 & h100
    mi300x = fleet("grand_teton_mi300x")
    assert "nvlink_transmit_bytes_per_second" not in _metrics("grand_teton_mi300x")
    assert mi300x.site.accelerators[0] == "node001/gpu0"
    assert fleet("mtia_v1").site.accelerators[0] == "node001/gpu0"


def test_every_backend_port_carries_an_accelerator() -> None:
    site = build_site(cluster_of("unified_host"))
    own = site.ports.accelerator_of[site.ports.accelerator_of != NONE]
    assert (np.bincount(own) == 10).all(), "ten ports an accelerator"
    assert _first_host(site) == [accelerator for accelerator in range(4) for _ in range(10)]


def _first_host(site: Site) -> list[int]:
    mine = (site.ports.host_of == 0) & (site.ports.accelerator_of != NONE)
    return [int(one) for one in site.ports.accelerator_of[mine]]


def _metrics(name: str) -> set[str]:
    table: Table = fleet(name).tables["accelerator"]
    return set(table.metrics_of(0))
