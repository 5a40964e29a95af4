"""What ports, switches, their supplies and external lasers tell, fault by fault."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops.emulator.switch_parts import supplies_of
from fleetops_schemas.fleet_profiles import cluster_of

PORT, POWER = "fabric_port", "power_unit"
UPLINK, BELOW = "leaf1/eth33", "leaf1/eth1"
"""Of the rack's switch: one with optics that leads to a spine, one with copper that does not."""


class Struck:
    """A fleet with faults on named ports and switches that may be changed."""

    def __init__(self, name: str = "demo", hosts: int = 4) -> None:
        self.faults: dict[tuple[str, int], float] = {}
        self.fleet = Fleet(FleetOptions(build_site(cluster_of(name), hosts)), self._disturb)

    def strike(self, channel: str, device: str, value: float) -> None:
        kind = "switches" if channel == "switch_down" else "ports"
        self.faults[channel, self.fleet.site.index(kind, device)] = value
        self.fleet.tick()

    def heal(self) -> None:
        self.faults.clear()
        self.fleet.tick()

    def value(self, device: str, metric: str, device_class: str = PORT) -> float:
        return self.fleet.tables[device_class].value(device, metric)

    def peer(self, port: str) -> str:
        ports = self.fleet.site.ports
        return ports.names[int(ports.peer[ports.names.index(port)])]

    def _disturb(self, _seconds: float, effects: Effects) -> None:
        for (channel, device), value in self.faults.items():
            effects.apply(channel, np.array([device]), value, 1.0)


@pytest.mark.parametrize("direction", ["receive", "transmit"])
def test_light_is_told_in_hundredths_of_a_decibel(direction: str) -> None:
    metric = f"optics_{direction}_power_milliwatts"
    column = Struck().fleet.tables[PORT][metric]
    decibels = 10.0 * np.log10(column[~np.isnan(column)])
    assert len(decibels) > 0
    assert decibels * 100.0 == pytest.approx(np.rint(decibels * 100.0), abs=1e-6)


def test_light_that_fades_makes_errors_and_then_is_no_reading_but_dark_lanes() -> None:
    struck = Struck()
    sound = struck.value(UPLINK, "optics_receive_power_milliwatts")
    rate = struck.value(UPLINK, "pre_fec_bit_error_rate")
    struck.strike("receive_power", UPLINK, 0.5)
    assert struck.value(UPLINK, "optics_receive_power_milliwatts") == pytest.approx(
        sound / 2.0, rel=0.1
    )
    assert struck.value(UPLINK, "pre_fec_bit_error_rate") > rate * 100.0
    assert struck.value(UPLINK, "optics_dark_lanes") == 0
    struck.strike("receive_power", UPLINK, 1e-6)
    assert math.isnan(struck.value(UPLINK, "optics_receive_power_milliwatts"))
    assert struck.value(UPLINK, "optics_dark_lanes") == 4


def test_copper_has_no_module() -> None:
    struck = Struck("llm_roce_32k", 2)
    told = struck.fleet.tables[PORT]
    metrics = told.metrics_of(told.roster.index[BELOW])
    assert "fec_corrected_total" in metrics
    assert not {name for name in metrics if "optics" in name or "laser" in name}
    assert "pre_fec_bit_error_rate" not in metrics


def test_a_link_that_falls_and_comes_back_has_two_transitions_at_both_ends() -> None:
    struck = Struck()
    spine = struck.peer(UPLINK)
    struck.strike("link_down", UPLINK, 1.0)
    for port in (UPLINK, spine):
        assert struck.value(port, "link_state") == 0
        assert struck.value(port, "link_transitions_total") == 1
        assert struck.value(port, "optics_dark_lanes") == 4
        assert struck.value(port, "rate_gigabits_per_second") == 400, "a switch's is configured"
    struck.heal()
    for port in (UPLINK, spine):
        assert struck.value(port, "link_state") == 1
        assert struck.value(port, "link_transitions_total") == 2
        assert struck.value(port, "link_downed_total") == 1


