"""Where an emulation answers, written as ready-made configuration for FleetOps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from fleetops.emulator.realtime import Emulation
from fleetops.emulator.serving import Serving

FILE_NAME = "endpoints.json"
CONFIGURATION_NAME = "fleetops.yaml"
FAST_SECONDS = 1.0
SLOW_SECONDS = 4.0
"""Of out-of-band sources: real ones are asked every 30 to 60 s."""
SLOW_KINDS = frozenset({"redfish", "rackmon", "gnmi", "slurm"})
DEADLINE_SECONDS = 3.0
WALK_DEADLINE_SECONDS = 8.0
"""Of the slow ones: the first round walks through all of a controller's resources."""
LONG_TICK_SECONDS = 5.0
"""From here on the sensors' own cadence is the collectors'."""
LONGEST_INTERVAL_SECONDS, LONGEST_DEADLINE_SECONDS = 3600.0, 600.0
"""What collectors take (:class:`~fleetops_collectors.base.CollectorConfig`)."""


def describe(emulation: Emulation, serving: Serving, *, with_scheduler: bool) -> dict[str, Any]:
    """The content of ``endpoints.json``; the scheduler's URL is null where a real one is used.

    ``seed``, ``tick_seconds`` and ``began`` make the same fleet again, in compressed time.
    """
    site, jobs = emulation.fleet.site, emulation.fleet.state.jobs
    options = emulation.fleet.options
    return {
        "control_url": serving.base_url,
        "scheduler_url": serving.base_url if with_scheduler else None,
        "cluster": site.cluster.name,
        "seed": options.seed,
        "tick_seconds": options.tick_seconds,
        "began": options.began.isoformat(),
        "topology": [placement.model_dump(mode="json") for placement in site.standing],
        "collectors": [
            paced(entry, emulation.fleet.tick_seconds)
            for entry in serving.collectors()
            # who operates the scheduler reads it already
            if not (with_scheduler and entry["kind"] == "slurm")
        ],
        "jobs": [
            {
                "id": job.id,
                "workload": job.workload.name,
                "ranks": job.ranks,
                "pipeline_stages": job.stages,
                "nodes": [site.hosts[host] for host in job.hosts],
                "expected_step_seconds": job.expected_step_seconds,
            }
            for job in jobs.jobs
        ],
    }


def paced(entry: Mapping[str, Any], tick_seconds: float) -> dict[str, Any]:
    """A collector's entry with how often it asks: fast where the fleet is, for watching."""
    slow = entry["kind"] in SLOW_KINDS
    interval = SLOW_SECONDS if slow else FAST_SECONDS
    deadline = WALK_DEADLINE_SECONDS if slow else DEADLINE_SECONDS
    if tick_seconds >= LONG_TICK_SECONDS:
        interval = min(tick_seconds, LONGEST_INTERVAL_SECONDS)
        deadline = min(max(deadline, 0.8 * tick_seconds), LONGEST_DEADLINE_SECONDS)
    return {**entry, "interval_seconds": interval, "deadline_seconds": deadline}


def write_endpoints(state_dir: Path, content: Mapping[str, Any]) -> Path:
    """Writes ``endpoints.json`` so that a reader sees either nothing or all of it."""
    path = state_dir / FILE_NAME
    draft = path.with_suffix(".tmp")
    draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    draft.replace(path)
    return path


def write_configuration(state_dir: Path, content: Mapping[str, Any]) -> Path:
    """Writes a configuration that watches the fleet: ``fleetops --config FILE up``."""
    configuration: dict[str, Any] = {
        "state_dir": str(state_dir / "state"),
        "bus": {"path": str(state_dir / "bus.sqlite")},
        "store": {"path": str(state_dir / "store")},
        "topology": content["topology"],
        "collectors": content["collectors"],
    }
    if content["scheduler_url"]:
        configuration["operate"] = {
            "scheduler": "emulated",
            "scheduler_options": {"url": content["scheduler_url"]},
        }
    path = state_dir / CONFIGURATION_NAME
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    return path
