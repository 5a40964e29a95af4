"""YAML inventory: hosts by hostlist, with defaults, and parts by device.

defaults: {site: dc1, platform: grand_teton}
hosts:
node[001-016]: {rack: r01, coolant_loop: cdu1, power_shelf: r01/shelf1, leaf_switch: leaf1}
devices:
node001/gpu0: {serial: "1654923041234"}
"""

from __future__ import annotations

from typing import Any

import yaml

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand
from fleetops.core.inventory.claims import NUMBERS, PLACES, Claims
from fleetops_schemas.identity import PART_FIELDS

_HOST_FIELDS = frozenset((*PLACES, *NUMBERS))
_SECTIONS = frozenset({"defaults", "hosts", "devices"})


def read_yaml(text: str, claims: Claims) -> None:
    """Takes in what the text says.

    Raises:
        InputError: it is no such YAML at all.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not _SECTIONS & data.keys():
        raise InputError("must be a mapping with `hosts:` (and `defaults:`, `devices:`)")
    claims.problems += [f"{key}: unknown section; left out" for key in data.keys() - _SECTIONS]
    defaults = _words(data.get("defaults") or {}, "defaults", _HOST_FIELDS, claims)
    for name, said in _items(data, "hosts", claims):
        try:
            hosts = expand(name)
        except InputError as error:
            claims.problems.append(f"hosts: {error}")
            continue
        words = _words(said or {}, f"hosts.{name}", _HOST_FIELDS, claims)
        for host in hosts:
            claims.say(host, {**defaults, **words})
    for name, said in _items(data, "devices", claims):
        claims.name(name, _words(said or {}, f"devices.{name}", frozenset(PART_FIELDS), claims))


def _items(data: dict[Any, Any], section: str, claims: Claims) -> list[tuple[str, Any]]:
    found = data.get(section) or {}
    if isinstance(found, dict):
        return [(str(name), said) for name, said in found.items()]
    claims.problems.append(f"{section}: must be a mapping by name; left out")
    return []


def _words(said: object, place: str, known: frozenset[str], claims: Claims) -> dict[str, str]:
    if not isinstance(said, dict):
        claims.problems.append(f"{place}: must be a mapping such as {{rack: r01}}; left out")
        return {}
    unknown = sorted(str(key) for key in said if key not in known)
    if unknown:
        there = ", ".join(sorted(known))
        claims.problems.append(f"{place}: unknown: {', '.join(unknown)}; there are: {there}")
    return {
        key: str(value)
        for key, value in said.items()
        if key in known and isinstance(value, str | int) and not isinstance(value, bool)
    }
