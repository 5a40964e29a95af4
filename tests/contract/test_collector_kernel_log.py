"""The collectors' contract, kept by kernel_log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.kernel_log import KernelLogCollector, KernelLogTarget
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.journal_files import Journal

LINE = "3,1,{},-;NVRM: Xid (PCI:0000:1b:00): {}, pid=1, name=python3, text\n"


class TestKernelLogCollector(CollectorContract, RefusesGarbage):
    collector_class = KernelLogCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"start": "beginning", "devices": {"0000:1b:00": "gpu0"}}

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        path = tmp_path / "log"
        path.write_text(LINE.format(1, 79) + LINE.format(2, 79) + "6,3,3,-;nothing\n")
        return KernelLogTarget(name="node001", host="node001", rack="r01", url=str(path))

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return KernelLogTarget(name="node002", host="node002", url=str(tmp_path / "absent"))

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Target:
        return KernelLogTarget(name="node003", host="node003", url=str(tmp_path))


class TestKernelLogCollectorOfAJournal(CollectorContract):
    collector_class = KernelLogCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"start": "beginning"}

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        journal = Journal(tmp_path / "node001.journal")
        line = "NVRM: Xid (PCI:0000:1b:00): 79, pid=1, name=python3, text"
        journal.write(line, line, "nothing", seconds=10)
        url = f"journal://{journal.path}"
        return KernelLogTarget(name="node001", host="node001", rack="r01", url=url)

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return KernelLogTarget(name="node002", url=f"journal://{tmp_path / 'absent.journal'}")
