"""Finds the Thrift structures of FBOSS in JSON, wherever they stand.

The same structures come from several places: a service's own answer, FSDB's tree of all services
(bare, or inside the ``contents`` of its ``OperState``), ``fboss2 --fmt json`` under the name of its
host. They are known by their fields, as Thrift's simple JSON spells them, not by the way down to
them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetops.core.errors import InputError
from fleetops_collectors.json_input import Json, parse_json

MAX_DEPTH = 24
"""FSDB's tree down to a sensor is 8 levels deep."""
_PASS_ON = frozenset({"tcvrState", "tcvrStats", "tcvrStates"})
"""Fields whose structure is named by what holds them."""


@dataclass(slots=True)
class Module:
    """One optical module: ``TcvrState`` and ``TcvrStats``, or the older ``TransceiverInfo``."""

    state: Json = field(default_factory=dict)
    stats: Json = field(default_factory=dict)


@dataclass(slots=True)
class Structs:
    """What a document holds."""

    sensors: dict[str, Json] = field(default_factory=dict)
    """``SensorData`` by name."""
    port_stats: dict[str, Json] = field(default_factory=dict)
    """``HwPortStats`` by port."""
    modules: dict[str, Module] = field(default_factory=dict)
    details: dict[str, Json] = field(default_factory=dict)
    """``TransceiverDetail`` of ``fboss2 show transceiver`` by port."""
    counters: dict[str, Json] = field(default_factory=dict)
    """``InterfaceCounters`` of ``fboss2 show interface counters`` by port."""
    ports: dict[str, Json] = field(default_factory=dict)
    """``PortEntry`` of ``fboss2 show port`` by port."""

    def __bool__(self) -> bool:
        return bool(
            self.sensors
            or self.port_stats
            or self.modules
            or self.details
            or self.counters
            or self.ports
        )

    def module(self, name: str) -> Module:
        """The module of that id, made where it is not there yet."""
        return self.modules.setdefault(name, Module())


def structs_of(document: object) -> Structs:
    """The structures in a JSON document."""
    found = Structs()
    _walk(document, "", found, MAX_DEPTH)
    return found


def _walk(node: object, name: str, found: Structs, depth: int) -> None:
    if depth == 0:
        return
    if isinstance(node, dict):
        if isinstance(contents := node.get("contents"), str):
            _walk(_contents(contents), name, found, depth - 1)
        elif not _take(node, name, found):
            for key, value in node.items():
                _walk(value, name if key in _PASS_ON else key, found, depth - 1)
    elif isinstance(node, list):
        for value in node:
            _walk(value, name, found, depth - 1)


def _contents(text: str) -> object:
    """The JSON in ``OperState.contents``; Thrift calls it binary, so that its JSON has base64."""
    try:
        return parse_json(base64.b64decode(text, validate=True), "contents")
    except (binascii.Error, ValueError, InputError):
        pass
    try:
        return parse_json(text.encode(), "contents")
    except InputError:
        return None  # in FSDB's other encodings


def _take(node: Json, name: str, found: Structs) -> bool:
    """Whether the node is a structure, which is kept then."""
    if "inBytes_" in node:
        found.port_stats[_text(node.get("portName_")) or name] = node
    elif "interfaceName" in node and "inputBytes" in node:
        found.counters[_text(node["interfaceName"])] = node
    elif "linkState" in node and "name" in node:
        found.ports[_text(node["name"])] = node
    elif "currentMA" in node and "name" in node:
        found.details[_text(node["name"])] = node
    elif "sensorData" in node:
        _sensors(node["sensorData"], node.get("timeStamp"), found)
        return False  # FSDB's root holds more beside it
    elif "channels" in node or _is_sensor_pair(node.get("sensor")):
        module = found.module(name)
        module.stats = node
        module.state = node if "present" in node else module.state
    elif "present" in node and ("vendor" in node or "port" in node or "thresholds" in node):
        found.module(name).state = node
    else:
        return False
    return True


def _is_sensor_pair(value: object) -> bool:
    return isinstance(value, Mapping) and ("temp" in value or "vcc" in value)


def _sensors(data: object, time: object, found: Structs) -> None:
    """A list in the service's answer, a map in FSDB; the answer's time is for those without one."""
    if isinstance(data, Mapping):
        data = list(data.values())
    for sensor in data if isinstance(data, list) else ():
        if isinstance(sensor, dict) and isinstance(sensor.get("name"), str):
            # Without a value the last read failed, and the answer's time is not the reading's.
            own = {"timeStamp": time, **sensor} if "value" in sensor else sensor
            found.sensors[sensor["name"]] = own


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
