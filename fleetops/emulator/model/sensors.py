"""The tables of a fleet: the true state with each sensor's noise and offset.

One set of tables a tick, so that two protocols that show the same sensor agree. How many random
numbers are drawn a tick never depends on the state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.model.abilities import missing_metrics
from fleetops.emulator.model.controller_sensors import ControllerSensors
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fabric_sensors import FabricSensors
from fleetops.emulator.model.in_band import InBandSensors
from fleetops.emulator.model.parameters import by_accelerator, is_liquid
from fleetops.emulator.model.rack_sensors import RackSensors
from fleetops.emulator.model.register_sensors import RegisterSensors
from fleetops.emulator.model.rosters import rosters
from fleetops.emulator.model.state import State
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site

CLOCK_GRID_MEGAHERTZ = 15.0
RESERVED_RATIO = 0.007
"""Of the accelerator's memory, kept by its driver."""
POWER_GAIN_DEVIATION = 0.025
"""Of boards' power meters: 5 % at most (Yang, Adamek and Armour, SC'24, "Part-time power
measurements")."""
POWER_NOISE = 0.02
"""Of a board's power, from reading to reading: the meter sees a part of the time (the same)."""
FLOW_GAIN_DEVIATION = 0.003
"""Of a coolant unit's flow meter."""


