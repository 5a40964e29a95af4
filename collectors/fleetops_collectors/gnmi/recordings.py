"""Messages in files, in the shapes that gNMI tools write.

- ``gnmic --format json`` (Subscribe and Get), ``event`` and ``flat``, and ``protojson``;
- dictionaries of pygnmi (``{"update": {"update": [{"path": ..., "val": ...}]}}``);
- ``SubscribeResponse``, ``GetResponse`` and ``Notification`` in protobuf's own JSON;
- the data alone, as RFC 7951 writes it (``gnmic get --values-only``, RESTCONF, a dump of a tree).

What somebody wrapped around any of these is gone through.

Shapes: openconfig/gnmic, pkg/formatters; akarneliuk/pygnmi, client.py; gnmi.proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.gnmi.notifications import Notification, time_of
from fleetops_collectors.gnmi.paths import Elem, Path, parse_path, without_module
from fleetops_collectors.gnmi.values import KEY_LEAVES, typed_value
from fleetops_collectors.json_input import parse_documents

_MAX_DEPTH = 4
"""How deep messages stand in lists and in what is wrapped around them."""
_VALUES = frozenset({"val", "value", "values"})
"""Names that tools have for what an update says."""
_TREES: dict[str, Path] = {
    **{"interfaces": (), "components": (), "qos": ()},
    **{"interface": (Elem("interfaces"),), "component": (Elem("components"),)},
}
"""Where the data alone may begin, and what stands above: a reply to a list begins with it."""
_DATASTORE = re.compile(r"(?i)oc[-_]yang|\w+_db|others|events")
"""Targets of SONiC that name where the data is kept, not whose it is."""
_POLLED = re.compile(rb"(?m)^received sync response .*$")
"""What gnmic writes between messages where it polls."""
_POSITION = re.compile(r"(.+)\.(\d{1,6})")
"""gnmic flattens lists into ``channel.0``."""


def notifications_of(data: bytes, where: str) -> Iterator[Notification]:
    """The messages in a recording, in order.

    Raises:
        InputError: it is neither JSON nor lines of ``path: value``.
    """
    try:
        documents = parse_documents(_POLLED.sub(b"", data), where)
    except InputError:
        flat = _flat_lines(data)
        if flat is None:
            raise
        documents = [flat]
    for document in documents:
        yield from _messages(document)


def _messages(document: object, depth: int = _MAX_DEPTH) -> Iterator[Notification]:
    if isinstance(document, Mapping):
        message = _message(document)
        if message is not None:
            yield message
            return
        document = list(document.values())
    if isinstance(document, list) and depth:
        for one in document:
            yield from _messages(one, depth - 1)


def _message(document: Mapping[str, Any]) -> Notification | None:
    """A message, known by its shape, since the tools' documents carry no type."""
    if isinstance(document.get("values"), Mapping) or "tags" in document:
        return _event(document)
    if isinstance(document.get("update"), Mapping):
        return _notification(document["update"])
    lists = (document.get(name) for name in ("update", "updates", "deletes", "delete"))
    if any(isinstance(one, list) for one in lists):
        return _notification(document)
    if document and all(name.startswith("/") or ":/" in name for name in document):
        updates = [(parse_path(name), value) for name, value in document.items()]
        return Notification(None, updates, [])
    if "path" in document and document.keys() & _VALUES:
        return _notification({**document, "update": [document]})
    return _tree(document)


def _tree(document: Mapping[str, Any]) -> Notification | None:
    """Data without paths; None where it is none of what is read."""
    named = [(without_module(name), value) for name, value in document.items()]
    updates: list[tuple[Path, object]] = [
        ((*_TREES[name], Elem(name)), value)
        for name, value in named
        if name in _TREES and isinstance(value, (Mapping, list))
    ]
    return Notification(None, updates, []) if updates else None


def _notification(message: Mapping[str, Any]) -> Notification:
    prefix = _path(message.get("prefix"))
    updates = []
    for update in (*_list(message.get("update")), *_list(message.get("updates"))):
        if isinstance(update, Mapping):
            path = _path(update.get("path", update.get("Path")))
            updates.append(((*prefix, *path), _value(update)))
    deletes = [
        (*prefix, *_path(one.get("path", one) if isinstance(one, Mapping) else one))
        for one in (*_list(message.get("delete")), *_list(message.get("deletes")))
    ]
    return Notification(
        time_of(message.get("timestamp")),
        updates,
        deletes,
        prefix if message.get("atomic") is True else None,
        _source(message),
    )


