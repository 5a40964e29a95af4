"""The resources of one kind of controller: each is made of the tables when it is asked for.

One tree serves all controllers of a kind; what differs between them are the rows of the tables that
their parts are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Protocol

from fleetops.emulator.interfaces.redfish.log import ManagementLog
from fleetops.emulator.interfaces.redfish.points import Point

Resource = dict[str, Any]

ROOT = "/redfish/v1"
MAX_EXPAND_LEVELS = 6
ENABLED: Resource = {"State": "Enabled"}
"""A status that leaves health to a point, or to the whole."""
OK: Resource = {**ENABLED, "Health": "OK"}


class View(Protocol):
    """One controller, as a tree sees it."""

    @property
    def name(self) -> str:
        """The device that it manages."""
        ...

    @property
    def rack(self) -> str:
        """Where it stands."""
        ...

    @property
    def log(self) -> ManagementLog:
        """Its event log."""
        ...

    def value(self, part: int, metric: str) -> float:
        """A cell of the tables; NaN where there is nothing to read."""
        ...

    def is_present(self, part: int) -> bool:
        """Whether the part answers."""
        ...

    def timestamp(self, age: timedelta = ...) -> str:
        """The present, as the controller's clock has it; or as long ago as ``age`` says."""
        ...


Live = Callable[[View], Resource]
"""Makes what differs between controllers, or from time to time, beside points."""


@dataclass(frozen=True, slots=True)
class Node:
    """One resource."""

    path: str
    static: Resource
    points: tuple[Point, ...] = ()
    live: Live | None = None
    report: str = ""
    """The metric report that tells its points, too."""

    @property
    def kind(self) -> str:
        """Its type, without namespace and version."""
        return str(self.static["@odata.type"]).rpartition(".")[2]

    def make(self, view: View) -> Resource:
        """The resource as it is now."""
        made = dict(self.static)
        if self.live is not None:
            made.update(self.live(view))
        for point in self.points:
            value = view.value(point.part, point.metric)
            shown = point.blank if math.isnan(value) else point.encode(value)
            _put(made, point.pointer, shown)
        return made


class Tree:
    """All resources of a kind of controller, by path."""

    def __init__(self) -> None:
        """Empty."""
        self._nodes: dict[str, Node] = {}

    def add(
        self,
        path: str,
        odata_type: str,
        static: Resource,
        *,
        points: Sequence[Point] = (),
        live: Live | None = None,
        report: str = "",
    ) -> None:
        """A resource; ``path`` is relative to the service root."""
        full = f"{ROOT}/{path}" if path else ROOT
        shown = full if path else f"{ROOT}/"
        head = {"@odata.id": shown, "@odata.type": f"#{odata_type}", "Id": full.rpartition("/")[2]}
        if "Collection" in odata_type:
            del head["Id"]
        self._nodes[full] = Node(full, {**head, **static}, tuple(points), live, report)

    def add_collection(self, path: str, member_type: str, names: Sequence[str]) -> None:
        """A collection with a member for each name."""
        self.add(
            path,
            f"{member_type}Collection.{member_type}Collection",
            {
                "Name": f"{member_type} Collection",
                "Members@odata.count": len(names),
                "Members": [link(f"{path}/{name}") for name in names],
            },
        )

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def get(self, path: str, view: View) -> Resource | None:
        """The resource of an absolute path, without a slash at its end; None if there is none.

        A member that its collection shows whole (a log entry) can be read by its own path too.
        """
        if node := self._nodes.get(path):
            return node.make(view)
        collection = self._nodes.get(path.rpartition("/")[0])
        members = collection.make(view).get("Members", ()) if collection else ()
        return next((m for m in members if m["@odata.id"] == path and not is_reference(m)), None)

    def expand(self, resource: Resource, levels: int, view: View, *, links: bool) -> Resource:
        """The resource with the references in it replaced by what they refer to.

        Args:
            resource: what to expand.
            levels: how many references deep, 1 to :data:`MAX_EXPAND_LEVELS`.
            view: the controller.
            links: whether those below ``Links`` count too (``$expand=*``; ``.`` leaves them).
        """
        if levels <= 0:
            return resource
        return {
            key: value
            if key == "Links" and not links
            else self._expand(value, levels, view, links=links)
            for key, value in resource.items()
        }

    def _expand(self, value: object, levels: int, view: View, *, links: bool) -> object:
        if isinstance(value, list):
            return [self._expand(item, levels, view, links=links) for item in value]
        if not isinstance(value, dict):
            return value
        if is_reference(value):
            found = self.get(value["@odata.id"].rstrip("/"), view)
            return value if found is None else self.expand(found, levels - 1, view, links=links)
        return {key: self._expand(item, levels, view, links=links) for key, item in value.items()}


def link(path: str) -> Resource:
    """A reference to a resource; ``path`` is relative to the service root."""
    return {"@odata.id": f"{ROOT}/{path}"}


def is_reference(value: Resource) -> bool:
    """Whether it only says where the resource is."""
    return len(value) == 1 and "@odata.id" in value


def _put(resource: Resource, pointer: tuple[str | int, ...], value: object) -> None:
    """Sets a property below a resource; what is shared with other controllers is copied first."""
    holder: Any = resource
    for name, following in pairwise(pointer):
        child: Any
        if isinstance(name, int):  # the one place of a list
            child = dict(holder[0]) if holder else {}
            holder[:] = [child]
        elif isinstance(following, int):
            child = holder[name] = list(holder.get(name, ()))
        else:
            child = holder[name] = dict(holder.get(name, ()))
        holder = child
    holder[pointer[-1]] = value
