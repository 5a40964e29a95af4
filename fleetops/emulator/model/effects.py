"""What is wrong with the fleet right now, in the model's own terms: channels over its devices.

A channel is one knob of the model: an array over the devices of its scope, neutral where nothing
is wrong. Faults write into channels anew at every tick, so that they add up and end cleanly. A
fault is data, and this table is all that it can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.groups import Indices

Floats = NDArray[np.float64]


class Scope(StrEnum):
    """What a channel has an entry for. The values are fields of a site, or of its jobs."""

    HOST = "hosts"
    ACCELERATOR = "accelerators"
    LOOP = "loops"
    PUMP = "pumps"
    SHELF = "shelves"
    SUPPLY = "supplies"
    BATTERY = "batteries"
    PORT = "ports"
    SWITCH = "switches"
    RACK = "racks"
    JOB = "jobs"
    STAGE = "stages"
    """Pipeline stages of all jobs, one job after the other."""
    COLLECTOR = "collectors"
    """What reads a class of devices; it is no part of the site (:data:`COLLECTORS`)."""


COLLECTORS = (
    "accelerator",
    "host",
    "fabric_port",
    "power_unit",
    "coolant_unit",
    "training_rank",
)
"""One for each class of devices, called by it: where rows pass on their way to the bus."""


class Blend(StrEnum):
    """How several faults on one device come together, and how one of them fades in."""

    FACTOR = "factor"
    """Neutral 1; factors multiply."""
    ADDEND = "addend"
    """Neutral 0; values add."""
    LEVEL = "level"
    """Neutral 0; the largest counts."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One knob."""

    scope: Scope
    blend: Blend
    about: str

    @property
    def neutral(self) -> float:
        """Its value where nothing is wrong."""
        return 1.0 if self.blend is Blend.FACTOR else 0.0


def _factor(scope: Scope, about: str) -> Channel:
    return Channel(scope, Blend.FACTOR, about)


def _addend(scope: Scope, about: str) -> Channel:
    return Channel(scope, Blend.ADDEND, about)


def _level(scope: Scope, about: str) -> Channel:
    return Channel(scope, Blend.LEVEL, about)