def test_correction_hides_errors_until_it_is_too_much() -> None:
    struck = Struck()
    assert struck.value(UPLINK, "bit_error_rate") == 1e-15
    struck.strike("bit_errors", UPLINK, 3.0)
    assert struck.value(UPLINK, "pre_fec_bit_error_rate") > 1e-6
    assert struck.value(UPLINK, "bit_error_rate") == 1e-15
    struck.strike("bit_errors", UPLINK, 6.0)
    assert struck.value(UPLINK, "bit_error_rate") > 1e-6
    assert struck.value(UPLINK, "receive_crc_errors_total") > 0


def test_pauses_come_with_marks() -> None:
    struck = Struck()
    before = struck.value(UPLINK, "ecn_marked_total")
    struck.fleet.tick()
    usual = struck.value(UPLINK, "ecn_marked_total") - before
    struck.strike("pause_frames_per_second", UPLINK, 100.0)
    assert struck.value(UPLINK, "pfc_transmit_total") == 1000
    assert struck.value(struck.peer(UPLINK), "pfc_receive_total") == 1000
    marked = struck.value(UPLINK, "ecn_marked_total") - before - usual
    assert marked == pytest.approx(8000 + usual, rel=0.2)


def test_supplies_of_a_switch_share_its_power_optics_included() -> None:
    struck = Struck()
    fleet = struck.fleet
    (leaf, *_), state = fleet.site.switches, fleet.state
    profile, load = leaf.profile, state.switch_load[0]
    optics = state.links.rated_optics_watts[leaf.ports].sum()
    assert optics > 100.0
    idle, busy = float(profile.idle_watts), float(profile.busy_watts)
    supplies = supplies_of(leaf)
    assert supplies == ("leaf1/psu1", "leaf1/psu2")
    output = sum(struck.value(one, "output_power_watts", POWER) for one in supplies)
    assert output == pytest.approx(idle + (busy - idle) * load + optics, abs=1.0)
    taken = sum(struck.value(one, "input_power_watts", POWER) for one in supplies)
    assert output / taken == pytest.approx(0.94, abs=0.002)
    for one in supplies:
        volts = struck.value(one, "input_voltage_volts", POWER)
        amperes = struck.value(one, "input_current_amperes", POWER)
        watts = struck.value(one, "input_power_watts", POWER)
        assert volts * amperes == pytest.approx(watts, rel=0.005)


def test_a_module_whose_link_is_down_is_powered_nevertheless() -> None:
    struck, sound = Struck(), Struck()
    struck.strike("link_down", UPLINK, 1.0)
    sound.fleet.tick()
    metric = "output_power_watts"
    assert struck.value("leaf1/psu1", metric, POWER) == sound.value("leaf1/psu1", metric, POWER)


def test_an_external_laser_is_a_device_below_its_port() -> None:
    struck = Struck("unified_2025", 2)
    table = struck.fleet.tables[PORT]
    lasers = [one for one in table.roster.devices if one.endswith("/laser1")]
    port = lasers[0].removesuffix("/laser1")
    assert table.roster.racks[table.roster.index[lasers[0]]] == "r01"
    assert struck.value(lasers[0], "optics_transmit_power_milliwatts") == pytest.approx(100.0)
    assert math.isnan(struck.value(lasers[0], "optics_receive_power_milliwatts"))
    assert math.isnan(struck.value(port, "laser_temperature_celsius")), "it is not inside"
    assert "leaf1/eth1/laser1" not in table.roster.index, "a pluggable module has its own"
    metric = "optics_bias_milliamperes"
    before = [struck.value(one, metric) for one in lasers]
    struck.strike("laser_bias", port, 1.5)
    assert struck.value(lasers[0], metric) == pytest.approx(1.5 * before[0], rel=0.02)
    assert struck.value(lasers[1], metric) == pytest.approx(before[1], rel=0.02)
    assert struck.value(port, metric) == struck.value(lasers[0], metric), "it is mirrored"


def test_a_dead_switch_takes_all_that_is_in_it_and_nothing_else() -> None:
    struck = Struck("unified_2025", 2)
    struck.strike("switch_down", "spine1", 1.0)
    for device_class, table in struck.fleet.tables.items():
        gone = {
            device
            for device, there in zip(table.roster.devices, table.present, strict=True)
            if not there and device.startswith(("spine", "leaf"))
        }
        of_spine = {one for one in table.roster.devices if one.split("/")[0] == "spine1"}
        assert gone == of_spine, device_class
    assert struck.value("spine2", "asic_temperature_celsius", "host") > 40.0
