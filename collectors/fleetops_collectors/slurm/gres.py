"""Generic resources in Slurm's spelling: ``gpu:h100:3(IDX:0,2-3)``, ``gres/gpu:8``."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_ACCELERATORS = 1024
"""Of one node; a larger number is a mistake."""
_ITEM = re.compile(r"(?:gres[/:])?(?P<name>[^:=(,\s]+)(?P<rest>[^(,]*)(?:\((?P<detail>[^)]*)\))?")
_COUNT = re.compile(r"[:=](\d+)$")


class Accelerators(NamedTuple):
    """Accelerators of one node: how many, and which where that is said."""

    total: int | None
    indices: tuple[int, ...] = ()


def accelerators(text: str) -> Accelerators | None:
    """The ``gpu`` items of a list of resources, together; None where there is none."""
    count, indices, found = 0, set[int](), False
    for item in _ITEM.finditer(text):
        if item["name"] != "gpu":
            continue
        found = True
        said = _COUNT.search(item["rest"])
        which = _indices(item["detail"] or "")
        indices |= which
        count += int(said[1][:9]) if said else len(which) or 1
    if not found:
        return None
    return Accelerators(count if count <= MAX_ACCELERATORS else None, tuple(sorted(indices)))


def _indices(detail: str) -> set[int]:
    """``IDX:0,2-3``; ``N/A`` is none, and ``S:0-1`` names sockets."""
    kind, colon, ranges = detail.rpartition(":")
    if colon and kind != "IDX":
        return set()
    found: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            low, high = int(first[:9]), int((last or first)[:9])
            found.update(range(low, min(high + 1, MAX_ACCELERATORS)))
    return found
