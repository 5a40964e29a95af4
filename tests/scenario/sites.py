"""Where a line runs: all embedded, or on real Kafka, ClickHouse's engine and real Slurm."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml
from typing_extensions import override

from tests.clickhouse_testbed import ClickHouseTestbed
from tests.kafka_testbed import KafkaBroker
from tests.line import TestLine, running_line
from tests.slurm_testbed import SlurmCluster

HOSTS = 16
"""Two racks of the demonstration's cluster."""
JOB_HOSTS = HOSTS * 3 // 4
"""The first ones; the emulator's share."""
FLEET = ("--scale", str(HOSTS))
AUDIT = "DebugFlags=AuditRPCs"
"""slurmctld writes down every request, those without effect included."""
JOB_STARTS_SECONDS = 30.0

CLUSTER = pytest.param(
    "cluster", marks=[pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.slurm]
)
"""Parameter of the fixture ``site``."""

Write = tuple[str, str]
"""(drain or undrain, node)."""


class Site(ABC):
    """A place for lines, with a hand on its scheduler past FleetOps."""

    groups: ClassVar[tuple[tuple[str, ...], ...]]
    """Roles by process."""

    @contextmanager
    def line(self, folder: Path, scenario: str, **sections: object) -> Iterator[TestLine]:
        """A line that is ready, its scenario not begun; ``sections`` go into its configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        base = folder / "base.yaml"
        base.write_text(yaml.safe_dump(self._sections() | sections), encoding="utf-8")
        with running_line(
            folder, self.groups, scenario, base, (*FLEET, *self._fleet_options())
        ) as line:
            yield line

    @abstractmethod
    def writes(self, line: TestLine) -> list[Write]:
        """Every drain and undrain that the scheduler was asked for, as it wrote them down."""

    @abstractmethod
    def drain_by_hand(self, line: TestLine, node: str, reason: str) -> None:
        """Drains a node as a person would, past FleetOps."""

    @abstractmethod
    def drain_of(self, line: TestLine, node: str) -> str | None:
        """The reason of a node's drain as the scheduler has it; None while it is in service."""

    @abstractmethod
    def _sections(self) -> dict[str, Any]:
        """Bus, store and scheduler."""

    @abstractmethod
    def _fleet_options(self) -> tuple[str, ...]:
        """Further options of the emulator."""


class EmbeddedSite(Site):
    """What a newcomer runs: the local bus, the embedded store, the emulated scheduler."""

    # the embedded store belongs to one process: whoever kills ingest kills the API too
    groups = (("collect", "alert"), ("ingest", "api"), ("detect",), ("operate",))

    @override
    def writes(self, line: TestLine) -> list[Write]:
        return [(call["verb"], call["node"]) for call in line.truth()["scheduler_calls"]]

    @override
    def drain_by_hand(self, line: TestLine, node: str, reason: str) -> None:
        url = f"{line.endpoints.scheduler_url}/scheduler/nodes/{node}/drain"
        httpx.post(url, json={"reason": reason, "by": "ann"}, timeout=10).raise_for_status()

    @override
    def drain_of(self, line: TestLine, node: str) -> str | None:
        url = f"{line.endpoints.scheduler_url}/scheduler/nodes"
        listed = httpx.get(url, timeout=10).raise_for_status().json()["nodes"]
        (state,) = (one for one in listed if one["node"] == node)
        return str(state["reason"]) if state["drained"] else None

    @override
    def _sections(self) -> dict[str, Any]:
        return {}

    @override
    def _fleet_options(self) -> tuple[str, ...]:
        return ()


class ClusterSite(Site):
    """Real Kafka, ClickHouse's engine behind its native protocol, and a real Slurm."""

    groups = (("collect", "alert"), ("ingest",), ("detect",), ("operate",), ("api",))

    def __init__(
        self, broker: KafkaBroker, clickhouse: ClickHouseTestbed, slurm: SlurmCluster
    ) -> None:
        """Starts the job that holds the nodes of the emulated one."""
        self.slurm = slurm
        self._broker = broker
        self._clickhouse = clickhouse
        held = f"n[0-{JOB_HOSTS - 1}]"
        self._job = slurm.submit(
            *("-w", held, f"--nodes={JOB_HOSTS}", "--exclusive"), command="sleep 3600"
        )
        until = time.monotonic() + JOB_STARTS_SECONDS
        while slurm.job_state(self._job) != "RUNNING":
            assert time.monotonic() < until, f"job {self._job} does not start"
            time.sleep(0.1)
        self._log_begins = len(self._log())

    @override
    def writes(self, line: TestLine) -> list[Write]:
        log = self._log()[self._log_begins :]
        changes = re.findall(r"update_node: node (\S+) state set to (\S+)", log)
        done = [("drain" if "DRAIN" in state else "undrain", node) for node, state in changes]
        asked = log.count("REQUEST_UPDATE_NODE")
        return done + [("without effect", "")] * (asked - len(done))

    @override
    def drain_by_hand(self, line: TestLine, node: str, reason: str) -> None:
        update = (f"NodeName={node}", "State=DRAIN", f"Reason={reason}")
        self.slurm.command("scontrol", "update", *update)

    @override
    def drain_of(self, line: TestLine, node: str) -> str | None:
        shown = self.slurm.command("scontrol", "--oneliner", "show", "node", node)
        found = re.search(r"State=(\S+).* Reason=(.*?) \[", shown)
        return found[2] if found and "DRAIN" in found[1] else None

    @override
    def _sections(self) -> dict[str, Any]:
        return {
            "bus": {"kind": "kafka", "bootstrap_servers": [self._broker.bootstrap]},
            "store": {"kind": "clickhouse", "port": self._clickhouse.port},
            "operate": {
                "scheduler": "slurm",
                "scheduler_options": {"bin_dir": str(self.slurm.bin_dir)},
            },
        }

    @override
    def _fleet_options(self) -> tuple[str, ...]:
        names = f"n[0-{HOSTS - 1}]"
        return ("--scheduler", "external", "--host-names", names, "--first-job-id", self._job)

    def _log(self) -> str:
        return (self.slurm.folder / "log" / "slurmctld.log").read_text("utf-8")
