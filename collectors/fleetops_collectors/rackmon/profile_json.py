"""Device profiles of phosphor-modbus, rackmond's successor, read into our own model.

Written to ``rtu/schemas/device_profile.json``. ``ConfigRegisters`` are what that service writes to;
they are known here and never read or written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pydantic import ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.rackmon.map_json import ReadMap, reason_of
from fleetops_collectors.rackmon.values import Json, count_unknown, number, objects, text, whole
from fleetops_schemas.register_maps import Flag, Parity, Register, RegisterFormat, RegisterMap

PROFILE_KEYS = frozenset(
    {
        *("DeviceType", "DeviceModel", "Parity", "BaudRate", "ProbeRegister"),
        *("InventoryRegisters", "SensorRegisters", "StatusRegisters", "MetricRegisters"),
        *("FirmwareRegisters", "ConfigRegisters"),
    }
)
NUMBER_KEYS = frozenset(
    {
        *("Name", "Type", "Offset", "Size", "Format"),
        *("Precision", "Scale", "Shift", "IsSigned"),
    }
)
TEXT_KEYS = frozenset({"Name", "Type", "Offset", "Size", "Format"})
STATUS_KEYS = frozenset({"Name", "Offset", "Bits"})
BIT_KEYS = frozenset({"Name", "Type", "BitPosition", "Value"})
FORMATS = {
    "Integer": RegisterFormat.INTEGER,
    "FixedPoint": RegisterFormat.FIXED_POINT,
    "FloatingPoint": RegisterFormat.FIXED_POINT,
    "Float32": RegisterFormat.FLOAT32,
    "String": RegisterFormat.TEXT,
}
"""Older profiles called fixed point floating; IEEE 754 they could not have."""
UNITS = {
    "FanTach": "RPM",
    "LiquidFlow": "LPM",
    "Airflow": "",
    "Power": "Watts",
    "Temperature": "DegreesC",
    "Voltage": "Volts",
    "Current": "Amperes",
    "Energy": "Joules",
    "Frequency": "Hertz",
    "Humidity": "Percent",
    "Utilization": "Percent",
    "RotationalPosition": "Radians",
    "ValveClosedDuration": "Seconds",
    "ValveOpenDuration": "Seconds",
}
"""Of a sensor's type: the unit that D-Bus sensors of its kind have. Pressure, charge and altitude
are left open, since the profiles scale them to no one unit."""
DEFAULT_BAUD = 19_200


def is_profile(document: Json) -> bool:
    """Whether the document is a device profile."""
    return "DeviceType" in document or "ProbeRegister" in document


def read_profile(document: Json, where: str) -> ReadMap:
    """The map in a device profile.

    Raises:
        InputError: nothing in it can be used.
    """
    problems: list[str] = []
    unknown: Counter[str] = Counter()
    count_unknown(document, PROFILE_KEYS, "profile", unknown)
    registers: list[Register] = []
    readers: dict[str, tuple[Callable[[Json], Register], frozenset[str]]] = {
        "InventoryRegisters": (_text, TEXT_KEYS),
        "FirmwareRegisters": (_text, TEXT_KEYS),
        "SensorRegisters": (_number, NUMBER_KEYS),
        "MetricRegisters": (_number, NUMBER_KEYS),
        "StatusRegisters": (_status, STATUS_KEYS),
    }
    for section, (read, known) in readers.items():
        for index, entry in enumerate(objects(document.get(section))):
            count_unknown(entry, known, section, unknown)
            for bit in objects(entry.get("Bits")):
                count_unknown(bit, BIT_KEYS, "Bits", unknown)
            try:
                registers.append(read(entry))
            except (ValidationError, ValueError) as error:
                problems.append(f"{section}[{index}]: {reason_of(error)}")
    if not registers:
        why = problems[0] if problems else "it has no registers"
        raise InputError(f"{where}: no device profile: {why}")
    baud = whole(document.get("BaudRate"))
    one = RegisterMap(
        name=text(document.get("DeviceModel")) or where,
        title=text(document.get("DeviceType")),
        probe_register=_probe(document, problems),
        baud_rate=baud if baud and 300 <= baud <= 4_000_000 else DEFAULT_BAUD,  # noqa: PLR2004
        parity=_parity(document.get("Parity"), problems),
        registers=tuple(registers),
    )
    return ReadMap(one, problems, unknown)


def _text(entry: Json) -> Register:
    return Register(
        address=_whole(entry, "Offset"),
        words=_whole(entry, "Size"),
        name=text(entry.get("Name")) or text(entry.get("Type")),
        format=_format(entry.get("Format", "String")),
    )


def _number(entry: Json) -> Register:
    return Register(
        address=_whole(entry, "Offset"),
        words=_whole(entry, "Size"),
        name=text(entry.get("Name")),
        format=_format(entry.get("Format")),
        signed=entry.get("IsSigned") is True,
        fraction_bits=_whole(entry, "Precision", 0),
        scale=_float(entry, "Scale", 1.0),
        offset=_float(entry, "Shift", 0.0),
        unit=UNITS.get(text(entry.get("Type")), ""),
    )


def _status(entry: Json) -> Register:
    offset = _whole(entry, "Offset")
    return Register(
        address=offset,
        name=text(entry.get("Name")) or f"STATUS_{offset:#06x}",
        format=RegisterFormat.FLAGS,
        flags=tuple(
            Flag(
                bit=_whole(bit, "BitPosition"),
                name=text(bit.get("Name")),
                active_low=bit.get("Value") is False,
            )
            for bit in objects(entry.get("Bits"))
        ),
    )


def _format(found: object) -> RegisterFormat:
    kind = FORMATS.get(text(found))
    if kind is None:
        raise ValueError(f"unknown format {found!r:.40}")
    return kind


def _whole(entry: Json, key: str, default: int | None = None) -> int:
    value = whole(entry.get(key, default))
    if value is None:
        raise ValueError(f"{key}: {entry.get(key)!r:.40} is no whole number")
    return value


def _float(entry: Json, key: str, default: float) -> float:
    value = number(entry.get(key, default))
    if value is None:
        raise ValueError(f"{key}: {entry.get(key)!r:.40} is no number")
    return value


def _probe(document: Json, problems: list[str]) -> int | None:
    found = document.get("ProbeRegister")
    offset = whole(found.get("Offset")) if isinstance(found, dict) else None
    if offset is None or not 0 <= offset <= 65_535:  # noqa: PLR2004
        problems.append("ProbeRegister: names no register")
        return None
    return offset


def _parity(found: object, problems: list[str]) -> Parity:
    try:
        return Parity(text(found).lower())
    except ValueError:
        problems.append(f"Parity: {found!r:.40} is none of None, Even, Odd; Even is taken")
        return Parity.EVEN
