"""Forward error correction: how close codewords come to being lost."""

from __future__ import annotations

from collections.abc import Mapping

from fleetops_collectors.columns import Raw
from fleetops_schemas.readings import Quality


def tail_of(codewords: Mapping[int, Raw]) -> Raw:
    """The most symbol errors that any codeword had.

    Args:
        codewords: By number of symbol errors, how many codewords had that many.
    """
    counts = {
        errors: count
        for errors, count in codewords.items()
        if not isinstance(count, Quality) and count >= 0
    }
    if not counts:
        return Quality.MISSING
    return max((errors for errors, count in counts.items() if count > 0), default=0)
