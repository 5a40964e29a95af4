"""A device's resources: a path and what makes the resource now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Resource = dict[str, Any]
Maker = Callable[[], Resource]

ROOT = "/redfish/v1"
MAX_EXPAND_LEVELS = 6
OK: Resource = {"State": "Enabled", "Health": "OK"}


def link(path: str) -> Resource:
    """A reference to a resource; ``path`` is relative to the service root."""
    return {"@odata.id": f"{ROOT}/{path}"}


def is_reference(value: Resource) -> bool:
    """Whether it only says where the resource is."""
    return len(value) == 1 and "@odata.id" in value


def excerpt(reading: float, sensor_path: str, digits: int = 2) -> Resource:
    """A sensor's excerpt, as other resources show it."""
    return {"Reading": round(float(reading), digits), "DataSourceUri": f"{ROOT}/{sensor_path}"}


def status(health: str = "OK", state: str = "Enabled") -> Resource:
    """A Status object."""
    return {"State": state, "Health": health}


class Tree:
    """The resources of one device, made anew at every request."""

    def __init__(self) -> None:
        """Empty."""
        self._makers: dict[str, Maker] = {}

    def add(self, path: str, odata_type: str, make: Maker | Resource) -> None:
        """A resource below the service root; ``@odata`` members are filled in."""
        full = f"{ROOT}/{path}" if path else f"{ROOT}/"
        head = {"@odata.id": full, "@odata.type": f"#{odata_type}"}
        if callable(make):
            self._makers[full.rstrip("/")] = lambda: {**head, **make()}
        else:
            whole = {**head, **make}
            self._makers[full.rstrip("/")] = lambda: whole

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

    def get(self, path: str) -> Resource | None:
        """The resource of an absolute path, without a slash at its end; None if there is none.

        A member that its collection shows whole (a log entry) can be read by its own path too.
        """
        if make := self._makers.get(path):
            return make()
        collection = self._makers.get(path.rpartition("/")[0])
        members = collection().get("Members", ()) if collection else ()
        return next((m for m in members if m["@odata.id"] == path and not is_reference(m)), None)

    def expand(self, resource: Resource, levels: int, *, links: bool) -> Resource:
        """The resource with the references in it replaced by what they refer to.

        Args:
            resource: what to expand.
            levels: how many references deep, 1 to :data:`MAX_EXPAND_LEVELS`.
            links: whether those below ``Links`` count too (``$expand=*``; ``.`` leaves them).
        """
        if levels <= 0:
            return resource
        return {
            key: value if key == "Links" and not links else self._expand(value, levels, links=links)
            for key, value in resource.items()
        }

    def _expand(self, value: object, levels: int, *, links: bool) -> object:
        if isinstance(value, list):
            return [self._expand(item, levels, links=links) for item in value]
        if not isinstance(value, dict):
            return value
        if is_reference(value):
            found = self.get(value["@odata.id"].rstrip("/"))
            return value if found is None else self.expand(found, levels - 1, links=links)
        return {key: self._expand(item, levels, links=links) for key, item in value.items()}
