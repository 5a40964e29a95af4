"""The leaves of a target, arranged by interface, component, lane and queue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fleetops_collectors.gnmi.newest import Leaf, NewestValues
from fleetops_collectors.gnmi.paths import schema_of, without_module
from fleetops_collectors.gnmi.values import raw_of, text_of
from fleetops_schemas.readings import Quality

INTERFACE = "interfaces/interface"
COMPONENT = "components/component"
TRANSCEIVER = f"{COMPONENT}/transceiver"
POWER_SUPPLY = f"{COMPONENT}/power-supply"
QUEUE = "qos/interfaces/interface"
_SUFFIX = re.compile(r"(?i)[-_ /.]*(?:transceiver|xcvr|optics?|q?sfp[a-z0-9-]*|osfp[a-z0-9-]*)$")
_PREFIX = re.compile(r"(?i)^(?:transceiver|xcvr|optics?)[-_ /.]*")
_PLACE = re.compile(r"\d+(?:/\d+)+(?::\d+)?$")
"""Slot and port at the end of a name; at least two numbers, since one is too little to go by."""
_LASER = re.compile(r"(?i)laser|\bels(?:fp)?")
_MAX_PARENTS = 8
_NO_PORT = frozenset(
    {"softwareLoopback", "ieee8023adLag", "l2vlan", "l3ipvlan", "tunnel", "propVirtual"}
)
"""Types of interfaces that have no port of their own."""

Leaves = dict[str, Leaf]
"""By schema path."""
Lanes = frozenset[str] | None
"""Indices of a module's physical channels; None for all."""


@dataclass(slots=True)
class Component:
    """One component with everything that has a meaning here."""

    leaves: Leaves = field(default_factory=dict)
    lanes: dict[str, Leaves] = field(default_factory=dict)
    """By index of the physical channel."""

    def text(self, leaf: str) -> str:
        """The word in a leaf below the component, or ``""``."""
        found = self.leaves.get(f"{COMPONENT}/{leaf}")
        return found.value.strip() if found and isinstance(found.value, str) else ""

    @property
    def is_transceiver(self) -> bool:
        """Whether anything says so: its type, or a leaf that only transceivers have."""
        return (
            bool(self.lanes)
            or without_module(self.text("state/type")) == "TRANSCEIVER"
            or any(name.startswith(TRANSCEIVER) for name in self.leaves)
        )


@dataclass(slots=True)
class Tree:
    """A target's leaves by what they are of."""

    interfaces: dict[str, Leaves] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    queues: dict[str, list[Leaves]] = field(default_factory=dict)
    """By interface."""
    _by_transceiver: dict[str, list[str]] = field(default_factory=dict)
    """Interfaces by the component that they say is their transceiver."""
    _by_port: dict[str, list[str]] = field(default_factory=dict)
    """Interfaces by the component that they say is their port."""
    _by_place: dict[str, list[str]] = field(default_factory=dict)
    """Interfaces by the location in their names."""

    @classmethod
    def of(cls, values: NewestValues) -> Tree:
        """Arranges a table."""
        tree = cls()
        queues: dict[tuple[str, str], Leaves] = {}
        for path, leaf in values:
            schema = schema_of(path)
            keys = [elem.key for elem in path if elem.keys]
            if schema.startswith(INTERFACE):
                tree.interfaces.setdefault(keys[0], {})[schema] = leaf
            elif schema.startswith(QUEUE):
                queues.setdefault((keys[0], keys[-1]), {})[schema] = leaf
            elif schema.startswith(COMPONENT):
                component = tree.components.setdefault(keys[0], Component())
                lane = component.lanes.setdefault(keys[1], {}) if len(keys) > 1 else None
                (component.leaves if lane is None else lane)[schema] = leaf
        for (interface, _), found in queues.items():
            tree.queues.setdefault(interface, []).append(found)
        tree._index()
        return tree

    def _index(self) -> None:
        for interface, leaves in self.interfaces.items():
            if transceiver := _word(leaves, "transceiver"):
                self._by_transceiver.setdefault(transceiver, []).append(interface)
            if port := _word(leaves, "hardware-port"):
                self._by_port.setdefault(port, []).append(interface)
            if place := _PLACE.search(interface):
                self._by_place.setdefault(place[0], []).append(interface)

    def transceivers(self) -> Iterator[tuple[str, Component]]:
        """Components that are transceivers by what they say, or by what an interface says."""
        for name, component in self.components.items():
            if name in self._by_transceiver or component.is_transceiver:
                yield name, component

    def is_port(self, interface: str) -> bool:
        """Whether the interface has a port of its own; without a word on it, it has."""
        found = self.interfaces.get(interface, {}).get(f"{INTERFACE}/state/type")
        return found is None or text_of(found.value) not in _NO_PORT

    def ports_of(self, component: str) -> list[tuple[str, Lanes]]:
        """Interfaces that a transceiver serves, each with its lanes or None for all of them.

        By ``interface/state/transceiver``, else by the port that both say they are at, else by
        their names: equal but for words like transceiver, or with the same slot and port in them.
        """
        found = self._by_transceiver.get(component, [])
        if not found:
            places = dict.fromkeys((component, *self._parents(component)))
            found = [one for place in places for one in self._by_port.get(place, ())]
        if found:
            return [(interface, _lanes(self.interfaces[interface])) for interface in found]
        names = (component, _SUFFIX.sub("", component), _PREFIX.sub("", component))
        same = [name for name in names if name in self.interfaces] or self._at_the_place(component)
        return [(name, None) for name in same[:1]]

    def _at_the_place(self, component: str) -> list[str]:
        """The interface with the same location in its name (``Optics0/0/0/1``), if it is one."""
        place = _PLACE.search(_SUFFIX.sub("", component))
        found = self._by_place.get(place[0], []) if place else []
        return found if len(found) == 1 else []

    def laser_of(self, component: str) -> str | None:
        """The transceiver that a component is the external laser of, or None."""
        if not _LASER.search(component):
            return None
        for parent in self._parents(component):
            found = self.components.get(parent)
            if found is not None and found.is_transceiver:
                return parent
        return None

    def _parents(self, component: str) -> Iterator[str]:
        for _ in range(_MAX_PARENTS):
            found = self.components.get(component)
            component = found.text("state/parent") if found else ""
            if not component:
                return
            yield component


def _word(leaves: Leaves, name: str) -> str:
    found = leaves.get(f"{INTERFACE}/state/{name}")
    return found.value if found and isinstance(found.value, str) else ""


def _lanes(leaves: Leaves) -> Lanes:
    """The lanes of the module that the interface uses, where it says so."""
    found = leaves.get(f"{INTERFACE}/state/physical-channel")
    value = found.value if found else None
    numbers = [raw_of(one) for one in (value if isinstance(value, list) else [value])]
    lanes = frozenset(str(number) for number in numbers if not isinstance(number, Quality))
    return lanes or None
