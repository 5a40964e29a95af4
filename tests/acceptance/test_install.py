"""What a collector host needs, and what it does not: the heavy packages are not even there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import load_config
from fleetops.core.errors import NotFoundError
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topics import telemetry_topic
from tests.acceptance.bad_servers import saying, serving

HEAVY = (
    *("chdb", "pandas", "streamlit", "altair", "sklearn", "kafka", "clickhouse_driver"),
    *("fastapi", "starlette", "uvicorn"),
)
WITHOUT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(HEAVY)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])

sys.meta_path.insert(0, Absent())
from fleetops.cli.main import run
run()
"""
LOADED = """
import sys
from fleetops.cli.main import run
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""
GPU = b'DCGM_FI_DEV_GPU_TEMP{gpu="0",Hostname="n1"} 61\n'


def python(code: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {*HEAVY, "numpy", "pyarrow", "httpx"}),
        (["decode", "--help"], {*HEAVY}),
        (["collect", "once", "--help"], {*HEAVY}),
        (["replay", "--help"], {*HEAVY}),
        (["config", "check"], {*HEAVY}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_load_what_they_need(arguments: list[str], heavy: set[str]) -> None:
    done = python(LOADED, *arguments)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "fleetops" in loaded
    assert not loaded & heavy


def configured(folder: Path, exporter: str) -> Path:
    path = folder / "fleetops.yaml"
    target = {"name": "gpu", "url": exporter, "host": "n1", "rack": "r1"}
    entry = {"kind": "prometheus", "name": "gpus", "interval_seconds": 0.5, "targets": [target]}
    config = {
        "state_dir": str(folder / "state"),
        "bus": {"path": str(folder / "bus.sqlite")},
        "store": {"path": str(folder / "store")},
        "collectors": [entry],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def rows_on_the_bus(config: Path, seconds: float = 30.0) -> dict[str, object]:
    """The first row of an accelerator that comes."""
    topic = telemetry_topic("accelerator").name
    deadline = time.monotonic() + seconds
    with open_bus(load_config(config).bus, SystemClock()) as bus:
        while time.monotonic() < deadline:
            try:
                with bus.reader([topic]) as reader:
                    for message in reader.poll(1.0):
                        _, batch = decode_batch(message.value, message.headers)
                        row: dict[str, object] = batch.to_pylist()[0]
                        return row
            except NotFoundError:
                time.sleep(0.2)  # the collector has yet to make the topics
    raise AssertionError(f"nothing on {topic} after {seconds:.0f} s")


def test_a_collector_host_collects_without_them(tmp_path: Path) -> None:
    with serving(saying(GPU)) as exporter:
        config = configured(tmp_path, exporter)
        once = python(WITHOUT, "--config", str(config), "collect", "once")
        assert once.returncode == 0, once.stderr
        assert "temperature_celsius" in once.stdout
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT, "--config", str(config), "run", "collect"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            arrived = rows_on_the_bus(config)
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1]
    assert process.returncode == 0, said
    assert arrived["temperature_celsius"] == 61.0, said


def test_a_role_that_needs_them_says_which(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:9")
    done = python(WITHOUT, "--config", str(config), "run", "ingest")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("fleetops: ")
    assert "chdb" in last
    assert "pip install" in last
    assert "Traceback" not in done.stderr
