"""Signatures of faults: which readings of which devices move, and how."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from fleetops.emulator.fault_targets import Model
from fleetops_schemas.catalog import MetricKind, load_catalog


class Within(StrEnum):
    """Which devices beside the target itself."""

    TARGET = "target"
    HOST = "host"
    """The target's hosts, with all that is in them."""
    RACK = "rack"
    LOOP = "loop"
    """The coolant unit of the target's hosts, and all hosts on it."""
    JOB = "job"
    """The jobs that run on the target, with all their hosts."""
    POWER = "power"
    """The supplies and batteries of the target's racks."""
    PEER = "peer"
    """The ports at the other end of the target's links."""
    LOAD = "load"
    """What follows the load of the hosts reached so far: their power, coolant and fabric."""
    SITE = "site"


class Devices(StrEnum):
    """Devices that a signature names; a device class follows from it."""

    HOSTS = "hosts"
    SWITCHES = "switches"
    ACCELERATORS = "accelerators"
    PORTS = "ports"
    SUPPLIES = "supplies"
    BATTERIES = "batteries"
    LOOPS = "loops"
    PUMPS = "pumps"
    LEAK_DETECTORS = "leak_detectors"
    """Of the hosts' trays."""
    LOOP_LEAK_DETECTORS = "loop_leak_detectors"
    RANKS = "ranks"

    @property
    def device_class(self) -> str:
        """The class in whose table they stand."""
        return _CLASSES[self]


_CLASSES: Mapping[Devices, str] = {
    Devices.HOSTS: "host",
    Devices.SWITCHES: "host",
    Devices.ACCELERATORS: "accelerator",
    Devices.PORTS: "fabric_port",
    Devices.SUPPLIES: "power_unit",
    Devices.BATTERIES: "power_unit",
    Devices.LOOPS: "coolant_unit",
    Devices.PUMPS: "coolant_unit",
    Devices.LEAK_DETECTORS: "coolant_unit",
    Devices.LOOP_LEAK_DETECTORS: "coolant_unit",
    Devices.RANKS: "training_rank",
}


class Moves(StrEnum):
    """How a reading shows a fault, against the same run without it."""

    UP = "up"
    DOWN = "down"
    WANDERS = "wanders"
    """Both ways: its deviation grows."""
    COUNTS = "counts"
    """A counter grows by more."""
    RESTARTS = "restarts"
    """A counter is behind where it would be."""
    STANDS = "stands"
    """It no longer changes."""
    VANISHES = "vanishes"
    """The device, or with a metric its reading, is not there."""
    LOST = "lost"
    """Rows are missing on their way; the device and its reading were there."""
    LATE = "late"
    REPEATED = "repeated"
    REORDERED = "reordered"
    SKEWED = "skewed"
    """Rows carry another time than they were taken at."""

    @property
    def is_of_delivery(self) -> bool:
        """Whether it shows in rows on their way, and not in tables."""
        return self in {
            Moves.LOST,
            Moves.LATE,
            Moves.REPEATED,
            Moves.REORDERED,
            Moves.SKEWED,
        }


class Mark(Model):
    """One trait by which a fault shows."""

    devices: Devices
    metric: str = ""
    """Of the devices' class; "" for the device as a whole."""
    moves: Moves
    at_least: Annotated[float, Field(ge=0.0)] = 0.0
    """In the metric's unit."""
    within: Within = Within.TARGET
    some: bool = False
    """At least one of the devices shows it, by chance, instead of all."""
    stays: bool = False
    """It remains when the fault has ended, until somebody resets the device."""

    @model_validator(mode="after")
    def _is_a_metric(self) -> Self:
        known = load_catalog()[self.devices.device_class]
        names = [metric.name for metric in known.metrics]
        if self.metric and self.metric not in names:
            raise ValueError(f"class {known.name} has no metric {self.metric!r}")
        counts = self.moves in {Moves.COUNTS, Moves.RESTARTS}
        if counts and known.metric(self.metric).kind is not MetricKind.COUNTER:
            raise ValueError(f"{self.metric} is no counter")
        return self
