"""The contract of collectors, kept by ``nvml`` with a real child and an emulated driver library."""

from __future__ import annotations

from pathlib import Path

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.nvml import NvmlCollector, NvmlTarget
from tests.contract.collector_contract import CollectorContract
from tests.nvml_testbed import EmulatedDriver


class TestNvmlCollector(CollectorContract):
    collector_class = NvmlCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        driver = EmulatedDriver(tmp_path)
        driver.behave("count * * 2", "lost 1 * 15")
        return NvmlTarget(name="gpus", host="node001", library_folder=driver.folder)

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        empty = tmp_path / "no-driver"
        empty.mkdir()
        (empty / "libnvidia-ml.so.1").write_bytes(b"")
        return NvmlTarget(name="no-driver", host="node002", library_folder=empty)
