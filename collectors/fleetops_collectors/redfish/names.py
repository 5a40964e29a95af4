"""Which device a URI speaks of.

A management controller numbers and names things in its own way; here they become the fleet's names
(``node001/gpu0``, ``cdu1/pump2``, ``r01/shelf1/psu3``, ``node001/leak0``). Numbers stay the
source's own: they are printed at the bay.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise

from fleetops_collectors.redfish.cells import Subject
from fleetops_collectors.redfish.tree import ROOT, Tree, id_of, links, natural, segments
from fleetops_collectors.redfish.values import Json, object_of, text_of

_ACCELERATOR_TYPES = frozenset({"GPU", "Accelerator"})
_ACCELERATOR_ID = re.compile(r"(?i)(?:^|_)(?:gpu|accl|accelerator|oam)(?:_|\d|$)")
_GPU_IN_ID = re.compile(r"(?i)(?:^|_)gpu_?(sxm_?)?(\d+)(?:_|$)")
_TRAILING_NUMBER = re.compile(r"(\d+)$")
_FUNCTION = re.compile(r"\d-\d+$")
"""Of a card in a slot (Dell's ``Video.Slot.21-1``): its number is no number of the card."""
_SHELF_ID = re.compile(r"(?i)power_?shelf")
_PLAIN_LEAK_ID = re.compile(r"(?i)(?:leak_?(?:detector)?_?)?(\d+)")
_PARTS = {
    "Pumps": ("coolant_unit", "pump"),
    "PowerSupplies": ("power_unit", "psu"),
    "Batteries": ("power_unit", "bbu"),
}
"""Parts that are devices of their own: by collection, their class and word."""
_WIRING = {
    "Mains": "mains",
    "Branches": "branch",
    "Feeders": "feeder",
    "Subfeeds": "subfeed",
    "Outlets": "outlet",
}
"""Circuits and outlets, whose ids are letters and numbers (``A``, ``AC1``, ``B12``), and words for
those that are numbers alone."""
_EQUIPMENT = {
    "CDUs": ("coolant_unit", "cdu"),
    "HeatExchangers": ("coolant_unit", "hx"),
    "ImmersionUnits": ("coolant_unit", "immersion"),
    "RPUs": ("coolant_unit", "rpu"),
    "PowerShelves": ("power_unit", "shelf"),
    "RackPDUs": ("power_unit", "pdu"),
    "FloorPDUs": ("power_unit", "floorpdu"),
    "Switchgear": ("power_unit", "switchgear"),
    "TransferSwitches": ("power_unit", "ats"),
    "ElectricalBuses": ("power_unit", "bus"),
}
"""Equipment beside hosts: by collection, its class and word."""
MAX_KEPT = 50_000
"""URIs whose device is remembered."""
_UNSAFE = re.compile(r"[^a-z0-9._:-]")


def safe(text: str) -> str:
    """The text as one part of a device name."""
    return _UNSAFE.sub("_", text.lower())


class Names:
    """Names for the resources of one service."""

    def __init__(
        self, tree: Tree, host: str | None = None, device: str | None = None, rack: str = ""
    ) -> None:
        """Names as a target is configured; without a host, as the service calls its systems.

        Args:
            tree: all resources of the service.
            host: host that the service manages.
            device: name of the service's own equipment where it is no host.
            rack: put before the default name of a power shelf.
        """
        self._tree = tree
        self._host = host
        self._device = device
        self._rack = rack
        self._bases: dict[str, Subject] = {}
        self._subjects: dict[str, Subject | None] = {}
        self._by_types: dict[tuple[str, ...], list[tuple[str, Json]]] = {}

    def subject(self, uri: str) -> Subject | None:
        """The device that the resource at ``uri`` speaks of; None if none has a table."""
        if uri not in self._subjects:
            if len(self._subjects) >= MAX_KEPT:
                self._subjects.clear()
            self._subjects[uri] = self._subject(uri)
        return self._subjects[uri]

    def _subject(self, uri: str) -> Subject | None:
        parts = segments(uri)
        if len(parts) < 2:  # noqa: PLR2004 (collection and member)
            return None
        match parts[0], parts[1]:
            case "Systems", system:
                return self._in_system(parts, self.host_of_system(system))
            case "Chassis", _:
                return self._in_base(parts[2:], self.base(f"{ROOT}/Chassis/{parts[1]}"), parts[1])
            case "ThermalEquipment" | "PowerEquipment", _ if len(parts) > 2:  # noqa: PLR2004
                base = self.base("/".join((ROOT, *parts[:3])))
                return self._in_base(parts[3:], base, parts[2]) if base else None
            case "Managers", _:
                return self.base(f"{ROOT}/Managers/{parts[1]}")
        return None

    def resource(self, uri: str) -> Json:
        """The resource at ``uri`` as it was when names were made; empty if it was not there."""
        return self._tree.get(uri, {})

    def _of_type(self, *types: str) -> list[tuple[str, Json]]:
        if types not in self._by_types:
            self._by_types[types] = self._tree.of_type(*types)
        return self._by_types[types]

    def accelerator(self, host: str, name: str) -> Subject:
        """The accelerator of that id; ``GPU_SXM_1`` is the first, as NVIDIA counts sockets."""
        found = _GPU_IN_ID.search(name)
        if found:
            ordinal = int(found[2]) - bool(found[1])
        elif (number := _own_number(name)) is not None and self._is_unique(number, name):
            ordinal = number
        else:
            ordinal = self._order_of(name)
        return Subject("accelerator", f"{host}/gpu{max(ordinal, 0)}")

    def accelerator_in(self, host: str, text: str) -> Subject | None:
        """The accelerator whose id stands inside another (``HGX_GPU_0_TEMP_0``), if one does."""
        return self.accelerator(host, text) if _GPU_IN_ID.search(text) else None

    def accelerator_of_module(self, uri: str) -> Subject | None:
        """The accelerator whose module the chassis is that a URI leads through, if it is one."""
        top, chassis, *_ = [*segments(uri), "", ""]
        processors = links(self._tree.get(f"{ROOT}/Chassis/{chassis}", {}), "Processors")
        if top != "Chassis" or len(processors) != 1:
            return None
        subject = self.subject(processors[0])
        return subject if subject and subject.device_class == "accelerator" else None

    def supplies_of_chassis(self, chassis: str) -> list[str]:
        """The ids of the supplies that a chassis has as resources of their own, in order."""
        place = f"{chassis}/PowerSubsystem/PowerSupplies/"
        return [id_of(uri) for uri, _ in self._of_type("PowerSupply") if uri.startswith(place)]

    def host_of_system(self, system: str) -> str:
        """The host that a ``ComputerSystem`` is, or belongs to."""
        return self._host or safe(system)

    @cached_property
    def main(self) -> Subject:
        """The device that the service as a whole stands for."""
        if self._host:
            return Subject("host", self._host)
        for found in ("ComputerSystem", "CoolingUnit", "PowerDistribution", "Chassis"):
            for uri, _ in self._of_type(found):
                if subject := self.subject(uri):
                    return subject
        return Subject("host", self._device or "unknown")

    def base(self, uri: str) -> Subject | None:
        """The host, coolant unit or power shelf that a top resource stands for."""
        if uri not in self._bases:
            parts, resource = segments(uri), self._tree.get(uri, {})
            match parts:
                case ["ThermalEquipment" | "PowerEquipment", collection, name] if (
                    collection in _EQUIPMENT
                ):
                    found = self._equipment(collection, name)
                case ["Chassis", name]:
                    found = self._chassis(uri, name, resource)
                case ["Managers", name]:
                    found = self._manager(name, resource)
                case _:
                    return None
            self._bases[uri] = found
        return self._bases[uri]

    def _equipment(self, collection: str, name: str) -> Subject:
        device_class, word = _EQUIPMENT[collection]
        if self._device:
            top = {
                segments(uri)[2]
                for uri in self._tree
                if segments(uri)[1:2] == [collection] and len(segments(uri)) > 2  # noqa: PLR2004
            }
            device = self._device if len(top) < 2 else f"{self._device}/{safe(name)}"  # noqa: PLR2004
            return Subject(device_class, device)
        device = f"{word}{name}" if name.isdecimal() else safe(name)
        if device_class == "power_unit" and self._rack:
            device = f"{self._rack}/{device}"
        return Subject(device_class, device)

    def _chassis(self, uri: str, name: str, chassis: Json) -> Subject:
        for equipment, resource in self._of_type("CoolingUnit", "PowerDistribution"):
            if uri in links(resource, "Chassis") and (base := self.base(equipment)):
                return base
        for link in links(chassis, "CoolingUnits", "PowerDistribution"):
            if base := self.base(link):
                return base
        if system := self._system_of_chassis(uri, chassis):
            return Subject("host", self.host_of_system(system))
        if not self._host and self._is_shelf(name, chassis):
            return self._shelf(uri, chassis)
        if not self._host and self._device:
            return Subject(self._device_class, self._device)
        return Subject("host", self._host or safe(name))

    def _system_of_chassis(self, uri: str, chassis: Json) -> str:
        """The system that a chassis, a board in it, or an accelerator's module belongs to."""
        for link in links(chassis, "ComputerSystems", "Processors"):
            return segments(link)[1]
        for other, resource in self._of_type("ComputerSystem", "Processor"):
            if uri in links(resource, "Chassis"):
                return "".join(segments(other)[1:2])
        for link in links(chassis, "ContainedBy"):
            parent = self._tree.get(link)
            if parent is not None and link != uri:
                return self._system_of_chassis(link, {**parent, "Links": _upwards(parent)})
        return ""

    @cached_property
    def _device_class(self) -> str:
        if self._of_type("CoolingUnit", "ThermalEquipment"):
            return "coolant_unit"
        return "power_unit" if self._of_type("PowerSupply", "PowerEquipment") else "host"

    def _is_shelf(self, name: str, chassis: Json) -> bool:
        if self._of_type("ComputerSystem"):
            return False
        root = self._tree.get(ROOT, {})
        named = _SHELF_ID.search(name) or _SHELF_ID.search(text_of(chassis.get("Name")))
        return bool(named) or ("PowerEquipment" in root and "ThermalEquipment" not in root)

    def _shelf(self, uri: str, chassis: Json) -> Subject:
        """One shelf may be there twice, under two ids (Lite-On): its first id names it."""
        if self._device:
            return Subject("power_unit", self._device)
        identity = [chassis.get(key) for key in ("Model", "PartNumber", "SerialNumber")]
        for other, resource in self._of_type("Chassis"):
            same = identity == [
                resource.get(key) for key in ("Model", "PartNumber", "SerialNumber")
            ]
            if other == uri or (same and any(identity)):
                name = safe(id_of(other))
                return Subject("power_unit", f"{self._rack}/{name}" if self._rack else name)
        return Subject("power_unit", safe(id_of(uri)))

    def _manager(self, name: str, manager: Json) -> Subject:
        for link in links(manager, "ManagerForServers"):
            return Subject("host", self.host_of_system(segments(link)[-1]))
        for link in links(manager, "ManagerForChassis", "ManagerInChassis"):
            if base := self.base(link):
                return base
        if self._host:
            return Subject("host", self._host)
        managed = [
            uri
            for uri, resource in self._of_type("ComputerSystem", "Chassis")
            if any(segments(link)[-1] == name for link in links(resource, "ManagedBy"))
        ]
        for uri in sorted(managed, key=lambda uri: segments(uri)[:1] != ["Systems"]):
            if subject := self.subject(uri):
                return subject
        systems = self._of_type("ComputerSystem")
        only = id_of(systems[0][0]) if len(systems) == 1 else name
        return Subject("host", safe(only))

    def _in_system(self, parts: list[str], host: str) -> Subject | None:
        match parts[2:]:
            case ["Processors", name, *deeper]:
                top = "/".join((ROOT, *parts[:4]))
                subject = self._processor(host, name, self._tree.get(top, {}))
                if deeper[:1] == ["Ports"] and len(deeper) > 1:
                    return Subject("fabric_port", f"{subject.device}/{_port(deeper[1])}")
                return subject
            case ["Memory", name, *_]:
                return self._memory(host, name, self._tree.get("/".join((ROOT, *parts[:4])), {}))
        return Subject("host", host)

    def _processor(self, host: str, name: str, processor: Json) -> Subject:
        declared = text_of(processor.get("ProcessorType"))
        if declared in _ACCELERATOR_TYPES or (not declared and _ACCELERATOR_ID.search(name)):
            return self.accelerator(host, name)
        return Subject("host", host)

    def _memory(self, host: str, name: str, memory: Json) -> Subject:
        for uri in links(memory, "Processors"):
            subject = self._in_system(segments(uri), host)
            if subject and subject.device_class == "accelerator":
                return subject
        return self.accelerator_in(host, name) or Subject("host", host)

    def _order_of(self, name: str) -> int:
        return sorted(self._accelerators | {name}, key=natural).index(name)

    def _is_unique(self, number: int, name: str) -> bool:
        """Whether no other accelerator has the number."""
        return all(_own_number(other) != number for other in self._accelerators - {name})

    @cached_property
    def _accelerators(self) -> frozenset[str]:
        """The ids of those that are declared to be one."""
        return frozenset(
            id_of(uri)
            for uri, resource in self._of_type("Processor")
            if text_of(resource.get("ProcessorType")) in _ACCELERATOR_TYPES
        )

    def _in_base(self, deeper: list[str], base: Subject | None, top: str) -> Subject | None:
        """A part of a chassis, coolant unit or power shelf; ``top`` is that one's own id."""
        if base is None:
            return None
        for collection, name in reversed(list(pairwise(deeper))):
            if part := _part(base, collection, name, deeper, top):
                return part
        if base.device_class == "host" and deeper[:1] != ["Sensors"]:
            return self.accelerator_in(base.device, top) or base
        return base


def _own_number(name: str) -> int | None:
    number = None if _FUNCTION.search(name) else _TRAILING_NUMBER.search(name)
    return int(number[1]) if number else None


def _part(base: Subject, collection: str, name: str, deeper: list[str], top: str) -> Subject | None:
    """A member of a collection of parts that are devices of their own."""
    if collection in _PARTS:
        device_class, word = _PARTS[collection]
        return Subject(device_class, f"{base.device}/{_numbered(word, name)}")
    if collection in _WIRING:
        return Subject("power_unit", f"{base.device}/{_wiring(collection, name)}")
    if collection == "LeakDetectors":
        return leak_detector(base, name, top)
    if collection == "Ports":
        adapter = f"/{safe(deeper[1])}" if deeper[0] == "NetworkAdapters" else ""
        return Subject("fabric_port", f"{base.device}{adapter}/{_port(name)}")
    return None


def _upwards(chassis: Json) -> Json:
    """A chassis' links without the one further up: containment is followed one step only."""
    return {
        name: value
        for name, value in object_of(chassis.get("Links")).items()
        if name != "ContainedBy"
    }


def supply(base: Subject, number: str) -> Subject:
    """A supply of a power shelf or of a host."""
    return Subject("power_unit", f"{base.device}/psu{int(number)}")


def leak_detector(base: Subject, name: str, top: str) -> Subject:
    """A leak detector of a host, coolant unit or rack."""
    return Subject("coolant_unit", f"{base.device}/{_leak(name, top)}")


def _leak(name: str, top: str) -> str:
    plain = _PLAIN_LEAK_ID.fullmatch(name)
    if plain:
        return f"leak{int(plain[1])}"
    # Detectors repeat the id of their chassis: Chassis_0_LeakDetector_0_ColdPlate.
    return safe(re.sub(rf"(?i)^{re.escape(top)}_", "", name))


def _numbered(word: str, name: str) -> str:
    number = _TRAILING_NUMBER.search(name)
    return f"{word}{int(number[1])}" if number else safe(name)


def _wiring(collection: str, name: str) -> str:
    word = _WIRING[collection]
    if name.isdecimal():
        return f"{word}{int(name)}"
    # Outlets carry the letters of their branches; only these need to be told from them.
    return f"outlet_{safe(name)}" if collection == "Outlets" else safe(name)


def _port(name: str) -> str:
    number = _TRAILING_NUMBER.fullmatch(name)
    return f"port{int(number[1])}" if number else safe(name).replace("_", "")
