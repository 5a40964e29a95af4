"""What real services do beside the standard, or against it: seen in captures, and served on demand.

No quirk takes a reading away: what is odd stands beside the good value, or says it in another way.
A reader that takes the odd one is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from fleetops.emulator.interfaces.redfish.tree import OK, Live, Resource, View, link


class Quirk(StrEnum):
    """One oddity."""

    ONE_BASED = "one_based"
    """Accelerators are called by their sockets, which count from 1: ``GPU_SXM_1`` is the first."""
    STRING_READINGS = "string_readings"
    """Sensors' readings are strings, and ``N/A`` where there is none."""
    NAN_IN_REPORTS = "nan_in_reports"
    """Reports repeat values as ``nan``, stamped ten weeks ago."""
    STALE_HEALTH = "stale_health"
    """A report of accelerators' health that nobody renews: what was wrong ten weeks ago."""
    ABSENT_SENSOR = "absent_sensor"
    """A sensor of a part that is not fitted: null, State Absent, Health Critical."""
    UNSET_TIME = "unset_time"
    """A sensor that never learnt the time: what it last saw, stamped 1970."""
    SATURATED_COUNTER = "saturated_counter"
    """A counter that nobody counts stands at the top of its 32 bits."""
    LEAK_VOLTAGE = "leak_voltage"
    """The voltage behind a leak detector is a sensor of its own."""
    FLOATING_DETECTOR = "floating_detector"
    """A detector that does not work says Critical, as its wire floats."""
    STANDBY_SUPPLY = "standby_supply"
    """A supply that works is in the State ``Standby``, which the standard does not have."""


class Manners(StrEnum):
    """The variants of the interface: who has which quirks."""

    BY_PROFILE = "by_profile"
    """Each device those of its profile (:data:`QUIRKS`)."""
    PLAIN = "plain"
    """Nobody any."""
    ODD = "odd"
    """Everybody all."""

    def quirks_of(self, profile: str) -> frozenset[Quirk]:
        """The quirks of a device of a profile."""
        match self:
            case Manners.PLAIN:
                return frozenset()
            case Manners.ODD:
                return frozenset(Quirk)
        return QUIRKS.get(profile, frozenset())


QUIRKS: Final[Mapping[str, frozenset[Quirk]]] = MappingProxyType(
    {
        # captured GB300 trays (Supermicro)
        "gb300_rack": frozenset(
            {
                Quirk.NAN_IN_REPORTS,
                Quirk.STALE_HEALTH,
                Quirk.ABSENT_SENSOR,
                Quirk.UNSET_TIME,
                Quirk.SATURATED_COUNTER,
                Quirk.LEAK_VOLTAGE,
            }
        ),
        # NVIDIA's HGX boards of eight (facebook/openbmc, meta-grandteton)
        "grand_teton": frozenset({Quirk.ONE_BASED}),
        "grand_teton_ib": frozenset({Quirk.ONE_BASED}),
        # the captured Lite-On shelf (Lambda)
        "shelf_33kw_redfish": frozenset({Quirk.STANDBY_SUPPLY}),
        # a broken detector reads as a leak (NVIDIA/infra-controller, pull request 4822)
        "catalina": frozenset({Quirk.FLOATING_DETECTOR}),
    }
)
"""By profile of platform, coolant unit or power shelf."""

SATURATED = 2**32 - 1
LONG_AGO = timedelta(weeks=10)
LEFT_CELSIUS = 95.0
"""What a sensor without a clock last saw."""
DRY_VOLTS, DAMP_VOLTS, WET_VOLTS, OPEN_VOLTS = 1.73, 1.45, 0.9, 2.4
"""Of a leak detector's rope; a small leak stays above the limit, an open wire goes to the top."""
LEAK_VOLTS = (1.3, 2.0)
"""LowerCritical and UpperCritical of captured GB300 trays."""


class OddSensor(NamedTuple):
    """A sensor beside those that are meant to be read."""

    static: Resource
    live: Live | None = None


def odd_sensors(
    quirks: frozenset[Quirk], leak_part: int | None, detector: str
) -> dict[str, OddSensor]:
    """Sensors that a host has by its quirks, by id.

    Args:
        quirks: of the host.
        leak_part: its leak detector, among the controller's parts.
        detector: path of the leak detector below the service root.
    """
    found: dict[str, OddSensor] = {}
    if Quirk.ABSENT_SENSOR in quirks:
        absent = {"Reading": None, "Status": {"State": "Absent", "Health": "Critical"}}
        found["DIMM2Temp"] = OddSensor({**_temperature("Second Bank", "Memory"), **absent})
    if Quirk.UNSET_TIME in quirks:
        left = {"Reading": LEFT_CELSIUS, "ReadingTime": "1970-01-01T00:02:11+00:00", "Status": OK}
        found["Drive2Temp"] = OddSensor({**_temperature("Second Drive", "StorageDevice"), **left})
    if Quirk.LEAK_VOLTAGE in quirks and leak_part is not None:
        found["Leak0Voltage"] = OddSensor(_voltage(detector), _volts_of(leak_part))
    return found


def _temperature(name: str, context: str) -> Resource:
    return {
        "Name": name,
        "ReadingType": "Temperature",
        "ReadingUnits": "Cel",
        "PhysicalContext": context,
    }


def _voltage(detector: str) -> Resource:
    lower, upper = LEAK_VOLTS
    return {
        "Name": "Leak Detector Voltage",
        "ReadingType": "Voltage",
        "ReadingUnits": "V",
        "Status": OK,
        "Thresholds": {"LowerCritical": {"Reading": lower}, "UpperCritical": {"Reading": upper}},
        "RelatedItem": [link(detector)],
    }


def _volts_of(part: int) -> Live:
    def make(view: View) -> Resource:
        level = view.value(part, "leak_state")
        volts = OPEN_VOLTS if math.isnan(level) else (DRY_VOLTS, DAMP_VOLTS, WET_VOLTS)[int(level)]
        return {"Reading": volts, "ReadingTime": view.timestamp()}

    return make
