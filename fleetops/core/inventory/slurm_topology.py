"""Slurm's ``topology.conf``: which nodes hang on which leaf switch.

Format: https://slurm.schedmd.com/topology.conf.html (tree and block plug-ins).
"""

from __future__ import annotations

import re

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand
from fleetops.core.inventory.claims import Claims

_PAIR = re.compile(r"(\w+)\s*=\s*(\S+)")


def read_slurm_topology(text: str, claims: Claims) -> None:
    """Takes in the leaf switch (or block) of every node that is named.

    Raises:
        InputError: no line names a switch or a block.
    """
    found = 0
    for number, line in enumerate(_joined(text), 1):
        pairs = {key.lower(): value for key, value in _PAIR.findall(line)}
        name = pairs.get("switchname") or pairs.get("blockname")
        if name is None:
            if line and "blocksizes" not in pairs:
                claims.problems.append(f"line {number}: names no switch: {line[:60]!r}; left out")
            continue
        found += 1
        if "nodes" not in pairs:
            continue  # a spine: what hangs on it are switches
        try:
            nodes = expand(pairs["nodes"])
        except InputError as error:
            claims.problems.append(f"line {number}: {name}: {error}")
            continue
        for node in nodes:
            claims.say(node, {"leaf_switch": name})
    if not found:
        raise InputError("no line with SwitchName= or BlockName=; is it Slurm's topology.conf?")


def _joined(text: str) -> list[str]:
    """Lines without comments; one that ends in a backslash goes on in the next."""
    whole = re.sub(r"\\\r?\n", " ", text)
    return [line.split("#", 1)[0].strip() for line in whole.splitlines()]
