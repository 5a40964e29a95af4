"""FEC counters and modules: read now and then, for a module answers over a slow bus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fleetops.core.clock import Clock
from fleetops_collectors.blocking import BlockingReads
from fleetops_collectors.ethernet.command import Ethtool
from fleetops_collectors.ethernet.interfaces import Interface
from fleetops_collectors.ethernet.outputs import Output

ASKING_SHARE = 0.5
"""Of the deadline; no question begins after it."""
WAITING_SHARE = 0.8
"""Of the deadline; after it the round goes on without an answer."""


class Inspection:
    """Adds what the ``ethtool`` command says to the interfaces that are due."""

    def __init__(
        self, ethtool: Ethtool, clock: Clock, *, interval_seconds: float, deadline_seconds: float
    ) -> None:
        """``interval_seconds`` is between two inspections of an interface; 0 is never."""
        self._ethtool = ethtool
        self._clock = clock
        self._interval = interval_seconds
        self._deadline = deadline_seconds
        self._reads = BlockingReads("ethtool")
        self._done_at: dict[str, dict[str, float]] = {}
        """By target and interface."""

    async def add(
        self, target: str, interfaces: list[Interface], problems: list[str]
    ) -> list[Interface]:
        """The interfaces, those that are due with FEC counters and module.

        What does not fit into the round is due in the next.
        """
        begun = self._clock.monotonic()
        due = self._due(target, interfaces, begun)
        if not due:
            return interfaces
        if not self._ethtool.is_installed():
            self._done_at[target].update(dict.fromkeys(due, begun))
            problems.append(
                "no ethtool command, so no FEC counters and modules; install it, or set "
                "optics_interval_seconds to 0"
            )
            return interfaces
        try:
            async with asyncio.timeout(self._deadline * WAITING_SHARE):
                said, wrong = await self._reads.run(target, lambda: self._ask(due, begun))
        except TimeoutError:
            problems.append("ethtool hangs in the kernel; no FEC counters and modules")
            return interfaces
        problems += wrong
        self._done_at[target].update(dict.fromkeys(said, begun))
        return [_inspected(one, said.get(one.name)) for one in interfaces]

    def _due(self, target: str, interfaces: Sequence[Interface], now: float) -> list[str]:
        if not self._interval:
            return []
        before = self._done_at.get(target, {})
        done = {one.name: before[one.name] for one in interfaces if one.name in before}
        self._done_at[target] = done
        return [
            one.name
            for one in interfaces
            if one.name not in done or now - done[one.name] >= self._interval
        ]

    def _ask(self, names: Sequence[str], begun: float) -> tuple[dict[str, Output], list[str]]:
        said, problems = {}, []
        for name in names:
            said[name], wrong = self._ethtool.ask(name)
            problems += wrong
            if self._clock.monotonic() - begun > self._deadline * ASKING_SHARE:
                break
        return said, problems


def _inspected(one: Interface, output: Output | None) -> Interface:
    if output is None:
        return one
    counters = {**output.statistics, **one.statistics}
    return replace(one, statistics=counters, module=output.module)
