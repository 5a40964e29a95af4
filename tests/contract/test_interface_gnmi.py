"""The contract of interfaces, kept by the gNMI servers of switches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from typing_extensions import override

from fleetops.core.clock import Clock
from fleetops.emulator.interfaces.gnmi import GnmiInterface
from tests.contract.interface_contract import Cell, Stand, Strike
from tests.contract.switch_contract import SwitchContract

T = TypeVar("T")
ARRIVAL_SECONDS = 20.0
"""More than a collector's first pauses after its subscription broke."""


class Told(Stand):
    """A switch tells when it likes: a reader waits until it has what the tables have."""

    @override
    async def read(self) -> dict[Cell, float]:
        end = time.monotonic() + ARRIVAL_SECONDS
        while True:
            found = await super().read()
            try:
                self.check(found, self.expected())
            except AssertionError:
                if time.monotonic() > end:
                    return found
            else:
                return found
            await asyncio.sleep(0.02)


class OverGnmi(SwitchContract):
    interface_class = GnmiInterface

    @override
    @pytest.fixture
    def use(self, tmp_path: Path, clock: Clock) -> Callable[[Callable[[Stand], Awaitable[T]]], T]:
        def run(act: Callable[[Stand], Awaitable[T]]) -> T:
            async def session() -> T:
                made = Told(self.cluster, self.hosts)
                async with made.served(self.interface_class, tmp_path, clock) as stand:
                    return await act(stand)

            return asyncio.run(session())

        return run


class TestGnmiInterface(OverGnmi):
    """Spines with pluggable modules."""

    hosts = 4
    gone = Strike("switch_down", 2)


class TestGnmiInterfaceOfCoPackagedOptics(OverGnmi):
    """Spines whose light comes from external lasers."""

    cluster = "unified_2025"
    gone = Strike("switch_down", 1)
