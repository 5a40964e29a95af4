"""Decodes saved output of ``ibswinfo``: health of an unmanaged switch.

Whole, or of one kind (``-o inventory``, ``status`` or ``vitals``), which has other names and ``:``
for the bar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband.counters import PROTOCOL
from fleetops_collectors.infiniband.texts import numbered_lines
from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading

HEALTH = {"OK": 0, "ERROR": 2}
_LINE = re.compile(r"(?P<indent>\s*)(?P<key>[^|]{1,40}?)\s*\|(?P<value>.{0,200})")
_OF_ONE_KIND = re.compile(
    r"(?:psu(?P<supply>\d{1,2})\.)?(?P<key>[A-Za-z#][^:]{0,39}?)\s*:(?P<value>\s.{0,200})"
)
_WHOLE_NAMES = {
    **{"psu.dc": "DC power", "psu.fan": "fan status", "psu.power (W)": "power (W)"},
    **{"psu.part_number": "P/N", "psu.serial": "S/N", "fans": "fan status"},
    **{"cur.temp (C)": "temperature (C)", "max.temp (C)": "max temp (C)"},
    **{"part_number": "part number", "serial": "serial number", "product_name": "product name"},
    "fw_version": "firmware version",
}
"""By the name in an output of one kind: the name in the whole one."""
_FAN_SPEED = re.compile(r"(fan#\d{1,3})\.speed (\(rpm\))")
_TELLING = frozenset({"temperature (C)", "DC power", "fan status", "firmware version"})
"""What some output of one kind holds; nothing else that prints ``name : value`` does."""
_SUPPLY = re.compile(r"PSU(\d{1,2}) status")
_FAN = re.compile(r"fan#\d{1,3} \(rpm\)")
_STATES = frozenset({"DC power", "fan status"})
_NUMBERS = {
    (True, "power (W)"): ("power_unit", "input_power_watts"),
    (False, "temperature (C)"): ("host", "board_temperature_celsius"),
}
"""Class and metric, by whether it is a supply's and by name."""
_IDENTITY = frozenset(
    {"part number", "serial number", "product name", "GUID", "firmware version", "P/N", "S/N"}
)


class _Entry(NamedTuple):
    line: int
    supply: str
    """Number of the supply that the entry is of; empty for the switch."""
    key: str
    value: str


def looks_like_ibswinfo(text: str) -> bool:
    """Whether a text is output of ibswinfo."""
    keys = {entry.key for entry in _entries(text[:4096])}
    whole = "GUID" in keys and ("PSID" in keys or "part number" in keys)
    return whole or ("|" not in text[:4096] and not keys.isdisjoint(_TELLING))


def decode_ibswinfo(
    text: str, *, host: str | None, now: datetime, unnamed: str = "switch"
) -> Decoded:
    """Temperature, fans and supplies of the switch.

    Args:
        text: What ibswinfo printed.
        host: The switch's name; without it its GUID, for the text holds no name of its own.
        now: When it was printed, aware.
        unnamed: Its name where there is neither, as in an output of one kind.
    """
    out = Decoded()
    first: dict[tuple[str, str], _Entry] = {}
    for entry in _entries(text):
        first.setdefault((entry.supply, entry.key), entry)
    entries = list(first.values())
    about = {entry.key: entry.value for entry in entries if not entry.supply}
    switch = host or about.get("GUID") or unnamed
    fans: list[_Entry] = []
    states: dict[str, list[_Entry]] = {}
    for entry in entries:
        if _FAN.fullmatch(entry.key):
            fans.append(entry)
        elif _SUPPLY.fullmatch(entry.key) or entry.key in _STATES:
            states.setdefault(entry.supply, []).append(entry)
        elif (number := _NUMBERS.get((bool(entry.supply), entry.key))) is not None:
            metric = _metric(*number)
            verdict = _judge(metric, entry, out)
            out.readings.append(_reading(number[0], metric, _place(switch, entry.supply), verdict))
        elif entry.key not in _IDENTITY:
            out.unmapped[entry.key] += 1
    for supply, said in states.items():
        device_class = "power_unit" if supply else "host"
        health = _metric(device_class, "health")
        place = _place(switch, supply)
        out.readings.append(_reading(device_class, health, place, _worst(said)))
    if fans:
        fan = _metric("host", "fan_speed_rpm")
        out.readings.append(_reading("host", fan, switch, _slowest(fan, fans, out)))
    out.identities = list(_identities(switch, about, entries, now))
    return out


def _entries(text: str) -> Iterator[_Entry]:
    supply = ""
    for number, line in numbered_lines(text):
        if match := _LINE.fullmatch(line):
            if found := _SUPPLY.fullmatch(match["key"]):
                supply = found[1]
            elif not match["indent"]:
                supply = ""
            yield _Entry(number, supply, match["key"].strip(), match["value"].strip())
        elif match := _OF_ONE_KIND.fullmatch(line):
            key = _whole_name(match["key"], match["supply"] or "")
            yield _Entry(number, match["supply"] or "", key, match["value"].strip())


def _whole_name(key: str, supply: str) -> str:
    """What the whole output calls the same."""
    if supply and key == "status":
        return f"PSU{supply} status"
    return _WHOLE_NAMES.get(f"psu.{key}" if supply else key, _FAN_SPEED.sub(r"\1 \2", key))


def _place(switch: str, supply: str) -> str:
    return f"{switch}/psu{supply}" if supply else switch


def _metric(device_class: str, name: str) -> Metric:
    return load_catalog()[device_class].metric(name)


def _worst(said: list[_Entry]) -> Verdict:
    """A supply that is "OK" with its output in "ERROR" is not well."""
    states = [state for entry in said if (state := HEALTH.get(entry.value)) is not None]
    return (max(states), Quality.GOOD) if states else (None, Quality.MISSING)


def _judge(metric: Metric, entry: _Entry, out: Decoded) -> Verdict:
    if not entry.value:
        return None, Quality.MISSING
    try:
        return judge(metric, int(entry.value[:20]))
    except ValueError:
        out.problems.append(f"line {entry.line}: {entry.key}: {entry.value[:40]!r} is no number")
        return None, Quality.MISSING


def _slowest(metric: Metric, fans: list[_Entry], out: Decoded) -> Verdict:
    verdicts = [_judge(metric, fan, out) for fan in fans]
    good = [value for value, _ in verdicts if value is not None]
    return (min(good), Quality.GOOD) if good else verdicts[0]


def _reading(device_class: str, metric: Metric, device: str, verdict: Verdict) -> Reading:
    return Reading(device_class, device, metric.name, verdict[0], metric.unit, verdict[1])


def _identities(
    switch: str, about: dict[str, str], entries: list[_Entry], now: datetime
) -> Iterator[DeviceIdentity]:
    if not _IDENTITY.isdisjoint(about):
        yield DeviceIdentity(
            device=switch,
            device_class="host",
            source=PROTOCOL,
            serial=about.get("serial number", ""),
            uuid=about.get("GUID", ""),
            model=about.get("product name", ""),
            part_number=about.get("part number", ""),
            firmware=about.get("firmware version", ""),
            observed_at=now,
        )
    for supply in dict.fromkeys(entry.supply for entry in entries if entry.supply):
        said = {entry.key: entry.value for entry in entries if entry.supply == supply}
        if not _IDENTITY.isdisjoint(said):
            yield DeviceIdentity(
                device=f"{switch}/psu{supply}",
                device_class="power_unit",
                source=PROTOCOL,
                serial=said.get("S/N", ""),
                part_number=said.get("P/N", ""),
                observed_at=now,
            )
