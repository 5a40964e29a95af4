"""The lists of an emulated switch's OpenConfig tree, and the JSON of what stands in them.

A list has entries (an interface each), all with the same leaves. What a path asks of a list is one
JSON value an entry: an object where the path stands above leaves, a bare value at a leaf. Names
carry their module where RFC 7951 wants it: at the top, and where it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from fleetops.emulator.model.tables import Table

Tables = Mapping[str, Table]
Texts = Sequence[str]
"""JSON, one an entry; "" where there is no reading."""
ROOTS = {
    "interfaces": "openconfig-interfaces",
    "components": "openconfig-platform",
    "qos": "openconfig-qos",
}
AUGMENTS = {
    "ethernet": "openconfig-if-ethernet",
    "transceiver": "openconfig-platform-transceiver",
    "power-supply": "openconfig-platform-psu",
    "fan": "openconfig-platform-fan",
}
"""Containers that another module adds."""


class Elem(NamedTuple):
    """An element of a path: its name, and its keys."""

    name: str
    keys: Mapping[str, str] = {}


Path = tuple[Elem, ...]


class Leaf(NamedTuple):
    """One leaf that every entry has."""

    path: str
    """Below the entry: ``state/counters/in-octets``."""
    read: Callable[[Tables], Texts]


class Entries(NamedTuple):
    """One list of a switch."""

    paths: Sequence[Path]
    """Of its entries."""
    leaves: Sequence[Leaf]


class Selected:
    """What a path asks of a list."""

    def __init__(self, entries: Entries, asked: Path, rest: tuple[str, ...]) -> None:
        """``asked`` are the elements as deep as the list; ``rest`` are names below an entry."""
        below = "/".join(rest)
        self._leaves = [
            leaf
            for leaf in entries.leaves
            if not rest or leaf.path == below or leaf.path.startswith(f"{below}/")
        ]
        self._paths = entries.paths
        self._at = [at for at, path in enumerate(entries.paths) if _matches(path, asked)]
        self._all = len(self._at) == len(entries.paths)
        self._rest = tuple(Elem(name) for name in rest)
        self._modules = (*(elem.name for elem in entries.paths[0]), *rest)
        self._tails = [tuple(leaf.path.split("/")[len(rest) :]) for leaf in self._leaves]

    def __bool__(self) -> bool:
        return bool(self._leaves and self._at)

    def paths(self) -> Iterator[Path]:
        """Of the values, in their order."""
        return ((*self._paths[at], *self._rest) for at in self._at)

    def values(self, tables: Tables) -> list[str]:
        """JSON, one a path of :meth:`paths`."""
        columns = [leaf.read(tables) for leaf in self._leaves]
        if not self._all:
            columns = [[texts[at] for at in self._at] for texts in columns]
        if not any("" in texts for texts in columns):
            whole = template(self._modules, tuple(self._tails))
            return [whole % row for row in zip(*columns, strict=True)]
        return [self._partial(row) for row in zip(*columns, strict=True)]

    def _partial(self, row: Sequence[str]) -> str:
        """An entry without some of its leaves."""
        there = [(tail, text) for tail, text in zip(self._tails, row, strict=True) if text]
        if not there:
            return "null" if self._tails == [()] else "{}"
        tails, texts = zip(*there, strict=True)
        return template(self._modules, tails) % texts


def select(lists: Sequence[Entries], asked: Path) -> Iterator[Selected]:
    """What a path asks of all lists."""
    for entries in lists:
        if not entries.paths:
            continue
        names = [elem.name for elem in entries.paths[0]]
        depth = min(len(names), len(asked))
        if all(one.name in (name, "*") for one, name in zip(asked, names, strict=False)):
            found = Selected(entries, asked[:depth], tuple(one.name for one in asked[depth:]))
            if found:
                yield found


@cache
def template(above: tuple[str, ...], tails: tuple[tuple[str, ...], ...]) -> str:
    """JSON with a ``%s`` for each leaf, in order.

    Args:
        above: names of the elements above the value.
        tails: names below it, one tuple a leaf; leaves of one container follow one another.
    """
    if tails == ((),):
        return "%s"
    return _object(above, tails, top=True)


def _object(above: tuple[str, ...], tails: tuple[tuple[str, ...], ...], *, top: bool) -> str:
    parts = []
    for name in dict.fromkeys(tail[0] for tail in tails):
        below = tuple(tail[1:] for tail in tails if tail[0] == name)
        own = (*above, name)
        changes = top or module_of(own) != module_of(above)
        shown = f"{module_of(own)}:{name}" if changes else name
        parts.append(f'"{shown}":{"%s" if below == ((),) else _object(own, below, top=False)}')
    return "{" + ",".join(parts) + "}"


def module_of(names: tuple[str, ...]) -> str:
    """The module that defines the last of some nested elements."""
    added = (AUGMENTS[name] for name in reversed(names) if name in AUGMENTS)
    return next(added, ROOTS.get(names[0], ""))


def _matches(path: Path, asked: Path) -> bool:
    return all(
        own.keys.get(key) == value or value == "*"
        for own, one in zip(path, asked, strict=False)
        for key, value in one.keys.items()
    )
