"""The emulator as a process, for tests to ask."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from fleetops.emulator.endpoints import FILE_NAME, PASSWORD_FILE_NAME, USERNAME

START_SECONDS = 60.0


@dataclass
class Emulator:
    process: subprocess.Popen[str]
    state_dir: Path
    endpoints: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.endpoints["control_url"])

    def collector(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.endpoints["collectors"] if c["name"] == name)
        return found

    def target(self, collector: str, name: str) -> str:
        targets = self.collector(collector)["targets"]
        return str(next(target["url"] for target in targets if target["name"] == name))

    def redfish(self, collector: str, name: str) -> httpx.Client:
        password = (self.state_dir / PASSWORD_FILE_NAME).read_text()
        url = self.target(collector, name)
        return httpx.Client(base_url=url, auth=(USERNAME, password), trust_env=False)

    def inject(self, **fault: object) -> httpx.Response:
        return httpx.post(f"{self.url}/control/faults", json=fault, trust_env=False)

    def truth(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/control/truth", trust_env=False).json()
        return answer

    def end(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


def start(state_dir: Path, *arguments: str) -> Emulator:
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetops.emulator", "--state-dir", str(state_dir), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("emulator ready"), line
    return Emulator(process, state_dir, json.loads((state_dir / FILE_NAME).read_bytes()))


def samples(text: str, name: str) -> dict[str, float]:
    """Values of a metric by accelerator or rank."""
    return {
        sample.labels.get("gpu") or sample.labels["rank"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, trust_env=False, headers=headers)
