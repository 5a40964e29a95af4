"""Slurm's adapter, against a real cluster."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops.core.clock import SystemClock
from fleetops.core.errors import AmbiguousWriteError, SchedulerUnavailableError
from fleetops.core.plugin import load
from fleetops.operate.schedulers.base import Scheduler
from fleetops.operate.schedulers.slurm import SlurmConfig, SlurmScheduler
from tests.contract.scheduler_contract import DEADLINE_SECONDS, SchedulerContract, Site
from tests.slurm_testbed import SlurmCluster, slurm_cluster

__all__ = ["slurm_cluster"]

pytestmark = pytest.mark.slurm


class SlurmSite(Site):
    """A cluster on loopback."""

    def __init__(self, cluster: SlurmCluster) -> None:
        self.cluster = cluster
        self.nodes = cluster.nodes

    @override
    def adapter(self) -> Scheduler:
        config = SlurmConfig(bin_dir=self.cluster.bin_dir, deadline_seconds=DEADLINE_SECONDS)
        return SlurmScheduler.create(config, SystemClock())

    @override
    def drain_by_hand(self, node: str, reason: str) -> None:
        self.cluster.command(
            "scontrol", "update", f"NodeName={node}", "State=DRAIN", f"Reason={reason}"
        )

    @override
    def undrain_by_hand(self, node: str) -> None:
        self.cluster.command("scontrol", "update", f"NodeName={node}", "State=UNDRAIN")

    @override
    def kill(self) -> None:
        self.cluster.kill_controller()

    @override
    def revive(self) -> None:
        self.cluster.start()

    @override
    def freeze(self) -> None:
        self.cluster.controller(signal.SIGSTOP)

    @override
    def thaw(self) -> None:
        self.cluster.controller(signal.SIGCONT)


@pytest.fixture(scope="module")
def site(slurm_cluster: SlurmCluster) -> SlurmSite:
    """The session's cluster."""
    return SlurmSite(slurm_cluster)


class TestSlurmScheduler(SchedulerContract):
    """The contract, and what only Slurm does."""

    def test_is_installed(self) -> None:
        assert load("schedulers", "slurm") is SlurmScheduler

    def test_a_running_job_goes_on_under_a_drain(
        self, site: SlurmSite, scheduler: Scheduler
    ) -> None:
        node = site.nodes[0]
        job = site.cluster.submit("-w", node, "--exclusive")
        wait_for(lambda: site.cluster.job_state(job) == "RUNNING")
        try:
            state = scheduler.nodes({node})[node]
            assert (state.busy, state.jobs, state.partition) == (True, (job,), "train")
            listed = {found.id: found for found in scheduler.jobs()}
            assert listed[job].state == "RUNNING"
            assert listed[job].nodes == (node,)
            assert listed[job].started_at is not None
            scheduler.drain(node, "fleetops:inc-1 hot")
            state = scheduler.nodes({node})[node]
            assert state.drained
            assert state.busy
            waiting = site.cluster.submit("-w", node)
            time.sleep(1.5)
            assert site.cluster.job_state(job) == "RUNNING"
            listed = {found.id: found for found in scheduler.jobs()}
            assert (listed[waiting].state, listed[waiting].nodes) == ("PENDING", ())
            site.cluster.command("scancel", waiting)
        finally:
            site.cluster.command("scancel", job)
        wait_for(lambda: not scheduler.nodes({node})[node].busy)
        assert scheduler.nodes({node})[node].drained

    def test_the_drain_of_a_node_that_is_down_is_lifted_alone(
        self, site: SlurmSite, scheduler: Scheduler
    ) -> None:
        node = site.nodes[1]
        scheduler.drain(node, "fleetops:inc-2 x")
        site.cluster.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=ops:b")
        try:
            scheduler.undrain(node)
            state = scheduler.nodes({node})[node]
            assert not state.drained
            assert "DOWN" in state.states
        finally:
            site.cluster.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
        wait_for(lambda: "IDLE" in scheduler.nodes({node})[node].states)

    def test_a_hanging_controller_may_still_carry_it_out(
        self, site: SlurmSite, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = site.nodes[2]
        # Only what comes before the write still passes: the controller stops right after it.
        monkeypatch.setattr(scheduler, "_ping", lambda _deadline: None)
        raw = scheduler._raw_nodes({node}, time.monotonic() + 5)  # type: ignore[attr-defined]
        monkeypatch.setattr(scheduler, "_raw_nodes", lambda *_: raw)
        site.freeze()
        try:
            with pytest.raises(AmbiguousWriteError):
                scheduler.drain(node, "fleetops:inc-3 late")
        finally:
            site.thaw()
            monkeypatch.undo()
        wait_for(lambda: scheduler.nodes({node})[node].reason == "fleetops:inc-3 late")

    def test_a_command_leaves_no_process_behind(self, site: SlurmSite) -> None:
        config = SlurmConfig(bin_dir=site.cluster.bin_dir, deadline_seconds=0.5)
        scheduler = SlurmScheduler.create(config, SystemClock())
        site.freeze()
        try:
            with pytest.raises(SchedulerUnavailableError):
                scheduler.ping()
            marker = f"{site.cluster.folder}/bin/scontrol"
            listed = subprocess.run(
                ["ps", "-eo", "args"], capture_output=True, text=True, check=True
            )
            assert marker not in listed.stdout
        finally:
            site.thaw()

    def test_missing_commands_are_named(self, tmp_path: Path) -> None:
        scheduler = SlurmScheduler.create(SlurmConfig(bin_dir=tmp_path), SystemClock())
        with pytest.raises(SchedulerUnavailableError, match="bin_dir"):
            scheduler.ping()


def wait_for(condition: object, seconds: float = 15.0) -> None:
    """Waits until the condition holds."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.1)
