"""What every scheduler adapter must do; a subclass brings a real scheduler and its controls."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleetops.core.errors import (
    AmbiguousWriteError,
    NotFoundError,
    RefusedError,
    SchedulerUnavailableError,
)
from fleetops.operate.ownership import Owner, owner_of
from fleetops.operate.schedulers.base import Scheduler

DEADLINE_SECONDS = 3.0
SLACK_SECONDS = 2.0
"""What a loaded machine may add to a deadline."""


class Site(ABC):
    """A scheduler that runs, with what tests do to it from outside."""

    nodes: tuple[str, ...]
    """At least four, idle and in service when a test begins."""

    @abstractmethod
    def adapter(self) -> Scheduler:
        """A new adapter with :data:`DEADLINE_SECONDS`."""

    @abstractmethod
    def drain_by_hand(self, node: str, reason: str) -> None:
        """Drains as a person would, past the adapter."""

    @abstractmethod
    def undrain_by_hand(self, node: str) -> None:
        """Lifts a drain as a person would."""

    @abstractmethod
    def kill(self) -> None:
        """Ends the scheduler at once."""

    @abstractmethod
    def revive(self) -> None:
        """Starts it again with its state."""

    @abstractmethod
    def freeze(self) -> None:
        """Makes it hold every request without an answer."""

    @abstractmethod
    def thaw(self) -> None:
        """Lets it go on."""

    def reset(self) -> None:
        """Everything in service."""
        scheduler = self.adapter()
        for node, state in scheduler.nodes().items():
            if state.drained:
                self.undrain_by_hand(node)
        scheduler.close()


class SchedulerContract:
    """Inherit, and provide the fixture ``site``."""

    @pytest.fixture
    def scheduler(self, site: Site) -> Iterator[Scheduler]:
        site.reset()
        adapter = site.adapter()
        yield adapter
        adapter.close()
        adapter.close()

    def test_is_a_scheduler(self, scheduler: Scheduler) -> None:
        assert isinstance(scheduler, Scheduler)
        scheduler.ping()

    def test_nodes_are_whole(self, site: Site, scheduler: Scheduler) -> None:
        nodes = scheduler.nodes()
        assert set(site.nodes) <= set(nodes)
        for name, state in nodes.items():
            assert state.node == name
            assert state.states
            assert all(flag == flag.upper() for flag in state.states)
            assert not state.drained
            assert state.observed_at.tzinfo is not None

    def test_nodes_by_name_leave_unknown_ones_out(self, site: Site, scheduler: Scheduler) -> None:
        wanted = site.nodes[1]
        assert set(scheduler.nodes({wanted, "nope"})) == {wanted}
        assert scheduler.nodes({"nope"}) == {}
        assert scheduler.nodes(set()) == {}

    def test_drain_is_seen_and_again_is_the_same(self, site: Site, scheduler: Scheduler) -> None:
        node, other = site.nodes[:2]
        scheduler.drain(node, "fleetops:inc-1 GPU 3 fell off the bus")
        first = scheduler.nodes({node})[node]
        assert first.drained
        assert first.reason == "fleetops:inc-1 GPU 3 fell off the bus"
        assert first.reason_by
        assert first.reason_at is not None
        assert owner_of(first, "fleetops") is Owner.FLEETOPS
        scheduler.drain(node, "fleetops:inc-1 GPU 3 fell off the bus")
        second = scheduler.nodes({node})[node]
        assert (second.drained, second.reason) == (True, first.reason)
        assert not scheduler.nodes({other})[other].drained

    def test_undrain_is_seen(self, site: Site, scheduler: Scheduler) -> None:
        node = site.nodes[0]
        scheduler.drain(node, "fleetops:inc-2 x")
        scheduler.undrain(node)
        state = scheduler.nodes({node})[node]
        assert not state.drained
        assert owner_of(state, "fleetops") is Owner.NOBODY

    def test_undrain_of_an_undrained_node_is_refused(
        self, site: Site, scheduler: Scheduler
    ) -> None:
        with pytest.raises(RefusedError, match="not drained"):
            scheduler.undrain(site.nodes[0])

    @pytest.mark.parametrize("name", ["nope", "ALL", "n[0-3]", "a,b", "x y", "-f", "../x", ""])
    def test_only_one_known_node_is_ever_touched(self, scheduler: Scheduler, name: str) -> None:
        with pytest.raises(NotFoundError):
            scheduler.drain(name, "fleetops:inc-3 x")
        with pytest.raises(NotFoundError):
            scheduler.undrain(name)
        assert not any(state.drained for state in scheduler.nodes().values())

    def test_a_drain_needs_a_reason(self, site: Site, scheduler: Scheduler) -> None:
        with pytest.raises(RefusedError, match="reason"):
            scheduler.drain(site.nodes[0], " \n ")

    def test_a_reason_is_one_bounded_line(self, site: Site, scheduler: Scheduler) -> None:
        node = site.nodes[0]
        scheduler.drain(node, 'fleetops:inc-4 a "quoted"\nline State=DOWN \x00' + "x" * 1000)
        state = scheduler.nodes({node})[node]
        assert state.reason.startswith("fleetops:inc-4 a 'quoted' line State=DOWN xxx")
        assert len(state.reason) <= 256
        assert "DOWN" not in state.states

    def test_a_lifted_drain_leaves_its_reason_or_not(
        self, site: Site, scheduler: Scheduler
    ) -> None:
        node = site.nodes[1]
        scheduler.drain(node, "fleetops:inc-9 x")
        site.undrain_by_hand(node)
        reason = scheduler.nodes({node})[node].reason
        assert (reason == "fleetops:inc-9 x") == scheduler.keeps_reason

    def test_a_foreign_reason_is_shown_as_it_stands(self, site: Site, scheduler: Scheduler) -> None:
        node = site.nodes[2]
        site.drain_by_hand(node, "ops: RMA 4711")
        state = scheduler.nodes({node})[node]
        assert (state.drained, state.reason) == (True, "ops: RMA 4711")
        assert owner_of(state, "fleetops") is Owner.OTHER

    def test_away_is_said_in_time(self, site: Site, scheduler: Scheduler) -> None:
        site.kill()
        try:
            calls = (
                scheduler.ping,
                scheduler.nodes,
                scheduler.jobs,
                lambda: scheduler.drain(site.nodes[0], "fleetops:inc-5 x"),
                lambda: scheduler.undrain(site.nodes[0]),
            )
            for call in calls:
                began = time.monotonic()
                with pytest.raises(SchedulerUnavailableError):
                    call()
                assert time.monotonic() - began < DEADLINE_SECONDS + SLACK_SECONDS
        finally:
            site.revive()
        assert set(site.nodes) <= set(scheduler.nodes())

    def test_hanging_is_bounded_and_nothing_is_claimed(
        self, site: Site, scheduler: Scheduler
    ) -> None:
        site.freeze()
        try:
            for call in (
                scheduler.nodes,
                lambda: scheduler.drain(site.nodes[0], "fleetops:inc-6 x"),
            ):
                began = time.monotonic()
                with pytest.raises(SchedulerUnavailableError):
                    call()
                assert time.monotonic() - began < DEADLINE_SECONDS + SLACK_SECONDS
        finally:
            site.thaw()
        assert not scheduler.nodes()[site.nodes[0]].drained

    def test_a_kill_in_the_middle_is_unavailable_or_ambiguous(
        self, site: Site, scheduler: Scheduler
    ) -> None:
        stop = threading.Event()
        node = site.nodes[3]

        def kill() -> None:
            site.kill()
            stop.set()

        timer = threading.Timer(0.5, kill)
        timer.start()
        try:
            with pytest.raises((SchedulerUnavailableError, AmbiguousWriteError)):  # noqa: PT012
                while True:
                    scheduler.drain(node, "fleetops:inc-7 x")
        finally:
            timer.join()
            site.revive()
        assert stop.is_set()
        scheduler.drain(node, "fleetops:inc-7 x")
        assert scheduler.nodes()[node].drained

    def test_many_threads(self, site: Site, scheduler: Scheduler) -> None:
        def work(node: str) -> bool:
            scheduler.drain(node, f"fleetops:inc-8 {node}")
            drained = scheduler.nodes({node})[node]
            scheduler.jobs()
            scheduler.undrain(node)
            return drained.drained and drained.reason == f"fleetops:inc-8 {node}"

        with ThreadPoolExecutor(len(site.nodes)) as pool:
            assert all(pool.map(work, site.nodes))
        assert not any(state.drained for state in scheduler.nodes().values())
