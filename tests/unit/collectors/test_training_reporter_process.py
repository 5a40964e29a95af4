"""StepReporter where processes fork and end, and in images that hold nothing else of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops_collectors.training import reporter
from tests.unit.collectors.step_listener import Listener

FOREIGN = ("pydantic", "numpy", "pyarrow", "yaml", "httpx", "orjson", "structlog", "fleetops")
BLOCKED = f"""
import sys, threading

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FOREIGN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    opened = Listener(tmp_path / "s")
    yield opened
    opened.close()


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


FORK = """
import os, sys, threading, time
from fleetops_collectors.training.reporter import StepReporter
sender = StepReporter(rank=1, job="8", socket_path=sys.argv[1], environ={})
held = threading.Event()
def hold():
    with sender._lock:
        held.set()
        time.sleep(1)
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    if sender.enabled or sender.report(step=1, step_seconds=1.0):
        os._exit(3)
    with sender.step(), sender.phase("compute"):
        pass
    own = StepReporter(rank=2, job="8", socket_path=sys.argv[1], environ={})
    os._exit(0 if own.report(step=9, step_seconds=1.0) else 4)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
holder.join()
assert sender.report(step=2, step_seconds=1.0)
sys.exit(status)
"""


def test_a_fork_while_the_lock_is_held_hangs_nobody(listener: Listener) -> None:
    done = run(FORK, str(listener.path))
    assert done.returncode == 0, done.stderr
    assert [(step.rank, step.step) for step in listener.steps()] == [(2, 9), (1, 2)]


ALONE = """
from fleetops_collectors.training.reporter import StepReporter
from fleetops_collectors.training import StepReporter as Same
assert Same is StepReporter
assert threading.active_count() == 1
sender = StepReporter(rank=1, job="8", socket_path=sys.argv[1], environ={})
assert threading.active_count() == 1
assert sender.report(step=1, step_seconds=1.0)
ours = {name for name in sys.modules if name.startswith("fleetops")}
assert ours <= {
    "fleetops_collectors",
    "fleetops_collectors.training",
    "fleetops_collectors.training.reporter",
}, ours
"""


def test_it_needs_the_standard_library_alone(listener: Listener) -> None:
    done = run(BLOCKED + ALONE, str(listener.path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(listener.steps()) == 1


def test_the_file_alone_can_be_copied_into_an_image(tmp_path: Path, listener: Listener) -> None:
    shutil.copy(reporter.__file__, tmp_path / "step_reporter.py")
    code = (
        "from step_reporter import StepReporter\n"
        f"r = StepReporter(rank=0, job='1', socket_path={str(listener.path)!r})\n"
        "with r.step(): pass\n"  # and no close: the interpreter ends with the socket open
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(listener.steps()) == 1


def test_reports_while_the_interpreter_ends_raise_nothing(listener: Listener) -> None:
    code = """
import atexit, sys
from fleetops_collectors.training.reporter import StepReporter
sender = StepReporter(rank=0, job="1", socket_path=sys.argv[1], environ={})
atexit.register(sender.report, step=2, step_seconds=1.0)
class Last:
    def __del__(self):
        sender.report(step=3, step_seconds=1.0)
last = Last()
sender.report(step=1, step_seconds=1.0)
"""
    done = run(code, str(listener.path))
    assert (done.returncode, done.stderr) == (0, "")
    assert [step.step for step in listener.steps()][:2] == [1, 2]


NOBODY = """
import os, sys
from fleetops_collectors.training.reporter import StepReporter
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write everywhere
sender = StepReporter(rank=0, job="1", socket_path=sys.argv[1], environ={})
assert not sender.report(step=1, step_seconds=1.0)
assert sender.dropped == 1
"""


def test_a_socket_that_may_not_be_written_is_a_dropped_report(listener: Listener) -> None:
    listener.path.chmod(0)
    done = run(NOBODY, str(listener.path))
    assert (done.returncode, done.stderr) == (0, "")
