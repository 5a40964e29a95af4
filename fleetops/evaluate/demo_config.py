"""The configuration of a demonstration: the line as configured, over an emulated fleet."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Any

import yaml

from fleetops.core.config import Config, load_config
from fleetops.evaluate.emulated_fleet import Endpoints

SECRET_BYTES = 24
PREFERRED_PORTS = {"api": 8080, "dashboard": 8501}


def write_demo_config(
    base: Path | None, state_dir: Path, endpoints: Endpoints, webhook_url: str
) -> Path:
    """Writes ``config.yaml`` into ``state_dir`` and returns its path.

    Bus, store and scheduler are those of ``base`` (embedded ones without it), under a name of
    their own so that nothing else there is touched. FleetOps acts by itself: mode ``auto``.
    """
    data: dict[str, Any] = {}
    if base is not None:
        data = yaml.safe_load(base.read_text("utf-8")) or {}
        load_config(base)
    own = f"demo-{secrets.token_hex(4)}"
    bus = {"path": str(state_dir / "bus.sqlite"), **data.get("bus", {})}
    store = {"path": str(state_dir / "store"), **data.get("store", {})}
    if bus.get("kind") == "kafka":
        bus["namespace"] = own
        store["database"] = own.replace("-", "_")
    operate = {
        "scheduler": "emulated",
        "scheduler_options": {"url": endpoints.scheduler_url},
        **data.get("operate", {}),
        "mode": "auto",
        "poll_seconds": 1.0,
    }
    api_port, page_port = (free_port(port) for port in PREFERRED_PORTS.values())
    token_file = _secret_file(state_dir / "operator.token")
    data |= {
        "state_dir": str(state_dir / "state"),
        "bus": bus,
        "store": store,
        "operate": operate,
        "topology": [placement.model_dump(mode="json") for placement in endpoints.topology],
        "collectors": list(endpoints.collectors),
        "alerts": {
            "sinks": [
                {
                    "kind": "webhook",
                    "name": "demo",
                    "url": webhook_url,
                    "secret_file": str(_secret_file(state_dir / "webhook.secret")),
                    "allow_private": True,
                }
            ]
        },
        "api": {
            "port": api_port,
            "tokens": [{"name": "operator", "role": "admin", "token_file": str(token_file)}],
        },
        "client": {"url": f"http://127.0.0.1:{api_port}", "token_file": str(token_file)},
        "dashboard": {"port": page_port},
    }
    path = state_dir / "config.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def webhook_secret(state_dir: Path) -> bytes:
    """The secret that signs the demonstration's webhooks; made on first use."""
    return _secret_file(state_dir / "webhook.secret").read_bytes().strip()


def acts_on_emulated_nodes(config: Config) -> bool:
    """Whether the scheduler is the emulator's own, so that nothing real is drained."""
    return config.operate.scheduler == "emulated"


def free_port(preferred: int) -> int:
    """The preferred port of this machine, or any free one."""
    for port in (preferred, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as server:
                return int(server.getsockname()[1])
        except OSError:
            continue
    raise OSError("no free port on 127.0.0.1")


def _secret_file(path: Path) -> Path:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES))
    return path
