"""Running a scheduler's command: our deadline, our bound, no process left behind."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from fleetops.core.command import run_command
from fleetops.core.errors import InputError

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def test_output_errors_and_code() -> None:
    done = run_command(["sh", "-c", "echo out; echo err >&2; exit 3"], ENVIRONMENT, 5.0)
    assert (done.code, done.output, done.errors) == (3, b"out\n", "err")


def test_the_environment_is_only_what_is_given() -> None:
    done = run_command(["sh", "-c", "echo ${HOME-none} $A"], {**ENVIRONMENT, "A": "1"}, 5.0)
    assert done.output == b"none 1\n"


def test_no_shell_reads_the_arguments() -> None:
    done = run_command(["printf", "%s|", "$(id)", "a b;c"], ENVIRONMENT, 5.0)
    assert done.output == b"$(id)|a b;c|"


@pytest.mark.parametrize(
    "script", ["sleep 60", "sleep 60 >&- 2>&-", "sleep 60 & echo $! ; sleep 60"]
)
def test_time_up_ends_the_whole_group(tmp_path: Path, script: str) -> None:
    note = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run_command(["sh", "-c", f"echo $$ > {note}; {script}"], ENVIRONMENT, 0.4)
    assert time.monotonic() - began < 3
    group, until = int(note.read_text()), time.monotonic() + 2
    while alive := living(group):
        assert time.monotonic() < until, alive
        time.sleep(0.02)


def living(group: int) -> list[int]:
    """Processes of a group that run; one that ended and waits for its parent is not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def test_output_is_bounded() -> None:
    with pytest.raises(InputError, match="more than 1000 bytes"):
        run_command(["yes"], ENVIRONMENT, 5.0, max_bytes=1000)


def test_a_missing_program() -> None:
    with pytest.raises(FileNotFoundError):
        run_command(["/nonexistent/scontrol"], ENVIRONMENT, 5.0)
