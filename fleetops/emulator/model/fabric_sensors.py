"""What the fabric tells: ports and their light, and of switches the board, fans and supplies.

Switches are fed from the mains by supplies of their own, not by a rack's busbar. An external laser
is a device below its port; the port's own module mirrors its bias (facebook/fboss,
cpo_requirements.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fleetops.emulator.groups import NONE, Indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.links import PACKET_BYTES
from fleetops.emulator.model.parameters import AMBIENT_CELSIUS
from fleetops.emulator.model.state import State
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site
from fleetops.emulator.switch_parts import laser_ports, supplies_of_all
from fleetops_schemas.optics import Optics
from fleetops_schemas.platforms import Switch
from fleetops_schemas.profiles import Figure, load_profile

DARK_MILLIWATTS = 1e-4
"""-40 dBm: the least that CMIS modules count; below it there is no reading, but a dark lane."""
MODULE_VOLTS = 3.3
LASER_KELVIN = 6.0
"""A laser inside a module above its case (assumed)."""
ENGINE_KELVIN = 8.0
"""A co-packaged engine above the switch's air or plate (assumed)."""
IDLE_SHARE = 0.7
"""Of a switch chip's rise at full load, without traffic."""
PROCESSOR_KELVIN, BOARD_KELVIN = 22.0, 12.0
OUTLET_KELVIN = (10.0, 8.0)
"""Of the air through a switch: without traffic, and by how much more at full load (assumed)."""
MAINS_VOLTS, SUPPLY_VOLTS = 230.0, 12.0
SUPPLY_EFFICIENCY = 0.94
"""Titanium class at half load (80 PLUS)."""
SUPPLY_KELVIN = 18.0
"""Hottest spot of a switch's supply above the inlet, half of it by load (assumed)."""

Noise = Callable[[int, float], Floats]
"""Draws so many normal numbers of that deviation."""


