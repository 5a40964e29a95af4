"""The emulated scheduler's adapter, against a real HTTP server of the same API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from typing_extensions import override

from fleetops.core.clock import SystemClock
from fleetops.core.errors import AmbiguousWriteError, RefusedError, SchedulerUnavailableError
from fleetops.core.plugin import load
from fleetops.operate.schedulers.base import Scheduler
from fleetops.operate.schedulers.emulated import EmulatedConfig, EmulatedScheduler
from tests.contract.scheduler_contract import DEADLINE_SECONDS, SchedulerContract, Site
from tests.scheduler_server import SchedulerServer

TOKEN = "a-token"  # noqa: S105  of a server that lives as long as the test


class EmulatedSite(Site):
    """A server in this process."""

    def __init__(self) -> None:
        self.nodes = tuple(f"node{number:03}" for number in range(1, 7))
        self.server = SchedulerServer(self.nodes, token=TOKEN).start()

    @override
    def adapter(self) -> Scheduler:
        config = EmulatedConfig(
            url=self.server.url, token=SecretStr(TOKEN), deadline_seconds=DEADLINE_SECONDS
        )
        return EmulatedScheduler.create(config, SystemClock())

    @override
    def drain_by_hand(self, node: str, reason: str) -> None:
        assert self.server.drain(node, reason) == 204

    @override
    def undrain_by_hand(self, node: str) -> None:
        assert self.server.undrain(node) == 204

    @override
    def kill(self) -> None:
        self.server.stop()

    @override
    def revive(self) -> None:
        self.server.start()

    @override
    def freeze(self) -> None:
        self.server.frozen.set()

    @override
    def thaw(self) -> None:
        self.server.frozen.clear()


@pytest.fixture(scope="module")
def site() -> Iterator[EmulatedSite]:
    """One server for all tests of this file."""
    site = EmulatedSite()
    yield site
    site.server.stop()


class TestEmulatedScheduler(SchedulerContract):
    """The contract, and what only HTTP can do wrong."""

    def test_is_installed(self) -> None:
        assert load("schedulers", "emulated") is EmulatedScheduler

    def test_a_lost_answer_is_ambiguous(self, site: EmulatedSite, scheduler: Scheduler) -> None:
        site.server.troubles.append("lose_answer")
        with pytest.raises(AmbiguousWriteError):
            scheduler.drain(site.nodes[0], "fleetops:inc-1 x")
        assert scheduler.nodes()[site.nodes[0]].drained

    def test_a_server_error_is_ambiguous(self, site: EmulatedSite, scheduler: Scheduler) -> None:
        site.server.troubles.append("error")
        with pytest.raises(AmbiguousWriteError, match="500"):
            scheduler.drain(site.nodes[0], "fleetops:inc-1 x")

    def test_no_right_is_refused(self, site: EmulatedSite, scheduler: Scheduler) -> None:
        site.server.troubles.append("refuse")
        with pytest.raises(RefusedError, match="no right"):
            scheduler.drain(site.nodes[0], "fleetops:inc-1 x")

    def test_a_wrong_token_reads_nothing(self, site: EmulatedSite) -> None:
        config = EmulatedConfig(url=site.server.url, token=SecretStr("wrong"))
        scheduler = EmulatedScheduler.create(config, SystemClock())
        with pytest.raises(SchedulerUnavailableError, match="401"):
            scheduler.nodes()
        scheduler.close()
