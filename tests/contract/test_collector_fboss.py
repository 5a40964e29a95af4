"""The contract of collectors, kept by ``fboss`` against a real HTTP service and against files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.fboss import FbossCollector
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.http_server import Reply, serving, unused_url

SWITCH = json.dumps(
    {
        "hwPortStats": {"eth1/1/1": {"inBytes_": 81, "inErrors_": -1, "outPfc_": {"2": 7}}},
        "sensorData": {"SMB_TH5_TEMP": {"name": "SMB_TH5_TEMP", "value": 61.5, "sensorType": 3}},
    }
).encode()


class TestFbossCollectorOverHttp(CollectorContract, RefusesGarbage):
    collector_class = FbossCollector

    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=SWITCH)) as url:
            yield Target(name="leaf1-fboss", url=f"{url}/fsdb", host="leaf1")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="leaf2-fboss", url=unused_url(), host="leaf2")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b'{"hello": "world"}')) as url:
            yield Target(name="other-json", url=url, host="leaf1")


class TestFbossCollectorOfFiles(CollectorContract, RefusesGarbage):
    collector_class = FbossCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        (tmp_path / "leaf1.json").write_bytes(SWITCH)
        return Target(name="leaf1-fboss", url=str(tmp_path / "leaf1.json"), host="leaf1")

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return Target(name="leaf2-fboss", url=str(tmp_path / "leaf2.json"), host="leaf2")

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Target:
        (tmp_path / "page.html").write_text("<html>")
        return Target(name="a-page", url=str(tmp_path / "page.html"), host="leaf1")
