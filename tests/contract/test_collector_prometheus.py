"""The contract of collectors, kept by ``prometheus`` against a real HTTP exporter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.prometheus import PrometheusCollector
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.http_server import Reply, serving, unused_url

TEXT = b"""\
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{gpu="0",Hostname="exporter-7f"} 61
DCGM_FI_DEV_GPU_TEMP{gpu="1",Hostname="exporter-7f"} 9223372036854775794
fleetops_training_step_seconds{job="81",host="other",rank="17"} 1.25
"""


class TestPrometheusCollector(CollectorContract, RefusesGarbage):
    collector_class = PrometheusCollector

    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=TEXT)) as url:
            yield Target(name="dcgm-node001", url=f"{url}/metrics", host="node001")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="dcgm-gone", url=unused_url(), host="node002")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b"<html>404</html>")) as url:
            yield Target(name="web-page", url=url)
