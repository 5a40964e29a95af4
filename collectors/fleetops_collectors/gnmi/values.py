"""Values of a gNMI tree: typed, as JSON of a leaf, or as JSON of a whole subtree.

JSON_IETF (RFC 7951) writes 64 bit integers and decimals as strings and names with their module;
OpenConfig sends 32 bit floats as four bytes (``ieeefloat32``), which is base64 in JSON.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.columns import Raw
from fleetops_collectors.gnmi.paths import Elem, Path, without_module
from fleetops_collectors.json_input import parse_json
from fleetops_collectors.number_text import number_of
from fleetops_collectors.quality import LARGEST_INTEGER
from fleetops_schemas.readings import Quality

MAX_DEPTH = 32
FLOAT_BYTES = 4
KEY_LEAVES = ("name", "index", "interface-id", "severity", "lane-number", "id")
"""Leaves that are the key of a list in OpenConfig."""
_LARGEST_PRECISION = 18
"""decimal64 has at most 18 digits behind the point."""


def leaves(path: Path, value: object, depth: int = MAX_DEPTH) -> Iterator[tuple[Path, object]]:
    """Every leaf of a value, with the keys of the lists that it stands in."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        if (decimal := _decimal(value)) is not None:
            yield path, decimal
            return
        for name, below in value.items():
            yield from leaves((*path, Elem(without_module(name))), below, depth - 1)
    elif isinstance(value, list) and path and any(isinstance(entry, Mapping) for entry in value):
        for position, entry in enumerate(value):
            if isinstance(entry, Mapping):
                elem = Elem(path[-1].name, (_key_of(entry, position),))
                yield from leaves((*path[:-1], elem), entry, depth - 1)
    elif path:
        yield path, value


def _key_of(entry: Mapping[str, Any], position: int) -> tuple[str, str]:
    """Key and value of a list's entry, by its key leaf; its position where it has none."""
    bare = {without_module(name): value for name, value in entry.items()}
    for place in (bare, bare.get("state"), bare.get("config")):
        found = place if isinstance(place, Mapping) else {}
        for key in KEY_LEAVES:
            if isinstance(found.get(key), (str, int)):
                return key, str(found[key])
    return "", str(position)


def raw_of(value: object) -> Raw:
    """The number in a leaf, or ``missing``."""
    if isinstance(value, bytes):
        return _float_of(value)
    raw = number_of(value)
    if raw is Quality.MISSING and isinstance(value, str) and len(value) == 8 and value[-2:] == "==":  # noqa: PLR2004
        try:
            return _float_of(base64.b64decode(value, validate=True))
        except binascii.Error:
            return Quality.MISSING
    return raw


def _float_of(data: bytes) -> Raw:
    """A 32 bit float in network byte order."""
    if len(data) != FLOAT_BYTES:
        return Quality.MISSING
    number: float = struct.unpack(">f", data)[0]
    return number_of(number)


def text_of(value: object) -> str:
    """The word in a leaf, without the module of an identity; ``""`` where it holds none."""
    return without_module(value).strip() if isinstance(value, str) else ""


def typed_value(value: object) -> object:
    """What a ``TypedValue`` in protobuf's JSON holds; the value itself where it is none."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((name, content),) = value.items()
    read = _READERS.get(name.replace("_", "").lower())
    if read is None:
        return value
    try:
        return read(content)
    except (ValueError, TypeError, InputError):
        return None


def _decimal(value: object) -> float | None:
    """``{digits, precision}``, which gNMI had for decimals before doubles."""
    if not isinstance(value, Mapping) or not {"digits"} <= value.keys() <= {"digits", "precision"}:
        return None
    digits, precision = number_of(value["digits"]), number_of(value.get("precision", 0))
    if isinstance(digits, Quality) or isinstance(precision, Quality):
        return None
    if not (0 <= precision <= _LARGEST_PRECISION and abs(digits) <= LARGEST_INTEGER):
        return None
    return decimal(int(digits), int(precision))


def decimal(digits: int, precision: int) -> float:
    """Digits with the point so many places from the right."""
    return float(digits) / float(10**precision)


def _elements(content: object) -> list[object]:
    elements = content.get("element") if isinstance(content, Mapping) else None
    return [typed_value(one) for one in elements] if isinstance(elements, list) else []


def _json(content: Any) -> object:  # noqa: ANN401 (any JSON)
    """JSON inside of JSON: base64, since protobuf calls it bytes; some tools leave it as it is."""
    if not isinstance(content, str):
        return content
    try:
        return parse_json(base64.b64decode(content, validate=True), "value")
    except (binascii.Error, InputError):
        return parse_json(content.encode(), "value")


def _same(content: object) -> object:
    return content


_READERS: dict[str, Callable[[Any], object]] = {
    "stringval": _same,
    "asciival": _same,
    "boolval": _same,
    "intval": number_of,
    "uintval": number_of,
    "floatval": number_of,
    "doubleval": number_of,
    "decimalval": _decimal,
    "bytesval": base64.b64decode,
    "protobytes": base64.b64decode,
    "leaflistval": _elements,
    "jsonval": _json,
    "jsonietfval": _json,
    "anyval": lambda _: None,
}
"""By name without underscores, since protobuf's JSON knows both spellings."""