def _source(message: Mapping[str, Any]) -> str:
    """Whom gnmic asked, or the target's own name for itself; without its port."""
    prefix = message.get("prefix")
    named = [message.get(name) for name in ("system-name", "target", "source")]
    named += [prefix.get("target")] if isinstance(prefix, Mapping) else []
    names = (name for name in named if isinstance(name, str) and name)
    return next((_without_port(name) for name in names if not _DATASTORE.fullmatch(name)), "")


def _without_port(address: str) -> str:
    return re.sub(r":\d+$", "", address).strip("[]")


def _value(update: Mapping[str, Any]) -> object:
    """Pygnmi and protobuf say ``val``; gnmic's JSON ``values`` with one entry."""
    if "val" in update:
        return typed_value(update["val"])
    values = update.get("values")
    if isinstance(values, Mapping) and len(values) == 1:
        return next(iter(values.values()))
    return typed_value(update.get("value"))


def _path(path: object) -> Path:
    """A path as text, or as protobuf's elements (``element`` in old versions)."""
    if isinstance(path, str):
        return parse_path(path)
    if not isinstance(path, Mapping):
        return ()
    elems = [_elem(one) for one in _list(path.get("elem")) if isinstance(one, Mapping)]
    old = [one for one in _list(path.get("element")) if isinstance(one, str)]
    return tuple(elems) or parse_path("/".join(old))


def _elem(elem: Mapping[str, Any]) -> Elem:
    keys = elem.get("key")
    found = keys.items() if isinstance(keys, Mapping) else ()
    named = tuple(sorted((without_module(key), str(value)) for key, value in found))
    return Elem(without_module(str(elem.get("name", ""))), named)


def _event(event: Mapping[str, Any]) -> Notification:
    """Gnmic's event: names without keys, and the keys beside them as ``interface_name``.

    Programs that write events like gnmic's leave the keys where they are.
    """
    tags = event.get("tags")
    tags = tags if isinstance(tags, Mapping) else {}
    keys: dict[str, list[tuple[str, str]]] = {}
    for tag, value in tags.items():
        name, _, key = tag.rpartition(":")[2].partition("_")
        if key and isinstance(value, str):
            keys.setdefault(name, []).append((key, value))
    values = event.get("values")
    values = values if isinstance(values, Mapping) else {}
    split = {name: _positions(name) for name in values}
    places = _places(split, values)
    updates = []
    lists: dict[Path, list[object]] = {}
    for name, parts in split.items():
        path = _keyed(parts, keys, places)
        if parts and parts[-1][1] is not None:
            lists.setdefault((*path[:-1], parts[-1][0]), []).append(values[name])
        else:
            updates.append((path, values[name]))
    deletes = [parse_path(one) for one in _list(event.get("deletes")) if isinstance(one, str)]
    return Notification(
        time_of(event.get("timestamp")), [*updates, *lists.items()], deletes, None, _source(tags)
    )


_Parts = tuple[tuple[Elem, int | None], ...]
"""Elements of a flattened path, each with its position in a list or None."""


def _positions(name: str) -> _Parts:
    found = []
    for elem in parse_path(name):
        match = _POSITION.fullmatch(elem.name)
        found.append((Elem(match[1]), int(match[2])) if match else (elem, None))
    return tuple(found)


def _places(
    split: Mapping[str, _Parts], values: Mapping[str, Any]
) -> dict[_Parts, tuple[str, str]]:
    """By list entry: its key, told by the key leaf inside of it."""
    found: dict[_Parts, tuple[str, str]] = {}
    for name, parts in split.items():
        leaf = parts[-1][0].name if parts else ""
        if leaf not in KEY_LEAVES or not isinstance(values[name], (str, int, float)):
            continue
        entry = parts[:-1]
        if entry and entry[-1][0].name in ("state", "config"):
            entry = entry[:-1]
        if entry and entry[-1][1] is not None:
            value = values[name]
            text = f"{value:.0f}" if isinstance(value, float) else str(value)
            found.setdefault(entry, (leaf, text))
    return found


def _keyed(
    parts: _Parts,
    keys: Mapping[str, list[tuple[str, str]]],
    places: Mapping[_Parts, tuple[str, str]],
) -> Path:
    path = []
    for at, (elem, position) in enumerate(parts):
        if position is not None:
            key = places.get(parts[: at + 1], ("", str(position)))
            path.append(Elem(elem.name, (key,)))
        else:
            path.append(Elem(elem.name, elem.keys or tuple(sorted(keys.get(elem.name, ())))))
    return tuple(path)


def _flat_lines(data: bytes) -> dict[str, object] | None:
    """``path: value`` lines of ``gnmic --format flat``; None where there is none."""
    found: dict[str, object] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        name, separator, value = line.partition(": ")
        if separator and "/" in name and " " not in name.split("[", 1)[0]:
            found["/" + name.strip().lstrip("/") if ":/" not in name else name] = value.strip()
    return found or None


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
