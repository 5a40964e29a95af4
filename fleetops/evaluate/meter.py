"""CPU time of pieces of work, for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict


class Rate(BaseModel):
    """Pieces of work a second of CPU time of this process, beside a baseline's."""

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    """What is counted."""
    count: int
    cpu_seconds: float
    per_second_per_core: float
    baseline: str
    """What one writes first, on the same data in the same run."""
    baseline_per_second_per_core: float
    ratio_to_baseline: float
    published: str
    """Somebody else's figure, with its source; measured elsewhere, so a scale and no race."""


Counted = tuple[int, float]
"""Pieces of work, and the CPU seconds they took."""


def repeat(work: Callable[[], int], seconds: float) -> Counted:
    """Does the work, which says how many pieces it was, until it took so many CPU seconds."""
    work()  # once for what is kept from then on
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        count += work()
    return count, spent


async def repeat_async(work: Callable[[], Awaitable[int]], seconds: float) -> Counted:
    """As :func:`repeat`, for work that waits; the waiting is not counted."""
    await work()
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        count += await work()
    return count, spent


def rate(name: str, unit: str, ours: Counted, baseline: str, base: Counted, published: str) -> Rate:
    """Two counts as one figure."""
    own, other = ours[0] / ours[1], base[0] / base[1]
    return Rate(
        name=name,
        unit=unit,
        count=ours[0],
        cpu_seconds=ours[1],
        per_second_per_core=own,
        baseline=baseline,
        baseline_per_second_per_core=other,
        ratio_to_baseline=own / other,
        published=published,
    )
