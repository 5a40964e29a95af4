"""The operate role as a process of its own, for tests that kill it: FOLDER URL."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from fleetops.core.clock import SystemClock
from fleetops.core.config import OperateConfig
from fleetops.core.service import run
from fleetops.operate.service import OperateService
from fleetops_schemas.topology import Topology
from tests.integration.operate_bench import a_bus, http_scheduler

CONFIG = {
    "mode": "auto",
    "poll_seconds": 0.05,
    "policy": {
        "max_drained": 100,
        "max_drained_ratio": 1.0,
        "max_drained_per_job": 100,
        "max_drains_per_hour": 1000,
        "min_spare_nodes": 0,
        "breaker_incidents": 1000,
    },
}


def main(folder: str, url: str) -> None:
    """Runs until it is killed."""
    clock = SystemClock()
    config = OperateConfig.model_validate(CONFIG)
    with a_bus(Path(folder)) as bus:
        service = OperateService(bus, http_scheduler(url), config, Topology(), clock)
        run(service, threading.Event(), clock, idle_seconds=0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
