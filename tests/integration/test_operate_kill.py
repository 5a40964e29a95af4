"""kill -9 of operate at random moments: everything is done, and nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import OperateConfig
from fleetops_schemas.records import ActionState, IntentKind
from tests.integration.operate_bench import OperateBench, a_bus
from tests.integration.operate_process import CONFIG
from tests.scheduler_server import SchedulerServer
from tests.support import ROOT
from tests.unit.operate.builders import an_incident

KILLS = 10
HOSTS = tuple(f"node{n:03}" for n in range(1, 61))
BLAMED = HOSTS[:30]
ASKED = HOSTS[30:50]


class Process:
    """The role in a process, started again after every kill."""

    def __init__(self, folder: Path, url: str) -> None:
        self._command = [
            sys.executable, "-m", "tests.integration.operate_process", str(folder), url,
        ]  # fmt: skip
        self._log = (folder / "operate.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=self._log, stderr=self._log, env=dict(os.environ)
        )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, "it ended by itself"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()


@pytest.fixture
def server() -> Iterator[SchedulerServer]:
    server = SchedulerServer(HOSTS).start()
    yield server
    server.stop()


def test_nothing_is_done_twice_and_nothing_is_left_undone(
    tmp_path: Path, server: SchedulerServer
) -> None:
    chance = random.Random(11)  # noqa: S311  when to kill
    bench = OperateBench(a_bus(tmp_path), OperateConfig.model_validate(CONFIG))
    process = Process(tmp_path, server.url)
    killed_at_work = 0
    try:
        for number in range(KILLS):
            process.start()
            now = SystemClock().now()
            for host in BLAMED[number::KILLS]:
                bench.publish(an_incident(f"inc-{host}", (host,), opened_at=now))
            bench.ask(IntentKind.DRAIN, f"int-{number}", *ASKED[number::KILLS])
            before = wait_for_a_write(server)
            time.sleep(chance.random() * 0.08)
            process.kill()
            done = len(server.writes) - before
            killed_at_work += 0 < done < len(BLAMED[number::KILLS]) + len(ASKED[number::KILLS])
        process.start()
        until = time.monotonic() + 30
        while not finished(bench):
            assert time.monotonic() < until, bench.story()
            time.sleep(0.1)
    finally:
        process.close()
        bench.close()
    assert killed_at_work > 0, "no kill hit it between two acts"
    assert {host: server.drains_of(host) for host in BLAMED + ASKED} == dict.fromkeys(
        BLAMED + ASKED, 1
    )
    assert server.drained().keys() == set(BLAMED + ASKED)


def wait_for_a_write(server: SchedulerServer) -> int:
    """Waits until the process is at work; how many writes there were before."""
    before, until = len(server.writes), time.monotonic() + 20
    while len(server.writes) == before:
        assert time.monotonic() < until, "nothing was done"
        time.sleep(0.002)
    return before


def finished(bench: OperateBench) -> bool:
    """Whether every action has come to its end."""
    bench.actions.refresh()
    states = [action.state for action in bench.actions.values()]
    return len(states) == len(BLAMED + ASKED) and set(states) == {ActionState.DONE}
