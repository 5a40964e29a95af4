"""Raw property values of Redfish: numbers that are strings, words, durations, times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fleetops_schemas.catalog import Metric, MetricKind

Json = dict[str, Any]

_DURATION = re.compile(
    r"(-)?P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0)
FIRST_CREDIBLE_YEAR = 2000
"""A controller that never learnt the time stamps its readings 1970 or soon after."""

_OFF = frozenset({"Disabled", "UnavailableOffline"})
"""States of sensors that measure nothing: an empty fan slot says 0 rpm."""
_HEALTH = {"ok": 0, "warning": 1, "critical": 2}
_LOST = {"ok": 0, "warning": 1, "critical": 1}
_WORDS: dict[str, dict[str, int]] = {
    "health": _HEALTH,
    "bmc_health": _HEALTH,
    "reservoir_state": _HEALTH,
    # DetectorState is OK, Warning or Critical by schema; GB300 trays say LeakDetected.
    "leak_state": {**_HEALTH, "leakdetected": 2, "leak": 2},
    "redundancy_lost": _LOST,
    "fan_redundancy_lost": _LOST,
    "breaker_state": {"normal": 0, "tripped": 1, "off": 2},
    "line_input_state": {"normal": 0, "lossofinput": 1, "outofrange": 2},
    "power_state": {"off": 0, "on": 1, "poweringoff": 2, "poweringon": 3},
    "link_state": {
        "linkdown": 0,
        "nolink": 0,
        "linkup": 1,
        "starting": 2,
        "training": 2,
        "down": 0,
        "up": 1,
        "disabled": 4,
    },
}
"""By metric: the words that Redfish uses for its states, lower case."""


def number_of(raw: object, metric: Metric) -> float | int | None:
    """The number in a property, or None where it holds none ("nan", "N/A", null, an object).

    Strings are read as numbers, since every ``MetricValue`` is one, as ISO 8601 durations in
    seconds, and for states as Redfish's words.
    """
    if isinstance(raw, str):
        return _number_in_words(raw.strip(), metric)
    if isinstance(raw, bool):
        return int(raw)
    return raw if isinstance(raw, int | float) and math.isfinite(raw) else None


def _number_in_words(text: str, metric: Metric) -> float | int | None:
    if text[:1].isdigit():
        return _plain(text)
    word = text.casefold()
    if word in ("true", "false"):
        return int(word == "true")
    words = _WORDS.get(metric.name, {}) if metric.kind is MetricKind.STATE else {}
    if word in words:
        return words[word]
    if word.startswith("gen") and metric.name == "pcie_link_generation":
        return _plain(word.removeprefix("gen"))
    if word.startswith(("p", "-p")):
        return duration_seconds(text)
    return _plain(text)


def _plain(text: str) -> float | int | None:
    try:
        number: float | int = int(text) if text.lstrip("-").isdecimal() else float(text)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):  # no number, or one of hundreds of digits
        return None


def duration_seconds(text: str) -> float | None:
    """The seconds in an ISO 8601 duration of days and less (``P6DT23H36M51.22S``), or None."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        return None
    seconds = sum(
        float(part) * unit for part, unit in zip(match.groups()[1:], _SECONDS, strict=True) if part
    )
    return -seconds if match[1] else seconds


def time_of(raw: object) -> datetime | None:
    """The aware time in a property, or None. Without an offset it is taken as UTC."""
    if not isinstance(raw, str):
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def text_of(raw: object) -> str:
    """The property if it is a string, else ""."""
    return raw if isinstance(raw, str) else ""


def object_of(raw: object) -> Json:
    """The property if it is an object, else an empty one."""
    return raw if isinstance(raw, dict) else {}


def objects_of(raw: object) -> list[Json]:
    """The objects in a property that is a list of them, or one of them."""
    if isinstance(raw, dict):
        return [raw]
    return [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []


def state_of(resource: Json) -> str:
    """``Status.State``; "Enabled" where the resource gives no status."""
    return text_of(object_of(resource.get("Status")).get("State")) or "Enabled"


def reading_of(sensor: Json) -> object:
    """A sensor's reading; None where it is off, and shows whatever was left there."""
    return None if state_of(sensor) in _OFF else sensor.get("Reading")


def dig(resource: Json, path: tuple[str, ...]) -> Iterator[tuple[object, Json]]:
    """The values at a property path, each with the object that holds it.

    Lists on the way are walked through; a path that is not there gives nothing.
    """
    if path[0] not in resource:
        return
    value = resource[path[0]]
    for item in value if isinstance(value, list) else [value]:
        if len(path) == 1:
            yield item, resource
        elif isinstance(item, dict):
            yield from dig(item, path[1:])
