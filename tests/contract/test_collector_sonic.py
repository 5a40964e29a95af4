"""The contract of collectors, kept by ``sonic`` against a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.sonic import SonicCollector
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.redis_testbed import fill, free_port, redis_running

PORT = "oid:0x1000000000002"
SWITCH = {
    0: {"PORT_TABLE:Ethernet0": {"oper_status": "up", "admin_status": "up", "speed": "400000"}},
    2: {
        "COUNTERS_PORT_NAME_MAP": {"Ethernet0": PORT},
        f"COUNTERS:{PORT}": {
            "SAI_PORT_STAT_IF_IN_OCTETS": "81",
            "SAI_PORT_STAT_PFC_3_RX_PKTS": "7",
        },
    },
    6: {"TRANSCEIVER_DOM_SENSOR|Ethernet0": {"temperature": "41.5", "rx1power": "-2.1"}},
}


class TestSonicCollector(CollectorContract, RefusesGarbage):
    collector_class = SonicCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        with redis_running(tmp_path) as port:
            fill(port, SWITCH)
            yield Target(name="leaf1-redis", url=f"redis://127.0.0.1:{port}", host="leaf1")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="leaf2-redis", url=f"redis://127.0.0.1:{free_port()}", host="leaf2")

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Iterator[Target]:
        folder = tmp_path / "other"
        folder.mkdir()
        with redis_running(folder) as port:
            fill(port, {0: {"session:81": {"user": "x"}}})
            yield Target(name="somebodys-redis", url=f"redis://127.0.0.1:{port}", host="leaf1")
