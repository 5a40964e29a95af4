"""The newest value of every leaf that has a meaning here; bounded, whatever a target sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import NamedTuple

from fleetops_collectors.gnmi.notifications import Notification
from fleetops_collectors.gnmi.paths import Path, schema_of
from fleetops_collectors.gnmi.values import KEY_LEAVES, leaves
from fleetops_schemas.catalog import load_catalog

FACTS = frozenset(
    {
        *("interfaces/interface/state/admin-status", "interfaces/interface/state/type"),
        *("interfaces/interface/state/transceiver", "interfaces/interface/state/hardware-port"),
        "interfaces/interface/state/physical-channel",
        *("components/component/state/type", "components/component/state/parent"),
        *("components/component/state/serial-no", "components/component/state/part-no"),
        *("components/component/state/mfg-name", "components/component/state/firmware-version"),
        "components/component/transceiver/state/present",
        "components/component/transceiver/state/vendor",
        "components/component/transceiver/state/vendor-part",
        "components/component/transceiver/state/serial-no",
    }
)
"""Leaves that are no column, but say what the others mean."""
MAX_LEAVES = 200_000
MAX_NAMES = 1000
"""Names of leaves without a column that are told apart."""


class Leaf(NamedTuple):
    """The newest word on a leaf."""

    value: object
    time: datetime | None
    """The target's own."""
    arrived: datetime


@cache
def known_leaves() -> frozenset[str]:
    """Schema paths of every leaf that is kept."""
    return FACTS | load_catalog().by_source("gnmi").keys()


class NewestValues:
    """A table by path.

    Leaves are grouped by the list entry they stand in, so that a deletion of one port looks at
    that port alone.
    """

    def __init__(self, max_leaves: int = MAX_LEAVES) -> None:
        """Empty; further leaves than ``max_leaves`` are counted and left out."""
        self._groups: dict[Path, dict[Path, Leaf]] = {}
        self._size = 0
        self._max_leaves = max_leaves
        self.unmapped: Counter[str] = Counter()
        """Leaves without a meaning here, by schema path, as often as they came; so are those of
        which the target does not say whose they are."""
        self.left_out = 0
        """Leaves beyond the bound."""
        self.newest_time: datetime | None = None
        """The target's latest own time."""
        self.last_arrival: datetime | None = None
        """When anything came last."""

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[Path, Leaf]]:
        for group in self._groups.values():
            yield from group.items()

    def apply(self, notification: Notification, arrived: datetime) -> None:
        """Takes a message: deletions first, as the specification has it."""
        self.last_arrival = arrived
        if notification.replaces is not None:
            self._delete(notification.replaces)
        for path in notification.deletes:
            if path:  # Huawei's send empty ones beside updates; no target means all that it has
                self._delete(path)
        for path, value in notification.updates:
            for leaf, scalar in leaves(path, value):
                self._put(leaf, Leaf(scalar, notification.time, arrived))
        if notification.time and (not self.newest_time or notification.time > self.newest_time):
            self.newest_time = notification.time

    def begin_round(self) -> None:
        """Counts anew what has no meaning here, and what has no room."""
        self.unmapped.clear()
        self.left_out = 0

    def clear(self) -> None:
        """Forgets everything, as before a subscription that tells all again."""
        self._groups.clear()
        self._size = 0
        self.newest_time = self.last_arrival = None

    def _put(self, path: Path, leaf: Leaf) -> None:
        schema = schema_of(path)
        if schema not in known_leaves():
            if path[-1].name in KEY_LEAVES:
                return  # the key of a list, which the path says already
            self._count(schema)
            return
        entry = _group_of(path)
        if not entry[-1].keys:
            self._count(f"{schema} without the key of its list")
            return
        group = self._groups.setdefault(entry, {})
        if path not in group:
            if self._size >= self._max_leaves:
                self.left_out += 1
                return
            self._size += 1
        group[path] = leaf

    def _count(self, name: str) -> None:
        known = len(self.unmapped) < MAX_NAMES or name in self.unmapped
        self.unmapped[name if known else "others"] += 1

    def _delete(self, path: Path) -> None:
        """Removes a leaf or everything below; a key of ``*`` stands for every entry."""
        exact = _group_of(path)
        keyed = (
            bool(exact)
            and bool(exact[-1].keys)
            and not any(value == "*" for elem in path for _, value in elem.keys)
        )
        for key in [exact] if keyed else list(self._groups):
            group = self._groups.get(key, {})
            gone = [leaf for leaf in group if _is_below(leaf, path)]
            for leaf in gone:
                del group[leaf]
            self._size -= len(gone)
            if not group:
                self._groups.pop(key, None)


def _group_of(path: Path) -> Path:
    """The path down to its first list entry."""
    for at, elem in enumerate(path):
        if elem.keys:
            return path[: at + 1]
    return path[:1]


def _is_below(leaf: Path, path: Path) -> bool:
    return len(leaf) >= len(path) and all(
        own.name == other.name
        and all(value in ("*", dict(own.keys).get(key)) for key, value in other.keys)
        for own, other in zip(leaf, path, strict=False)
    )
