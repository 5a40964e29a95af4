"""The contract of collectors, kept by ``redfish`` against a real HTTP service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.redfish import RedfishCollector
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.http_server import Reply, serving, unused_url
from tests.unit.collectors.redfish_service import (
    ENTRIES,
    PASSWORD,
    USER,
    RedfishService,
    entry,
    running,
    tray,
)


class TestRedfishCollector(CollectorContract, RefusesGarbage):
    collector_class = RedfishCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"username": USER, "password": PASSWORD, "log_interval_seconds": 0}

    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        resources = tray()
        resources[ENTRIES]["Members"] = [
            entry(1, "2025-12-31T23:59:00Z", "Environmental.1.4.LeakDetectedCritical")
        ]
        with running(RedfishService(resources, needs_login=True)) as url:
            yield Target(name="bmc-node001", url=url, host="node001", rack="r01")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="bmc-gone", url=unused_url(), host="node002")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b"<html>login</html>")) as url:
            yield Target(name="web-page", url=url, host="node003")
