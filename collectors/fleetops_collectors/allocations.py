"""What jobs hold, folded: equal holdings of successive nodes are one record.

A job of thousands of nodes is one message on the bus, so it must not say the same of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fleetops.core.hostlist import fold
from fleetops_schemas.records import Allocation

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Share(NamedTuple):
    """What a job holds of one node."""

    node: str
    accelerators: tuple[int, ...] = ()
    accelerator_count: int | None = None
    tasks: int | None = None
    first_rank: int | None = None


def allocations(shares: Iterable[Share]) -> tuple[Allocation, ...]:
    """The shares, in their order, as few records as possible."""
    return tuple(
        Allocation(
            nodes=_folded([share.node for share in run]),
            accelerators=run[0].accelerators,
            accelerator_count=run[0].accelerator_count,
            tasks=run[0].tasks,
            first_rank=run[0].first_rank,
        )
        for run in _runs(shares)
    )


def _folded(names: list[str]) -> str:
    """The hostlist of the names; one by one where a name could not stand in a hostlist."""
    return fold(names) if all(map(_NAME.fullmatch, names)) else ",".join(names)


def _runs(shares: Iterable[Share]) -> Iterator[list[Share]]:
    """Successive shares that differ in their node alone, with ranks that count on.

    Names must sort as they come, since a hostlist says nothing of their order.
    """
    run: list[Share] = []
    for share in shares:
        if run and share[1:4] == run[0][1:4] and _follows(run, share):
            run.append(share)
        else:
            if run:
                yield run
            run = [share]
    if run:
        yield run


def _follows(run: list[Share], share: Share) -> bool:
    first, tasks = run[0].first_rank, share.tasks
    if first is None or tasks is None:
        return share.first_rank is None and first is None
    before = run[-1].node
    in_order = (len(before), before) < (len(share.node), share.node)
    return in_order and share.first_rank == first + len(run) * tasks
