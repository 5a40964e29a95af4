"""The resources of one Redfish service, by URI, wherever they came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from typing_extensions import override

from fleetops_collectors.redfish.values import Json, object_of, objects_of, text_of

ROOT = "/redfish/v1"

_COLLECTION_MEMBERS = {
    "Systems": "ComputerSystem",
    "Processors": "Processor",
    "Memory": "Memory",
    "Ports": "Port",
    "Sensors": "Sensor",
    "Chassis": "Chassis",
    "Managers": "Manager",
    "Fans": "Fan",
    "Pumps": "Pump",
    "Filters": "Filter",
    "Reservoirs": "Reservoir",
    "CoolantConnectors": "CoolantConnector",
    "PrimaryCoolantConnectors": "CoolantConnector",
    "SecondaryCoolantConnectors": "CoolantConnector",
    "LeakDetectors": "LeakDetector",
    "PowerSupplies": "PowerSupply",
    "Batteries": "Battery",
    "CDUs": "CoolingUnit",
    "HeatExchangers": "CoolingUnit",
    "ImmersionUnits": "CoolingUnit",
    "RPUs": "CoolingUnit",
    "PowerShelves": "PowerDistribution",
    "RackPDUs": "PowerDistribution",
    "FloorPDUs": "PowerDistribution",
    "Switchgear": "PowerDistribution",
    "TransferSwitches": "PowerDistribution",
    "ElectricalBuses": "PowerDistribution",
    "Mains": "Circuit",
    "Branches": "Circuit",
    "Feeders": "Circuit",
    "Subfeeds": "Circuit",
    "Outlets": "Outlet",
    "MetricReports": "MetricReport",
}
_METRICS_OF = {
    "PowerSupplies": "PowerSupplyMetrics",
    "Batteries": "BatteryMetrics",
    "Ports": "PortMetrics",
    "Processors": "ProcessorMetrics",
    "Memory": "MemoryMetrics",
    "PowerShelves": "PowerDistributionMetrics",
    "RackPDUs": "PowerDistributionMetrics",
    "FloorPDUs": "PowerDistributionMetrics",
    "Switchgear": "PowerDistributionMetrics",
    "TransferSwitches": "PowerDistributionMetrics",
    "ElectricalBuses": "PowerDistributionMetrics",
}
_OWN_NAME = {
    "ProcessorMetrics",
    "MemoryMetrics",
    "EnvironmentMetrics",
    "ThermalMetrics",
    "ThermalSubsystem",
    "PowerSubsystem",
    "LeakDetection",
    "EventService",
    "TelemetryService",
    "Thermal",
    "Power",
}
_DIGITS = re.compile(r"(\d+)")


def uri_of(raw: object) -> str:
    """The URI of a resource or link as a key: no fragment, no closing slash; "" without one."""
    link = raw.get("@odata.id") if isinstance(raw, dict) else raw
    return text_of(link).partition("#")[0].rstrip("/")


def segments(uri: str) -> list[str]:
    """The parts of a URI below the service root: ``["Systems", "1", "Processors", "GPU_0"]``."""
    return [part for part in uri.removeprefix(ROOT).split("/") if part]


def id_of(uri: str) -> str:
    """The last part of a URI; of the root, its own."""
    return uri.rstrip("/").rpartition("/")[2]


def type_of(resource: Json, uri: str = "") -> str:
    """``Processor`` of ``#Processor.v1_20_0.Processor``; guessed from the URI without a type."""
    declared = text_of(resource.get("@odata.type")).rpartition(".")[2]
    return declared or type_from_uri(uri)


def type_from_uri(uri: str) -> str:
    """The type that the standard's URI patterns give a resource, or ""."""
    parts = segments(uri)
    if not parts:
        return "ServiceRoot"
    if parts[-1] in _OWN_NAME:
        return parts[-1]
    if parts[-1] == "Metrics" and len(parts) > 2:  # noqa: PLR2004 (collection, member, Metrics)
        return _METRICS_OF.get(parts[-3], "")
    return _COLLECTION_MEMBERS.get(parts[-2], "") if len(parts) > 1 else ""


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key by which GPU_10 comes after GPU_9."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(text) if part
    ]


def is_whole(item: object) -> bool:
    """Whether an object is a resource of its own, and not just a link to one."""
    if not isinstance(item, dict) or "#" in text_of(item.get("@odata.id")) or not uri_of(item):
        return False
    return "Id" in item or "Name" in item or ("@odata.type" in item and len(item) > 2)  # noqa: PLR2004


def inside(resource: Json) -> Iterator[Json]:
    """The resources that stand whole inside another: members of an expanded collection, ports.

    Annotations (``@Redfish.Settings``) are left out: they describe what is wished for.
    """
    for name, value in resource.items():
        if name.startswith("@") or name in ("Links", "Actions"):
            continue
        for item in objects_of(value):
            if is_whole(item):
                yield item
            yield from inside(item)


class Tree(Mapping[str, Json]):
    """Resources by URI. What was put under its own URI is not replaced by a copy."""

    def __init__(self) -> None:
        """An empty tree."""
        self._resources: dict[str, Json] = {}
        self._canonical: set[str] = set()
        self.conflicts: list[str] = []
        """URIs that several different documents claim to be."""

    def put(self, uri: str, resource: Json, *, canonical: bool = True) -> None:
        """Adds a resource and all that stand inside it.

        A document fetched at (or filed under) its own URI is ``canonical``; one found elsewhere
        is a copy, and only fills a gap.
        """
        self._set(uri, resource, canonical)
        for item in inside(resource):
            self._set(uri_of(item), item, canonical=False)

    def put_all(self, other: Tree) -> None:
        """Adds the resources of another tree; what it has under its own URI replaces ours."""
        self._resources.update(other._resources)
        self._canonical |= other._canonical

    def _set(self, uri: str, resource: Json, canonical: bool) -> None:
        before = self._resources.get(uri)
        if before is not None and before != resource and uri not in self._canonical:
            self.conflicts.append(uri)
        if before is None or (canonical and uri not in self._canonical):
            self._resources[uri] = resource
        if canonical:
            self._canonical.add(uri)

    @override
    def __getitem__(self, uri: str) -> Json:
        return self._resources[uri]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._resources)

    @override
    def __len__(self) -> int:
        return len(self._resources)

    def each_of_type(self, *types: str) -> Iterator[tuple[str, Json]]:
        """All resources of these types, in the order in which they came."""
        for uri, resource in self._resources.items():
            if type_of(resource, uri) in types:
                yield uri, resource

    def of_type(self, *types: str) -> list[tuple[str, Json]]:
        """All resources of these types, in natural order of their URIs."""
        return sorted(self.each_of_type(*types), key=lambda item: natural(item[0]))


def links(resource: Json, *names: str) -> list[str]:
    """URIs that ``Links`` holds under these names; the root and collections are no resources."""
    held = object_of(resource.get("Links"))
    found = (uri_of(item) for name in names for item in _items(held.get(name)))
    return [uri for uri in found if len(segments(uri)) > 1]


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else [value]