class Sensors:
    """Reads the state of a fleet; keeps each sensor's own offset."""

    def __init__(self, site: Site, state: State, rng: np.random.Generator) -> None:
        """``rng`` gives noise and offsets."""
        self._site = site
        self._state = state
        self._rng = rng
        self._counted_from: dict[str, Floats] = {}
        self.rosters = rosters(site, state.jobs)
        self._liquid = is_liquid(site)
        self._offset = {
            "accelerator": rng.normal(0.0, 0.4, len(site.accelerators)),
            "host": rng.normal(0.0, 0.3, len(site.hosts)),
            "flow": rng.normal(1.0, 0.005, len(site.hosts)),
            "loop": rng.normal(1.0, FLOW_GAIN_DEVIATION, len(site.loops)),
            "power": rng.normal(1.0, POWER_GAIN_DEVIATION, len(site.accelerators)),
        }
        self._memory = by_accelerator(site, lambda one: float(one.memory_bytes))
        self._nominal = by_accelerator(site, lambda one: float(one.nominal_megahertz))
        self._idle_clock = by_accelerator(site, lambda one: float(one.idle_megahertz))
        self._memory_clock = by_accelerator(site, lambda one: float(one.memory_megahertz))
        self._bandwidth = _scale_up(site)
        self._pcie = by_accelerator(
            site,
            lambda one: pcie_bytes_per_second(float(one.pcie_generation), float(one.pcie_width)),
        )
        self._width = by_accelerator(site, lambda one: float(one.pcie_width))
        self._generation = by_accelerator(site, lambda one: float(one.pcie_generation))
        self._fabric = FabricSensors(site, state, self._noise)
        self._controllers = ControllerSensors(site, self.rosters)
        self._racks = RackSensors(
            site,
            state,
            self._noise,
            self._offset["loop"],
            RegisterSensors(site, self.rosters),
            self._controllers,
        )
        self._in_band = InBandSensors(site, state)
        self._missing = missing_metrics(site)
        self._readers: dict[str, Callable[[Table, Effects], None]] = {
            "accelerator": self._accelerators,
            "host": self._hosts,
            "fabric_port": self._ports,
            "power_unit": self._power_units,
            "coolant_unit": self._racks.coolant_units,
            "training_rank": self._ranks,
        }

    def read(self, effects: Effects) -> dict[str, Table]:
        """The tables of this tick, by device class."""
        tables: dict[str, Table] = {}
        for name, roster in self.rosters.items():
            table = Table(roster, present=np.ones(len(roster.devices), dtype=np.bool_))
            self._readers[name](table, effects)
            tables[name] = table
        return tables

    def _noise(self, count: int, deviation: float) -> Floats:
        return self._rng.standard_normal(count, dtype=np.float32).astype(np.float64) * deviation

    def _accelerators(self, table: Table, effects: Effects) -> None:
        state, count = self._state, len(self._site.accelerators)
        heat, jobs = state.heat, state.jobs
        on = 1.0 - effects["down"][self._site.host_of_accelerator]
        table.present = (effects["gone"] < 1.0) & (on > 0.0)
        works = (jobs.job_of_accelerator >= 0) & (jobs.memory_ratio > 0.0)
        celsius = heat.temperature_celsius + self._offset["accelerator"]
        celsius = celsius + self._noise(count, 0.25) + effects["sensor_offset_kelvin"]
        table.put("temperature_celsius", np.where(effects["sensor_lost"] > 0, np.nan, celsius))
        table.put("memory_temperature_celsius", heat.memory_celsius + self._offset["accelerator"])
        seen = 1.0 + self._noise(count, POWER_NOISE)
        table.put("power_watts", heat.watts * self._offset["power"] * seen)
        table.put("power_limit_watts", heat.power_limit_watts)
        spent = np.floor(heat.energy_joules * self._offset["power"])
        table.put("energy_joules", self._counted("energy", spent, effects))
        clock = np.where(works, self._nominal * heat.clock_ratio, self._idle_clock)
        table.put(
            "sm_clock_megahertz", np.rint(clock / CLOCK_GRID_MEGAHERTZ) * CLOCK_GRID_MEGAHERTZ
        )
        table.put("memory_clock_megahertz", self._memory_clock)
        table.put("throttle_reasons", heat.throttle_reasons.astype(np.float64))
        table.put(
            "thermal_violation_seconds",
            self._counted("thermal", heat.thermal_violation_seconds, effects),
        )
        table.put(
            "power_violation_seconds",
            self._counted("power", heat.power_violation_seconds, effects),
        )
        self._activity(table, works)
        used = np.floor(self._memory * jobs.memory_ratio)
        reserved = np.floor(self._memory * RESERVED_RATIO)
        table.put("memory_used_bytes", _mebibytes(used))
        table.put("memory_reserved_bytes", _mebibytes(reserved))
        table.put(
            "memory_free_bytes",
            _mebibytes(self._memory) - _mebibytes(used) - _mebibytes(reserved),
        )
        self._accelerator_errors(table, effects)
        table.put("pcie_link_generation", self._generation)
        table.put("pcie_link_width", np.maximum(np.rint(self._width * effects["pcie_width"]), 1.0))
        table.put("last_fault_code", state.last_xid)
        for accelerators, metrics in self._missing:
            table.hide(metrics, accelerators)
        self._controllers.accelerators(table)
        self._in_band.accelerators(table, effects)
        silent = np.flatnonzero(effects["unreadable"] > 0.0)
        table.hide(set(table.columns) - {"last_fault_code"}, silent)

    def _accelerator_errors(self, table: Table, effects: Effects) -> None:
        errors = self._state.errors
        volatile = {
            name: self._counted(name, errors[f"{name}_per_hour"], effects)
            for name in ("correctable_errors", "uncorrectable_errors", "pcie_replays")
        }
        volatile["nvlink"] = self._counted("nvlink", errors["nvlink_errors_per_hour"], effects)
        table.put("ecc_correctable_total", volatile["correctable_errors"])
        table.put("ecc_uncorrectable_total", volatile["uncorrectable_errors"])
        table.put("remapped_rows_correctable_total", errors["remapped_rows_per_hour"])
        table.put("remapped_rows_uncorrectable_total", errors.remapped_for_uncorrectable)
        table.put("row_remap_failed", np.maximum(effects["remap_failed"], errors.remap_failed))
        table.put(
            "row_remap_pending",
            (volatile["uncorrectable_errors"] > 0).astype(np.float64),
        )
        table.put("sram_threshold_exceeded", effects["sram_threshold"])
        table.put("pcie_replay_total", volatile["pcie_replays"])
        table.put("nvlink_crc_flit_errors_total", volatile["nvlink"])
        table.put("nvlink_replay_errors_total", np.floor(volatile["nvlink"] / 2.0))

    def _counted(self, name: str, counts: Floats, effects: Effects) -> Floats:
        """Counts of the driver: it begins at 0 when it is loaded, or its host starts anew."""
        if effects.touches("counters_reset") or effects.touches("down"):
            host = self._site.host_of_accelerator
            anew = np.maximum(effects["counters_reset"], effects["down"])[host] > 0.0
            began = self._counted_from.get(name, np.zeros(len(counts)))
            self._counted_from[name] = np.where(anew, counts, began)
        began = self._counted_from.get(name, np.zeros(1))
        return counts - began

    def _activity(self, table: Table, works: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """What ran, in shares of time and of the part's best."""
        count, demand = len(works), self._state.jobs.demand
        jitter = 1.0 + self._noise(count, 0.01)

        def share(name: str, factor: float = 1.0) -> Floats:
            return np.clip(demand[name] * factor * jitter, 0.0, 1.0)

        busy = np.where(works, demand["kernels"], 0.0)
        seen = busy * (1.0 - 0.5 * np.abs(jitter - 1.0))
        table.put("utilization_ratio", np.rint(seen * 100.0) / 100.0)
        table.put("memory_copy_utilization_ratio", np.rint(share("memory") * 100.0) / 100.0)
        table.put("engine_active_ratio", busy * (share("power", 0.05) + 0.94))
        table.put("sm_active_ratio", share("power", 0.9))
        table.put("sm_occupancy_ratio", share("power", 0.45))
        table.put("tensor_active_ratio", share("compute"))
        table.put("dram_active_ratio", share("memory"))
        for direction in ("transmit", "receive"):
            table.put(
                f"pcie_{direction}_bytes_per_second", np.floor(share("network", 0.5) * self._pcie)
            )
            table.put(
                f"nvlink_{direction}_bytes_per_second",
                np.floor(share("scale_up") * self._bandwidth),
            )

    def _hosts(self, table: Table, effects: Effects) -> None:
        state, hosts = self._state, len(self._site.hosts)
        heat, coolant = state.heat, state.coolant
        rows = slice(0, hosts)
        columns: dict[str, Floats] = {
            "inlet_temperature_celsius": heat.inlet_celsius + self._noise(hosts, 0.15),
            "outlet_temperature_celsius": heat.outlet_celsius
            + self._offset["host"]
            + self._noise(hosts, 0.2),
            "cpu_temperature_celsius": heat.processor_celsius + self._noise(hosts, 0.4),
            "memory_temperature_celsius": heat.outlet_celsius + 3.0 + 8.0 * state.jobs.load,
            "disk_temperature_celsius": heat.inlet_celsius
            + 8.0
            + 6.0 * state.jobs.load
            + effects["drive_kelvin"],
            "power_watts": heat.host_watts * (1.0 + self._noise(hosts, 0.003)),
            "energy_joules": np.floor(heat.host_energy_joules),
            "fan_speed_ratio": np.clip(heat.fan_ratio * effects["airflow"], 0.0, 1.2),
            "coolant_supply_temperature_celsius": self._wet(
                coolant.tray_supply(np.zeros(hosts)) + self._noise(hosts, 0.08)
            ),
            "coolant_return_temperature_celsius": self._wet(
                coolant.tray_return_celsius + self._noise(hosts, 0.08)
            ),
            "coolant_flow_litres_per_minute": self._wet(
                np.maximum(
                    coolant.tray_litres_per_minute * self._offset["flow"]
                    + self._noise(hosts, 0.03),
                    0.0,
                )
            ),
            "health": np.minimum(np.where(effects["leak"] > 0, effects["leak"], 0.0), 2.0),
            "bmc_health": np.zeros(hosts),
            "power_state": np.where(effects["down"] > 0, 0.0, 1.0),
        }
        for metric, values in columns.items():
            table.lay(metric, rows, values)
        table.present[rows] = effects["controller_down"] < 1.0
        self._controllers.hosts(table)
        self._in_band.hosts(table)
        self._fabric.switches(table, effects)

    def _wet(self, values: Floats) -> Floats:
        return np.where(self._liquid, values, np.nan)

    def _ports(self, table: Table, effects: Effects) -> None:
        self._fabric.ports(table, effects)
        self._in_band.ports(table)

    def _power_units(self, table: Table, effects: Effects) -> None:
        self._racks.power_units(table, effects)
        self._fabric.supplies(table, effects)

    def _ranks(self, table: Table, effects: Effects) -> None:
        jobs = [(index, job) for index, job in enumerate(self._state.jobs.jobs) if job.trains]
        if not jobs:
            return
        columns: dict[str, list[Floats]] = {}

        def add(metric: str, values: NDArray[np.generic]) -> None:
            columns.setdefault(metric, []).append(np.asarray(values, dtype=np.float64))

        present = []
        for index, job in jobs:
            step, ones = job.last, np.ones(job.ranks)
            add("rank", np.arange(job.ranks))
            add("data_rank", job.data_rank_of)
            add("pipeline_stage", job.stage_of)
            add("pipeline_stages", ones * job.stages)
            add("step_total", ones * step.number)
            add("step_seconds", ones * step.step_seconds)
            add("compute_seconds", step.compute_seconds)
            add("communication_seconds", step.communication_seconds)
            add("data_wait_seconds", step.data_wait_seconds)
            add("expected_step_seconds", ones * job.expected_step_seconds)
            gone = effects["gone"][job.accelerators] + effects["ended"][index]
            gone = gone + effects["crashed"][index]
            host = self._site.host_of_accelerator[job.accelerators]
            gone = gone + effects["down"][host] + effects["released"][host]
            present.append(gone <= 0.0)
        for metric, parts in columns.items():
            table.put(metric, np.concatenate(parts))
        table.present = np.concatenate(present)
        table.labels["job"] = tuple(job.id for _, job in jobs for _ in range(job.ranks))


def _mebibytes(values: Floats) -> Floats:
    """Whole mebibytes, in bytes: what the exporter can say."""
    return np.floor(values / 2**20) * 2**20


def pcie_bytes_per_second(generation: float, width: float) -> float:
    """One direction; PCI-SIG: 1 GB/s a lane at generation 3, doubled with each one."""
    return float(0.985e9 * width * 2.0 ** (generation - 3.0))


def _scale_up(site: Site) -> Floats:
    """(accelerators,) bytes a second, one direction."""
    values = np.zeros(len(site.accelerators))
    for group in site.groups:
        if group.platform.scale_up is not None:
            values[group.accelerators] = float(group.platform.scale_up.bytes_per_second)
    return values
