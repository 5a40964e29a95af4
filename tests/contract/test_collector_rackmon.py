"""The contract of collectors, kept by ``rackmon`` over Modbus TCP, a serial line and rackmond."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Target
from fleetops_collectors.rackmon import RackmonCollector, RackmonTarget
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.http_server import unused_url
from tests.unit.collectors.modbus_server import answering, serving_rtu, serving_tcp
from tests.unit.collectors.rackmon_data import (
    dumped,
    entry,
    flags_entry,
    framed,
    serving_rackmond,
    words_of,
)


def bus_target(url: str, name: str = "rack12") -> Target:
    return RackmonTarget.model_validate(
        {
            **{"name": name, "url": url, "rack": "r012", "host": "r012"},
            "devices": [
                {"address": 200, "map": "orv3_psu", "name": "r012/shelf1/psu1"},
                {"address": 12, "map": "orv3_rpu", "name": "r012/rpu"},
            ],
        }
    )


DEVICES = {200: words_of("orv3_psu", r60=1 << 11), 12: words_of("orv3_rpu", r37378=1 << 8)}


class OnBus(CollectorContract):
    collector_class = RackmonCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"timeout_seconds": 0.3}


class TestRackmonOverTcp(OnBus, RefusesGarbage):
    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        with serving_tcp(DEVICES) as bench:
            yield bus_target(bench.url)

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return bus_target(unused_url().replace("http", "tcp"), "gone")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>") as url:
            yield bus_target(url, "web-page")


class TestRackmonOverASerialLine(OnBus, RefusesGarbage):
    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        with serving_rtu(DEVICES) as bench:
            yield bus_target(bench.url)

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return bus_target("rtu:///dev/none", "gone")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving_rtu(DEVICES) as bench:
            bench.spoil = lambda answer: b"login: "[: len(answer)]
            yield bus_target(bench.url, "console")


class TestRackmonThroughRackmond(CollectorContract, RefusesGarbage):
    collector_class = RackmonCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path, clock: ManualClock) -> Iterator[Target]:
        now = int(clock.now().timestamp())
        psu = dumped(
            "ORV3_PSU",
            200,
            {
                (60, "General_Alarm_Status_Register"): [
                    flags_entry(now - 60, 0),
                    flags_entry(now - 30, 1 << 11),
                ],
                (79, "PSU_Output_Voltage"): [entry(now - 30, "floatValue", 50.0)],
            },
        )

        def answer(question: dict[str, Any]) -> bytes:
            assert question == {"type": "getMonitorData"}
            return framed({"status": "SUCCESS", "data": [psu]})

        with serving_rackmond(tmp_path, answer) as url:
            yield RackmonTarget(name="rack12", url=url, host="r012")

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"length_bytes": 8}

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return RackmonTarget(name="gone", url=f"unix://{tmp_path}/none.sock", host="r013")

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Iterator[Target]:
        folder = tmp_path / "garbage"
        folder.mkdir()
        with serving_rackmond(folder, lambda _: framed(b"<html>")) as url:
            yield RackmonTarget(name="web-page", url=url, host="r014")
