"""Where the emulator listens, written as ready-made configuration for FleetOps."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from fleetops.emulator.emulation import Emulation
from fleetops.emulator.kernel import pci_address
from fleetops.emulator.servers.application import LOOPBACK
from fleetops.emulator.servers.redfish.devices import Device
from fleetops.emulator.topology import ACCELERATORS_PER_HOST

FILE_NAME = "endpoints.json"
PASSWORD_FILE_NAME = "redfish_password"  # noqa: S105  a file's name
USERNAME = "fleetops"
FAST_SECONDS = 1.0
SLOW_SECONDS = 4.0
"""Of Redfish: some 15 requests a controller and round; real ones are asked every 30 to 60 s."""
DEADLINE_SECONDS = 3.0
WALK_DEADLINE_SECONDS = 8.0
"""Of Redfish: the first round walks through all of a controller's resources."""
LOG_SECONDS = 5.0

COLLECTOR_OF_KIND = {"host": "bmc", "coolant_unit": "cdu", "power_shelf": "shelf"}


def write_password(state_dir: Path) -> tuple[Path, str]:
    """Makes the account's password and leaves it in a file that only the user can read."""
    path = state_dir / PASSWORD_FILE_NAME
    password = secrets.token_urlsafe(18)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    return path, password


def describe_endpoints(
    emulation: Emulation,
    devices: Mapping[int, Device],
    port: int,
    password_file: Path,
    *,
    with_scheduler: bool,
) -> dict[str, Any]:
    """The content of ``endpoints.json``.

    Args:
        emulation: what runs.
        devices: management controllers by port.
        port: of control, scheduler and text endpoints.
        password_file: of the controllers' account.
        with_scheduler: whether the scheduler's API is served; its URL is null otherwise.
    """
    layout, job = emulation.fleet.layout, emulation.fleet.job
    base = f"http://{LOOPBACK}:{port}"
    return {
        "control_url": base,
        "scheduler_url": base if with_scheduler else None,
        "scenario": emulation.scenario.name,
        "topology": [placement.model_dump(mode="json") for placement in layout.placements],
        "collectors": [
            *_redfish(devices, password_file),
            _text(emulation, base, "dcgm", "metrics", len(layout.hosts)),
            _text(emulation, base, "training", "training", job.hosts),
            _kernel(emulation),
        ],
        "job": {
            "id": job.id,
            "ranks": job.ranks,
            "pipeline_stages": job.stages,
            "nodes": list(layout.hosts[: job.hosts]),
            "expected_step_seconds": job.expected_step_seconds,
        },
    }


def write_endpoints(state_dir: Path, content: Mapping[str, Any]) -> Path:
    """Writes the file so that a reader sees either nothing or all of it."""
    path = state_dir / FILE_NAME
    draft = path.with_suffix(".tmp")
    draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    draft.replace(path)
    return path


def _redfish(devices: Mapping[int, Device], password_file: Path) -> list[dict[str, Any]]:
    targets: dict[str, list[dict[str, Any]]] = {name: [] for name in COLLECTOR_OF_KIND.values()}
    for port, device in devices.items():
        what = {"host": device.name} if device.kind == "host" else {"device": device.name}
        url = f"http://{LOOPBACK}:{port}"
        targets[COLLECTOR_OF_KIND[device.kind]].append(
            {"name": device.name, "url": url, "rack": device.rack, **what}
        )
    return [
        {
            "kind": "redfish",
            "name": name,
            "targets": listed,
            "interval_seconds": SLOW_SECONDS,
            "deadline_seconds": WALK_DEADLINE_SECONDS,
            "username": USERNAME,
            "password_file": str(password_file),
            "log_interval_seconds": LOG_SECONDS,
        }
        for name, listed in targets.items()
    ]


def _text(emulation: Emulation, base: str, name: str, page: str, hosts: int) -> dict[str, Any]:
    return {
        "kind": "prometheus",
        "name": name,
        "targets": [
            {
                "name": place.host,
                "url": f"{base}/nodes/{place.host}/{page}",
                "host": place.host,
                "rack": place.rack,
            }
            for place in emulation.fleet.layout.placements[:hosts]
        ],
        "interval_seconds": FAST_SECONDS,
        "deadline_seconds": DEADLINE_SECONDS,
    }


def _kernel(emulation: Emulation) -> dict[str, Any]:
    fleet = emulation.fleet
    return {
        "kind": "kernel_log",
        "name": "kernel",
        "targets": [
            {
                "name": place.host,
                "url": str(fleet.kernel.path(index).resolve()),
                "host": place.host,
                "rack": place.rack,
                "boot_time": "local",
            }
            for index, place in enumerate(fleet.layout.placements)
        ],
        "devices": {f"{pci_address(n)}.0": f"gpu{n}" for n in range(ACCELERATORS_PER_HOST)},
        "interval_seconds": FAST_SECONDS,
        "deadline_seconds": DEADLINE_SECONDS,
    }
