"""Which resources need not be read: metric reports say the same, or no column takes it.

One report replaces hundreds of reads of single sensors. A resource is left out only if every value
that the catalog takes from it came recently in a report; what a report cannot give (states, leak
detectors, anything that names devices) is read on. What has no column in the catalog, such as all
that a host says of its dozens of memory modules, is read when the structure is walked, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from fleetops_collectors.redfish.crawl import with_inner
from fleetops_collectors.redfish.metric_reports import Key
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.properties import (
    Property,
    is_part_of_more,
    kind_of,
    properties_of,
)
from fleetops_collectors.redfish.routes import holds_readings, names_devices
from fleetops_collectors.redfish.sensors import measures_a_leak, read_sensor
from fleetops_collectors.redfish.tree import Tree, type_of, uri_of
from fleetops_collectors.redfish.values import Json, dig

_TAKEN = frozenset(
    {
        "Sensor",
        "LeakDetector",
        "LeakDetection",
        "MetricReport",
        "Thermal",
        "Power",
        "ThermalMetrics",
    }
)
"""Types of which more is read than the properties that the catalog names."""


class Coverage:
    """What the reports of one service cover, and what is of no use."""

    def __init__(self) -> None:
        """Nothing is covered yet."""
        self._needs: dict[str, frozenset[Key]] = {}
        self._is_taken: dict[str, bool] = {}
        self.uris: Set[str] = frozenset()
        """What need not be read in the next round."""

    def learn(self, tree: Tree, plan: Iterable[str], names: Names, recent: Set[Key]) -> None:
        """Takes what one round read.

        Args:
            tree: what was read.
            plan: what would be read in each round.
            names: of the service's devices.
            recent: properties that reports gave, recent and good.
        """
        for uri in plan:
            if uri in tree and uri not in self._is_taken:
                self._is_taken[uri] = _is_taken(uri, tree[uri], names)
            if recent and uri in tree and uri not in self._needs:
                self._needs[uri] = _needs(uri, tree[uri], names)
        self.uris = {uri for uri, needs in self._needs.items() if needs and needs <= recent}
        self.uris |= {uri for uri, is_taken in self._is_taken.items() if not is_taken}


def _is_taken(uri: str, resource: Json, names: Names) -> bool:
    """Whether any column takes something of a resource, or of those inside it."""
    for item_uri, item in with_inner(uri_of(resource) or uri, resource):
        if type_of(item, item_uri) in _TAKEN:
            return True
        if _properties(item_uri, item, names):
            return True
    return False


def _properties(uri: str, resource: Json, names: Names) -> tuple[Property, ...]:
    """What the catalog takes from a resource."""
    subject, kind = names.subject(uri), kind_of(uri, resource)
    if subject is None or is_part_of_more(kind, uri, subject, names):
        return ()
    return properties_of(kind, subject.device_class)


def _needs(uri: str, resource: Json, names: Names) -> frozenset[Key]:
    """The reported properties that replace a read; none if nothing can."""
    needed: set[Key] = set()
    for item_uri, item in with_inner(uri_of(resource) or uri, resource):
        kind = type_of(item, item_uri)
        if not holds_readings(kind, item):
            continue
        if names_devices(kind) or kind in ("MetricReport", "LeakDetection"):
            return frozenset()
        if kind == "Sensor":
            if measures_a_leak(item_uri, item):
                return frozenset()
            if read_sensor(item_uri, item, names) is not None:
                needed.add((item_uri, ()))
            continue
        for one in _properties(item_uri, item, names):
            if any(True for _ in dig(item, one.path)):
                needed.add((item_uri, one.path))
    return frozenset(needed)
