"""The contract of collectors, kept by ``training`` at each kind of its sources."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.training import StepReporter, TrainingCollector, TrainingTarget
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.http_server import Reply, serving
from tests.unit.collectors.ras_server import RasService, serving_ras
from tests.unit.collectors.training_data import as_pickle, ras_rank, ras_status, stalled_job


class TestStepsOfAHost(CollectorContract):
    """Reports of a job that goes on by itself, over a real socket."""

    collector_class = TrainingCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"listen_seconds": 0.5}

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        path = tmp_path / "s"
        done = threading.Event()

        def job() -> None:
            with StepReporter(rank=0, job="81", socket_path=str(path), environ={}) as reporter:
                while not done.wait(0.01):
                    with reporter.step(), reporter.phase("compute"):
                        pass

        thread = threading.Thread(target=job)
        thread.start()
        yield TrainingTarget(name="steps", url=f"unix://{path}", host="node001")
        done.set()
        thread.join()

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        url = f"unix://{tmp_path}/no/such/folder/s"
        return TrainingTarget(name="nowhere", url=url, host="node002")


class TestRasService(CollectorContract, RefusesGarbage):
    """A job's RAS service, emulated by a server that speaks its protocol."""

    collector_class = TrainingCollector

    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        answer = ras_status([ras_rank(0, 12), ras_rank(1, 12, error=6)])
        with serving_ras(RasService(lambda: answer)) as url:
            yield TrainingTarget(name="ras", url=url, job="81")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return TrainingTarget(name="no-job", url=f"ras://127.0.0.1:{port}", job="81")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b"<html></html>")) as url:
            yield TrainingTarget(name="web", url=url.replace("http:", "ras:"), job="81")


class TestFilesOfAJob(CollectorContract, RefusesGarbage):
    """Flight recorder dumps and NVRx scores in one folder."""

    collector_class = TrainingCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        for rank, document in stalled_job().items():
            (tmp_path / f"nccl_trace_rank_{rank}").write_bytes(as_pickle(document))
        scores = {"gpu_relative_perf_scores": {"0": 0.5}}
        (tmp_path / "scores.json").write_text(json.dumps(scores))
        return TrainingTarget(name="files", url=f"file://{tmp_path}/*", host="node001", job="81")

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return TrainingTarget(name="none", url=f"file://{tmp_path}/absent*", host="node002")

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Target:
        path = tmp_path / "garbage"
        path.write_bytes(b"\x80\x02cos\nsystem\n.")
        return TrainingTarget(name="garbage", url=f"file://{path}", host="node003")
