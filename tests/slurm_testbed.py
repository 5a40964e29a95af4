"""A real Slurm cluster on loopback for tests: munged, slurmctld and one slurmd a node."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import ROOT, unavailable

SCRIPTS = ROOT / "deploy" / "testbed" / "slurm"
START_SECONDS = 240
COMMAND_SECONDS = 60


class SlurmCluster:
    """A cluster in a folder of its own, by the scripts of ``deploy/testbed/slurm``."""

    def __init__(self, folder: Path, size: int, settings: str = "", *, rest: bool = False) -> None:
        """``settings`` are lines for ``slurm.conf``; ``rest`` adds slurmrestd."""
        self.rest_url = ""
        self.folder = folder
        self.size = size
        self._environ = {**os.environ, "REST": str(int(rest))}
        if settings:
            extra = folder / "extra.conf"
            extra.write_text(f"{settings}\n", encoding="utf-8")
            self._environ["EXTRA_CONF"] = str(extra)
        self.nodes = tuple(f"n{number}" for number in range(size))
        self.bin_dir = folder / "bin"

    def start(self) -> None:
        """Starts what is not running; jobs and drains of a running one are kept.

        Raises:
            RuntimeError: it did not start; the message says why.
        """
        done = self._script("start.sh", str(self.folder), str(self.size))
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-500:])
        if found := re.search(r"SLURM_REST_URL=(\S+)", done.stdout):
            self.rest_url = found[1]

    def stop(self) -> None:
        """Ends the jobs and the daemons, and removes the folder."""
        self._script("stop.sh", str(self.folder), "--wipe")
        shutil.rmtree(self.folder, ignore_errors=True)

    def controller(self, signal_number: int) -> None:
        """Sends the controller a signal."""
        pid = int((self.folder / "pid" / "slurmctld.pid").read_text())
        os.kill(pid, signal_number)

    def kill_controller(self) -> None:
        """Ends the controller at once and waits until it is gone; nodes and jobs go on."""
        pid = int((self.folder / "pid" / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + COMMAND_SECONDS
        while Path(f"/proc/{pid}/fd").exists() and time.monotonic() < end:
            time.sleep(0.02)  # until then its sockets still take questions

    def command(self, program: str, *arguments: str, check: bool = True) -> str:
        """Runs one of Slurm's commands as a person would; its output."""
        done = subprocess.run(
            [str(self.bin_dir / program), *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {arguments}: {done.stderr or done.stdout}")
        return done.stdout.strip()

    def submit(self, *arguments: str, command: str = "sleep 300") -> str:
        """Submits a batch job; its id."""
        wrap = ["-o", "/dev/null", "--wrap", command]
        return self.command("sbatch", "--parsable", *arguments, *wrap)

    def job_state(self, job: str) -> str:
        """RUNNING, PENDING ..."""
        shown = self.command("scontrol", "show", "job", job)
        found = re.search(r"JobState=(\S+)", shown)
        return found[1] if found else "UNKNOWN"

    def _script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Output goes to files: daemons that inherit a pipe would keep it open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [str(SCRIPTS / name), *arguments],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env=self._environ,
                timeout=START_SECONDS,
                check=False,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def start_cluster(size: int, settings: str = "", *, rest: bool = False) -> SlurmCluster:
    """A new cluster, or the test is skipped (or failed where Slurm is required)."""
    # Unix sockets live in the folder, so its path must be short.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    cluster = SlurmCluster(folder, size, settings, rest=rest)
    try:
        cluster.start()
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        cluster.stop()
        unavailable("slurm", str(error))
    return cluster


def cluster_fixture(size: int, settings: str = "", *, rest: bool = False) -> Iterator[SlurmCluster]:
    """The body of a fixture: a cluster that is stopped in the end."""
    cluster = start_cluster(size, settings, rest=rest)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """One cluster of six nodes for a module; import it where it is used."""
    yield from cluster_fixture(6)


def together(hosts: Sequence[str]) -> str:
    """A hostlist for ``-w``."""
    return ",".join(hosts)
