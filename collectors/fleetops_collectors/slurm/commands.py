"""Slurm's commands, read only: these argument lists are all that is ever run."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fleetops.core.command import Finished, run_command
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.slurm.cluster import WANTED_STATES
from fleetops_collectors.slurm.shapes import Raw, records

Command = tuple[str, ...]

PING: Command = ("scontrol", "ping")
NODES: Command = ("scontrol", "show", "node", "--json")
OLD_NODES: Command = ("sinfo", "--json")
"""21.08: of the two only sinfo speaks JSON."""
JOBS: Command = ("squeue", "--json", f"--states={','.join(sorted(WANTED_STATES))}")
STEPS: Command = ("scontrol", "show", "step", "--json")
"""Since 24.05; before it, ranks are left out."""
PING_SECONDS = 3.0
"""A live controller answers in milliseconds, and a hung one never."""


class Answers(NamedTuple):
    """One round: the entries of nodes, jobs and steps."""

    nodes: list[Raw]
    jobs: list[Raw]
    steps: list[Raw]


class Commands:
    """Runs the commands, one after the other."""

    def __init__(
        self, bin_dir: Path | None, environment: Mapping[str, str], max_bytes: int
    ) -> None:
        """Runs nothing yet.

        Args:
            bin_dir: Folder of the commands; None takes them from PATH.
            environment: All that they see of ours.
            max_bytes: Longest answer.
        """
        self._bin_dir = bin_dir
        self._environment = environment
        self._max_bytes = max_bytes
        self._speaks_json = True

    async def read(self, where: str, seconds: float) -> Answers:
        """Nodes, jobs and steps; a dead controller is known before anything is asked of it.

        Raises:
            TemporaryError: the controller does not answer, or the commands are not there.
            InputError: they answered something else.
        """
        return await asyncio.to_thread(self._read, where, time.monotonic() + seconds)

    def _read(self, where: str, deadline: float) -> Answers:
        pong = self._run(PING, where, min(deadline, time.monotonic() + PING_SECONDS))
        # with a backup controller one of them being up is enough
        if b" is UP" not in pong.output:
            raise TemporaryError(f"{where}: scontrol ping: {_said(pong)}")
        nodes = self._nodes(where, deadline)
        jobs = self._run(JOBS, where, deadline)
        if jobs.code != 0:
            raise TemporaryError(f"{where}: {JOBS[0]}: {_said(jobs)}")
        steps = self._run(STEPS, where, deadline)
        return Answers(
            nodes,
            records(jobs.output, "jobs", f"{where}: squeue --json"),
            _steps(steps),
        )

    def _nodes(self, where: str, deadline: float) -> list[Raw]:
        command = NODES if self._speaks_json else OLD_NODES
        done = self._run(command, where, deadline)
        if done.code != 0 and command is NODES:
            self._speaks_json = False
            done = self._run(OLD_NODES, where, deadline)
        if done.code != 0:
            self._speaks_json = True
            raise TemporaryError(f"{where}: {' '.join(command)}: {_said(done)}")
        return records(done.output, "nodes", f"{where}: {' '.join(command)}")

    def _run(self, command: Command, where: str, deadline: float) -> Finished:
        program = (
            str(self._bin_dir / command[0])
            if self._bin_dir
            else shutil.which(command[0], path=self._environment.get("PATH"))
        )
        if program is None:
            raise TemporaryError(
                f"{where}: {command[0]} is not on PATH; install Slurm's client or set bin_dir"
            )
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            arguments = [program, *command[1:]]
            return run_command(arguments, self._environment, left, self._max_bytes)
        except TimeoutError as error:
            raise TemporaryError(f"{where}: {' '.join(command)}: no answer in time") from error
        except InputError as error:
            raise InputError(f"{where}: {error}; raise max_body_bytes") from error
        except OSError as error:
            raise TemporaryError(f"{where}: {program}: {error.strerror}; see bin_dir") from error


def _steps(done: Finished) -> list[Raw]:
    """The steps, as far as this Slurm tells them: without them only ranks are missing."""
    try:
        return records(done.output, "steps", "scontrol show step") if done.code == 0 else []
    except InputError:
        return []


def _said(done: Finished) -> str:
    """The first line of what a command said."""
    text = done.errors or done.output.decode("utf-8", "replace")
    lines = text.strip().splitlines()
    return lines[0][:300] if lines else f"exit status {done.code}"


def environment_of(names: tuple[str, ...], slurm_conf: Path | None) -> dict[str, str]:
    """What the commands see: the variables of ours that are named, and nothing else."""
    found = {name: os.environ[name] for name in names if name in os.environ}
    found["LC_ALL"] = "C.UTF-8"
    if slurm_conf is not None:
        found["SLURM_CONF"] = str(slurm_conf)
    return found
