"""The operate role on a real Slurm: a job that goes on, a controller that dies, other owners."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import OperateConfig
from fleetops.operate.service import OperateService, load_scheduler
from fleetops_schemas.records import ActionKind, Incident, IntentKind
from fleetops_schemas.topology import Topology
from tests.integration.operate_bench import OperateBench, a_bus
from tests.slurm_testbed import SlurmCluster, slurm_cluster
from tests.unit.operate.builders import an_incident

__all__ = ["slurm_cluster"]

pytestmark = pytest.mark.slurm

CONTROLLER_SAVES_SECONDS = 6.0
"""slurmctld writes its state every 5 s; a kill before that loses what is newer."""


class Line:
    """A bench with the role on the cluster."""

    def __init__(self, folder: Path, cluster: SlurmCluster) -> None:
        options = {"bin_dir": str(cluster.bin_dir), "deadline_seconds": 4.0}
        self.config = OperateConfig.model_validate(
            {
                "mode": "auto",
                "scheduler": "slurm",
                "scheduler_options": options,
                "poll_seconds": 0.2,
                "policy": {"max_drained_ratio": 1.0},
            }
        )
        self.cluster = cluster
        self.bench = OperateBench(a_bus(folder), self.config)
        self.restart()

    def restart(self) -> OperateService:
        """Ends the role, if it runs, and starts it again."""
        for service in self.bench.services:
            service.close()
        scheduler = load_scheduler(self.config, SystemClock())
        return self.bench.serve(scheduler, Topology())

    def blame(self, node: str, ident: str = "inc-1") -> Incident:
        """An incident that blames a node."""
        incident = an_incident(ident, (node,), opened_at=SystemClock().now())
        self.bench.publish(incident)
        return incident

    def shown(self, node: str) -> str:
        """State and reason, as ``scontrol`` shows them."""
        text = self.cluster.command("scontrol", "show", "node", node)
        lines = [line.strip() for line in text.splitlines()]
        return " ".join(line for line in lines if line.startswith(("State=", "Reason=")))


@pytest.fixture
def line(tmp_path: Path, slurm_cluster: SlurmCluster) -> Iterator[Line]:
    for node in slurm_cluster.command("sinfo", "-hN", "-t", "drain", "-o", "%N").split():
        slurm_cluster.command("scontrol", "update", f"NodeName={node}", "State=UNDRAIN")
    idle = ["idle"] * len(slurm_cluster.nodes)  # for a second it shows NOT_RESPONDING: idle*
    wait_for(lambda: slurm_cluster.command("sinfo", "-hN", "-o", "%t").split() == idle)
    line = Line(tmp_path, slurm_cluster)
    yield line
    line.bench.close()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_drain_leaves_the_running_job_alone(line: Line) -> None:
    node = line.cluster.nodes[0]
    job = line.cluster.submit("-w", node, "--exclusive")
    wait_for(lambda: line.cluster.job_state(job) == "RUNNING")
    try:
        line.blame(node)
        line.bench.until(lambda: line.bench.state_of(node) == "done")
        assert "ALLOCATED+DRAIN" in line.shown(node)
        assert "Reason=fleetops:inc-1 GPU 3 fell off the bus" in line.shown(node)
        time.sleep(1.0)
        assert line.cluster.job_state(job) == "RUNNING"
        line.bench.jobs.refresh()
        seen = line.bench.jobs.get(job)
        assert seen is not None
        assert seen.nodes == (node,)
    finally:
        line.cluster.command("scancel", job)
    line.bench.ask(IntentKind.UNDRAIN, "int-1", node)
    line.bench.until(lambda: "DRAIN" not in line.shown(node))
    line.bench.until(lambda: line.bench.state_of(node) == "done")


def test_a_drain_by_somebody_else_stands(line: Line) -> None:
    node = line.cluster.nodes[1]
    line.cluster.command(
        "scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=ops:RMA 4711"
    )
    line.blame(node)
    line.bench.ask(IntentKind.UNDRAIN, "int-1", node)
    line.bench.until(lambda: line.bench.actions.refresh() is None or len(line.bench.actions) == 2)
    line.bench.turn()
    assert {action.state.value for action in line.bench.actions.values()} == {"refused"}
    assert "DRAIN" in line.shown(node)
    assert "Reason=ops:RMA 4711" in line.shown(node)


def test_a_drain_lifted_by_hand_is_respected(line: Line) -> None:
    node = line.cluster.nodes[2]
    line.blame(node)
    line.bench.until(lambda: line.bench.state_of(node) == "done")
    line.cluster.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
    line.bench.until(lambda: "left alone" in line.bench.story())
    line.blame(node, "inc-2")
    line.bench.until(lambda: line.bench.state_of(node) == "refused")
    assert "DRAIN" not in line.shown(node)


def test_a_controller_that_dies_is_waited_for_over_a_restart(line: Line) -> None:
    node = line.cluster.nodes[3]
    line.bench.turn()
    line.cluster.kill_controller()
    try:
        line.blame(node)
        line.bench.until(lambda: "waiting for the scheduler" in line.bench.detail_of(node))
        assert line.bench.state_of(node) == "approved"
        began = time.monotonic()
        line.restart()
        line.bench.turn(5)
        assert time.monotonic() - began < 10
    finally:
        line.cluster.start()
    line.bench.until(lambda: line.bench.state_of(node) == "done")
    assert "IDLE+DRAIN" in line.shown(node)
    action = line.bench.action_of(node)
    assert action is not None
    assert line.bench.history_of(action.id) == ["approved", "approved", "executing", "done"]


def test_a_drain_that_the_controller_lost_is_done_again(line: Line) -> None:
    node = line.cluster.nodes[4]
    line.cluster.command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=ops:x")
    line.cluster.command("scontrol", "update", f"NodeName={node}", "State=UNDRAIN")
    time.sleep(CONTROLLER_SAVES_SECONDS)
    line.blame(node)
    line.bench.until(lambda: line.bench.state_of(node) == "done")
    line.cluster.kill_controller()
    line.cluster.start()
    lost = "DRAIN" not in line.shown(node)  # unless it saved its state in that very instant
    line.bench.until(lambda: "DRAIN" in line.shown(node))
    assert "Reason=fleetops:inc-1" in line.shown(node)
    line.bench.until(lambda: line.bench.state_of(node) == "done")
    assert len(line.bench.actions) == 1 + lost
    kinds = {action.kind for action in line.bench.actions.values()}
    assert kinds == {ActionKind.DRAIN}, "no person lifted anything"