class FabricSensors:
    """Reads links and switches into the tables of ports, of hosts and of power units."""

    def __init__(self, site: Site, state: State, noise: Noise) -> None:
        """Keeps what never changes; draws nothing."""
        self._site, self._state, self._noise = site, state, noise
        self._links = state.links
        self._rows = rows_of_switches(site)
        self._in_switch = site.ports.switch_of != NONE
        self._lasers = laser_ports(site.ports)
        self._external = np.zeros(len(site.ports.names), dtype=np.bool_)
        self._external[self._lasers] = True
        self._laser_milliwatts = np.array([_laser_milliwatts(site, at) for at in self._lasers])
        self._rise = np.array(
            [_rise(name) for name in (site.ports.optics[at] for at in self._lasers)]
        )

        def of(number: Callable[[Switch], Figure]) -> Floats:
            return np.array([float(number(one.profile)) for one in site.switches])

        self._asic = of(lambda one: one.asic_celsius)
        self._fan_rpm = of(lambda one: one.fan_rpm)
        self._idle, self._busy = of(lambda one: one.idle_watts), of(lambda one: one.busy_watts)
        self._supplies = of(lambda one: one.supplies).astype(np.intp)
        self._switch_of_supply = np.repeat(np.arange(len(site.switches)), self._supplies)
        self._optics_watts = np.bincount(
            site.ports.switch_of[self._in_switch],
            self._links.rated_optics_watts[self._in_switch],
            minlength=len(site.switches),
        )

    @property
    def switch_watts(self) -> Floats:
        """(switches,) what each draws from its supplies: by load, and its optics."""
        spent: Floats = self._idle + (self._busy - self._idle) * self._state.switch_load
        return spent + self._optics_watts

    def ports(self, table: Table, effects: Effects) -> None:
        """Ports, then external lasers: see :func:`rosters`."""
        noise = self._noise(len(self._site.ports.names), 1.0)
        for metric, values in (self._counters() | self._light(noise)).items():
            _put(table, metric, values)
        for metric, values in self._laser_light(noise).items():
            table.lay(metric, self._rows["fabric_port"], values)
        self._answer(table, effects)

    def switches(self, table: Table, effects: Effects) -> None:
        """Switches stand among the hosts: a device of that class which no scheduler knows."""
        rows = self._rows["host"]
        load = self._state.switch_load
        rise = self._asic - AMBIENT_CELSIUS
        noise = self._noise(len(load), 0.2)
        idle, more = OUTLET_KELVIN
        fans = 0.4 + 0.3 * load
        celsius: dict[str, Floats] = {
            "asic_temperature_celsius": rise * (IDLE_SHARE + (1.0 - IDLE_SHARE) * load),
            "inlet_temperature_celsius": np.zeros(len(load)),
            "outlet_temperature_celsius": idle + more * load,
            "board_temperature_celsius": np.full(len(load), BOARD_KELVIN),
            "cpu_temperature_celsius": np.full(len(load), PROCESSOR_KELVIN),
        }
        for metric, above in celsius.items():
            table.lay(metric, rows, AMBIENT_CELSIUS + above + noise)
        table.lay("fan_speed_ratio", rows, fans)
        table.lay("fan_speed_rpm", rows, fans * self._fan_rpm)
        table.present[rows] = effects["switch_down"] < 1.0

    def supplies(self, table: Table, effects: Effects) -> None:
        """Supplies of switches stand after those of shelves and the batteries."""
        owner, rows = self._switch_of_supply, self._rows["power_unit"]
        output = self.switch_watts[owner] / self._supplies[owner]
        volts = MAINS_VOLTS + self._noise(len(owner), 0.4)
        taken = output / SUPPLY_EFFICIENCY
        load = self.switch_watts / np.maximum(self._busy + self._optics_watts, 1.0)
        columns: dict[str, Floats] = {
            "input_voltage_volts": volts,
            "input_power_watts": taken,
            "input_current_amperes": taken / volts,
            "output_voltage_volts": np.full(len(owner), SUPPLY_VOLTS),
            "output_power_watts": output,
            "output_current_amperes": output / SUPPLY_VOLTS,
            "hotspot_temperature_celsius": AMBIENT_CELSIUS
            + SUPPLY_KELVIN * (0.5 + 0.5 * load[owner]),
            "fan_speed_rpm": ((0.4 + 0.3 * self._state.switch_load) * self._fan_rpm)[owner],
            "health": np.zeros(len(owner)),
        }
        for metric, values in columns.items():
            table.lay(metric, rows, values)
        table.present[rows] = effects["switch_down"][owner] < 1.0

    def _counters(self) -> dict[str, Floats]:
        links = self._links
        # without a link a switch tells the rate that a port has, and a host's adapter none
        unlinked = np.where(self._in_switch, self._site.ports.gigabits_per_second, np.nan)
        rate = np.where(links.up > 0.0, links.gigabits_per_second, unlinked)
        return {
            "link_state": np.where(links.up > 0.0, 1.0, 0.0),
            "rate_gigabits_per_second": rate,
            "receive_bytes_total": links.receive_bytes,
            "transmit_bytes_total": links.transmit_bytes,
            "receive_packets_total": np.floor(links.receive_bytes / PACKET_BYTES),
            "transmit_packets_total": np.floor(links.transmit_bytes / PACKET_BYTES),
            "receive_errors_total": links.receive_errors,
            "receive_crc_errors_total": np.where(self._in_switch, links.receive_errors, np.nan),
            "transmit_discards_total": links.transmit_discards,
            "symbol_errors_total": links.symbol_errors,
            "link_downed_total": links.link_downed,
            "link_transitions_total": links.transitions,
            "fec_corrected_total": links.corrected,
            "fec_uncorrectable_total": links.uncorrectable,
            "bit_error_rate": links.effective_bit_error_rate,
            "pfc_transmit_total": links.pause_transmit,
            "pfc_receive_total": links.pause_receive,
            "ecn_marked_total": np.where(self._in_switch, np.floor(links.marked), np.nan),
        }

    def _light(self, noise: Floats) -> dict[str, Floats]:
        """What each port's own module tells; nothing where there is copper."""
        links = self._links
        lit = np.where(links.has_optics, 1.0, np.nan)
        received = links.receive_milliwatts * (1.0 + 0.01 * noise)
        case = links.module_celsius + 0.3 * noise
        inside = np.where(self._external, np.nan, case + LASER_KELVIN)
        engine = case.copy()
        engine[self._lasers] += ENGINE_KELVIN - self._rise
        return {
            "optics_temperature_celsius": engine * lit,
            "laser_temperature_celsius": inside * lit,
            "optics_receive_power_milliwatts": _bright(received) * lit,
            "optics_transmit_power_milliwatts": _bright(links.transmit_milliwatts) * lit,
            "optics_bias_milliamperes": links.bias_milliamperes * lit,
            "optics_supply_voltage_volts": (MODULE_VOLTS + 0.01 * noise) * lit,
            # modules monitor what they receive; a copper cable does not
            "pre_fec_bit_error_rate": links.bit_error_rate * lit,
            "optics_dark_lanes": np.where(received > DARK_MILLIWATTS, 0.0, links.lanes) * lit,
        }

    def _laser_light(self, noise: Floats) -> dict[str, Floats]:
        links, lasers = self._links, self._lasers
        if not len(lasers):
            return {}
        return {
            "optics_temperature_celsius": links.module_celsius[lasers] + 0.3 * noise[lasers],
            "optics_transmit_power_milliwatts": self._laser_milliwatts,
            "optics_bias_milliamperes": links.bias_milliamperes[lasers],
            "optics_supply_voltage_volts": MODULE_VOLTS + 0.01 * noise[lasers],
        }

    def _answer(self, table: Table, effects: Effects) -> None:
        ports, count = self._site.ports, len(self._in_switch)
        hosts = ports.host_of != NONE
        gone = np.maximum(effects["down"][ports.host_of[hosts]], effects["port_gone"][hosts])
        table.present[:count][hosts] = gone < 1.0
        owner = ports.switch_of[self._in_switch]
        table.present[:count][self._in_switch] = effects["switch_down"][owner] < 1.0
        table.present[count:] = table.present[self._lasers]


def rows_of_switches(site: Site) -> Mapping[str, Indices]:
    """By class: the rows of switches, of their supplies, and of external lasers."""
    hosts, ports = len(site.hosts), len(site.ports.names)
    powered = len(site.supplies) + len(site.batteries)
    return {
        "host": np.arange(hosts, hosts + len(site.switches)),
        "power_unit": np.arange(powered, powered + len(supplies_of_all(site))),
        "fabric_port": np.arange(ports, ports + len(laser_ports(site.ports))),
    }


def _bright(milliwatts: Floats) -> Floats:
    """Light that a module can tell; no reading where there is none."""
    return np.where(milliwatts > DARK_MILLIWATTS, milliwatts, np.nan)


def _laser_milliwatts(site: Site, port: int) -> float:
    figure = load_profile(Optics, site.ports.optics[port]).laser_milliwatts
    return float("nan") if figure is None else float(figure)


def _rise(optics: str) -> float:
    return float(load_profile(Optics, optics).temperature_rise_kelvin)


def _put(table: Table, metric: str, values: Floats) -> None:
    """Puts a column of which the last rows have no reading."""
    missing = len(table.roster.devices) - len(values)
    table.put(metric, np.pad(values, (0, missing), constant_values=np.nan) if missing else values)
