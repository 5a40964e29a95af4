"""Commands of a user and what they printed, for the tests beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "fleetops.cli.main")


def fleetops(
    *arguments: str | Path,
    config: Path | None = None,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """``fleetops ARGUMENTS`` in a process of its own, its output as text."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("FLEETOPS_")}
    done = subprocess.run(
        [*COMMAND, *(("--config", str(config)) if config else ()), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env={**own, **(environ or {})},
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def answer(*arguments: str | Path, stdin: bytes = b"", config: Path | None = None) -> Any:  # noqa: ANN401 - JSON
    """What ``fleetops ARGUMENTS -o json`` printed; fails the test where it failed."""
    done = fleetops(*arguments, "-o", "json", stdin=stdin, config=config)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one_error(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The one line that the command ended with; it must hold all the words."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("fleetops: ")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]