CHANNELS: Final[Mapping[str, Channel]] = MappingProxyType(
    {
        # accelerators
        "xid": _level(Scope.ACCELERATOR, "code that the driver reports; its last one stays"),
        "gone": _level(Scope.ACCELERATOR, "1: it no longer answers, on the bus or anywhere"),
        "hung": _level(Scope.ACCELERATOR, "1: its rank makes no progress; it looks busy"),
        "unreadable": _level(Scope.ACCELERATOR, "1: the driver has no reading of it; it is listed"),
        "slowness": _factor(Scope.ACCELERATOR, "on compute time, with no thermal cause"),
        "conduction": _factor(Scope.ACCELERATOR, "on the resistance from die to plate"),
        "part_clock": _factor(Scope.ACCELERATOR, "on the nominal clock: another part number"),
        "clock_cap": _factor(Scope.ACCELERATOR, "on the highest clock"),
        "power_cap": _factor(Scope.ACCELERATOR, "on the power limit"),
        "correctable_errors_per_hour": _addend(Scope.ACCELERATOR, "corrected memory errors"),
        "uncorrectable_errors_per_hour": _addend(Scope.ACCELERATOR, "uncorrected memory errors"),
        "remapped_rows_per_hour": _addend(Scope.ACCELERATOR, "rows remapped for corrected errors"),
        "remap_failed": _level(Scope.ACCELERATOR, "1: a bad row found no spare"),
        "sram_threshold": _level(Scope.ACCELERATOR, "1: SRAM errors are over the threshold"),
        "pcie_width": _factor(Scope.ACCELERATOR, "on the number of PCIe lanes"),
        "pcie_replays_per_hour": _addend(Scope.ACCELERATOR, "PCIe replays"),
        "nvlink_errors_per_hour": _addend(Scope.ACCELERATOR, "NVLink CRC and replay errors"),
        "sensor_offset_kelvin": _addend(Scope.ACCELERATOR, "error of the core's sensor"),
        "sensor_lost": _level(Scope.ACCELERATOR, "1: the core's temperature reads as nothing"),
        # hosts
        "down": _level(Scope.HOST, "1: the host answers nowhere and its ranks are gone"),
        "released": _level(Scope.HOST, "1: the job goes on without the host's ranks"),
        "conductance": _factor(Scope.HOST, "on the hydraulic conductance of the tray"),
        "airflow": _factor(Scope.HOST, "on the air that the fans move"),
        "inlet_kelvin": _addend(Scope.HOST, "on the air at the inlet"),
        "processor_load": _addend(Scope.HOST, "on the processors' load"),
        "leak": _level(Scope.HOST, "1 small leak, 2 large leak"),
        "leak_detector_failed": _level(Scope.HOST, "1: the detector cannot tell"),
        "drive_kelvin": _addend(Scope.HOST, "on the hottest drive"),
        "board_watts": _addend(Scope.HOST, "on the board's power"),
        "exporter_down": _level(Scope.HOST, "1: the exporter in band does not answer"),
        "controller_down": _level(Scope.HOST, "1: the management controller does not answer"),
        "counters_reset": _level(Scope.HOST, "1: the driver's counters begin at 0 again"),
        "clock_skew_seconds": _addend(Scope.HOST, "on the host's own clock"),
        "rows_lost": _addend(Scope.HOST, "share of the in-band rounds that are lost"),
        # coolant
        "pump_speed": _factor(Scope.PUMP, "on the speed a pump reaches"),
        "check_valve_leak": _addend(Scope.LOOP, "share of the flow that runs back"),
        "filter_conductance": _factor(Scope.LOOP, "on the conductance of the whole loop"),
        "supply_kelvin": _addend(Scope.LOOP, "on the supply's temperature"),
        "primary_kelvin": _addend(Scope.LOOP, "on the facility's water, or the room's air"),
        "primary_flow": _factor(Scope.LOOP, "on the facility's flow"),
        "loop_leak": _level(Scope.LOOP, "1 small leak, 2 large leak"),
        "reservoir": _factor(Scope.LOOP, "on the reservoir's level"),
        "flow_sensor": _factor(Scope.LOOP, "on what the flow sensor says"),
        "unit_silent": _level(Scope.LOOP, "1: the unit's controller answers nothing"),
        # power
        "supply_failed": _level(Scope.SUPPLY, "1: no output"),
        "supply_gone": _level(Scope.SUPPLY, "1: pulled out: no output, and no answer"),
        "supply_misreport": _factor(Scope.SUPPLY, "on the output that it reports"),
        "supply_kelvin_rise": _addend(Scope.SUPPLY, "on its temperature"),
        "mains": _factor(Scope.SHELF, "on the input voltage; 0 is lost"),
        "shelf_cap": _factor(Scope.SHELF, "on the power that the rack may draw"),
        "battery_health": _factor(Scope.BATTERY, "on a battery's capacity"),
        # fabric
        "link_down": _level(Scope.PORT, "1: no link"),
        "port_gone": _level(Scope.PORT, "1: the adapter is off the bus: no link, and not listed"),
        "goodput": _factor(Scope.PORT, "on what the link carries, at its full rate"),
        "rate": _factor(Scope.PORT, "on the link's rate"),
        "bit_errors": _addend(Scope.PORT, "decades on the bit error rate"),
        "receive_power": _factor(Scope.PORT, "on the light that arrives"),
        "laser_bias": _factor(Scope.PORT, "on the laser's bias current"),
        "optics_kelvin": _addend(Scope.PORT, "on the module's temperature"),
        "pause_frames_per_second": _addend(Scope.PORT, "priority pause frames sent"),
        "switch_down": _level(Scope.SWITCH, "1: the switch forwards and answers nothing"),
        # jobs
        "job_slowness": _factor(Scope.JOB, "on the compute time of every rank"),
        "communication": _factor(Scope.JOB, "on the time of collectives"),
        "data_wait": _factor(Scope.JOB, "on the time to wait for input"),
        "batch": _factor(Scope.JOB, "on the work of a step, power included"),
        "long_batches": _addend(Scope.JOB, "on the chance that a replica draws a long batch"),
        "spread": _addend(Scope.JOB, "of ln(compute) from rank to rank and step to step"),
        "paused": _level(Scope.JOB, "1: it holds its hosts and does nothing"),
        "ended": _level(Scope.JOB, "1: it is gone and its hosts are idle"),
        "crashed": _level(Scope.JOB, "1: its processes ended with an error"),
        "phase": _level(Scope.JOB, "number of the phase it is in, out of turn; 0 for none"),
        "stage": _factor(Scope.STAGE, "on the compute time of a pipeline stage"),
        # rows on their way (fleetops/emulator/delivery.py)
        "collector_down": _level(Scope.COLLECTOR, "1: it reads nothing"),
        "late_seconds": _level(Scope.COLLECTOR, "by which its batches come late"),
        "duplicated": _addend(Scope.COLLECTOR, "share of its batches that come twice"),
        "reordered": _addend(Scope.COLLECTOR, "share of its batches that later ones overtake"),
    }
)


class Effects:
    """All channels at one tick; an array is read with ``effects["conductance"]``."""

    def __init__(self, sizes: Mapping[Scope, int]) -> None:
        """Nothing is wrong. ``sizes`` are the number of devices by scope."""
        self._sizes = dict(sizes)
        self._arrays: dict[str, Floats] = {
            name: np.full(self._sizes[channel.scope], channel.neutral)
            for name, channel in CHANNELS.items()
        }
        self._touched: set[str] = set()

    def __getitem__(self, name: str) -> Floats:
        """The array of a channel; not to be written to."""
        return self._arrays[name]

    def reset(self) -> None:
        """Nothing is wrong any more."""
        for name in self._touched:
            self._arrays[name][:] = CHANNELS[name].neutral
        self._touched.clear()

    def touches(self, name: str) -> bool:
        """Whether a fault works on the channel at this tick."""
        return name in self._touched

    def apply(self, name: str, devices: Indices, value: float, progress: float) -> None:
        """Lays a fault's value over some devices.

        Args:
            name: of the channel.
            devices: indices in its scope.
            value: at full effect.
            progress: 0 (no effect) to 1 (full).
        """
        array, channel = self._arrays[name], CHANNELS[name]
        self._touched.add(name)
        match channel.blend:
            case Blend.FACTOR:
                array[devices] *= 1.0 + progress * (value - 1.0)
            case Blend.ADDEND:
                array[devices] += progress * value
            case Blend.LEVEL:
                array[devices] = np.maximum(array[devices], value if progress > 0.0 else 0.0)
