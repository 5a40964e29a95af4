"""Slurm, through ``scontrol`` and ``squeue``: argument lists, JSON, and a deadline of our own.

Facts behind it, seen on 24.11: ``NodeName=ALL`` and a node's host name are accepted as names, so a
node is read by its exact name before a write; ``UNDRAIN`` lifts the drain and leaves a node that
went down where it is, while ``RESUME`` would bring it back; a controller that hangs answers an
update with "Socket timed out" after 10 s and still carries it out later.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

from fleetops.core.clock import Clock
from fleetops.core.command import Finished, run_command
from fleetops.core.errors import (
    AmbiguousWriteError,
    ConfigError,
    FleetOpsError,
    InputError,
    NotFoundError,
    RefusedError,
    SchedulerUnavailableError,
)
from fleetops.core.hostlist import fold
from fleetops.operate.ownership import clean_reason
from fleetops.operate.schedulers.base import SchedulerConfig
from fleetops.operate.schedulers.names import NODE_NAME, check_node_name
from fleetops_collectors.slurm.jobs import HOLDING_STATES, holders, parse_job
from fleetops_collectors.slurm.nodes import parse_node
from fleetops_collectors.slurm.shapes import Raw, records
from fleetops_schemas.records import Job, NodeState

PING_SECONDS = 3.0
"""A live controller answers in 8-53 ms; a dead one is known in 8 ms; a hung one never answers."""
ASK_BY_NAME = 64
"""Up to so many nodes are asked for by name; above it all are read (2,048 in 0.3 s)."""
OLD_CLIENT = re.compile(r"unrecognized option|invalid option|unknown option|invalid keyword", re.I)

# What scontrol says, and what it means for a write that it answered with an error.
REFUSALS: tuple[tuple[str, type[FleetOpsError]], ...] = (
    (r"invalid node name", NotFoundError),
    (r"invalid user id|permission denied|authentication|not authorized", RefusedError),
    (r"invalid node state|request denied|specify a reason|disabled", RefusedError),
    (r"unable to contact|connect failure|connection refused", SchedulerUnavailableError),
)


class SlurmConfig(SchedulerConfig):
    """How Slurm's commands are reached."""

    bin_dir: Path | None = None
    """Folder of ``scontrol`` and ``squeue``; None takes them from PATH."""
    slurm_conf: Path | None = None
    """Value of SLURM_CONF for the commands; None leaves Slurm's default."""
    environment: tuple[str, ...] = ("PATH", "HOME", "LD_LIBRARY_PATH", "SLURM_CONF", "SLURM_JWT")
    """Variables of our environment that the commands see, and no others."""


class SlurmScheduler:
    """A Slurm cluster. Holds no state, so any number of threads may call it."""

    name: ClassVar[str] = "slurm"
    config_model: ClassVar[type[SchedulerConfig]] = SlurmConfig
    keeps_reason: ClassVar[bool] = True

    def __init__(self, config: SlurmConfig, clock: Clock) -> None:
        """Takes its settings; calls nothing."""
        self._config = config
        self._clock = clock
        self._environment = {n: os.environ[n] for n in config.environment if n in os.environ}
        self._environment["LC_ALL"] = "C.UTF-8"
        if config.slurm_conf is not None:
            self._environment["SLURM_CONF"] = str(config.slurm_conf)

    @classmethod
    def create(cls, config: SchedulerConfig, clock: Clock) -> Self:
        """Makes the adapter."""
        if not isinstance(config, SlurmConfig):
            raise ConfigError(f"slurm needs a SlurmConfig, got a {type(config).__name__}")
        return cls(config, clock)

    def ping(self) -> None:
        """Asks the controller for a sign of life."""
        self._ping(self._deadline())

    def nodes(self, names: Collection[str] | None = None) -> dict[str, NodeState]:
        """States by node, with the jobs that hold each."""
        deadline = self._deadline()
        wanted = None if names is None else {name for name in names if NODE_NAME.match(name)}
        if wanted is not None and not wanted:
            return {}
        raw_nodes = self._raw_nodes(wanted, deadline)
        holding = holders(list(self._jobs(HOLDING_STATES, deadline)))
        now = self._clock.now()
        states = (parse_node(r, holding.get(r["name"], ()), now) for r in raw_nodes)
        return {state.node: state for state in states if wanted is None or state.node in wanted}

    def jobs(self) -> list[Job]:
        """Jobs that hold or wait for nodes."""
        wanted = HOLDING_STATES | {"PENDING"}
        return list(self._jobs(wanted, self._deadline()))

    def drain(self, node: str, reason: str) -> None:
        """Keeps new work off the node; running work goes on."""
        text = clean_reason(reason)
        if not text:
            raise RefusedError(f"drain of {node}: Slurm demands a reason; give one")
        self._write(node, [f"NodeName={node}", "State=DRAIN", f"Reason={text}"])

    def undrain(self, node: str) -> None:
        """Lifts the drain; a node that is down stays down."""
        self._write(node, [f"NodeName={node}", "State=UNDRAIN"], only_drained=True)

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, node: str, update: list[str], *, only_drained: bool = False) -> None:
        deadline = self._deadline()
        check_node_name(node)
        self._ping(deadline)
        found = [raw for raw in self._raw_nodes({node}, deadline) if raw.get("name") == node]
        if not found:
            raise NotFoundError(f"Slurm knows no node {node}; see: sinfo -N")
        if only_drained and not parse_node(found[0], (), self._clock.now()).drained:
            raise RefusedError(f"{node} is not drained")
        try:
            done = self._run(["scontrol", "update", *update], deadline)
        except TimeoutError as error:
            raise AmbiguousWriteError(f"scontrol update of {node}: no answer in time") from error
        if done.code != 0:
            raise _refusal(done, f"scontrol update of {node}")

    def _ping(self, deadline: float) -> None:
        try:
            limit = min(deadline, self._clock.monotonic() + PING_SECONDS)
            done = self._run(["scontrol", "ping"], limit)
        except TimeoutError as error:
            raise SchedulerUnavailableError("scontrol ping: no answer in time") from error
        # With a backup controller one of them being up is enough.
        if b" is UP" not in done.output:
            said = (done.output.decode("utf-8", "replace").strip() or done.errors).splitlines()
            raise SchedulerUnavailableError(f"scontrol ping: {said[0] if said else 'no answer'}")

    def _raw_nodes(self, names: set[str] | None, deadline: float) -> list[Raw]:
        by_name = names is not None and len(names) <= ASK_BY_NAME
        which = [fold(names)] if names and by_name else []
        command = ["scontrol", "show", "node", *which, "--json"]
        done = self._read(command, deadline, tolerate=OLD_CLIENT)
        if done.code != 0:  # 21.08: only sinfo and squeue speak JSON
            command = ["sinfo", "--json"]
            done = self._read(command, deadline)
        with _as_unavailable():
            listed = records(done.output, "nodes", " ".join(command))
        return [raw for raw in listed if raw.get("name")]

    def _jobs(self, states: Collection[str], deadline: float) -> Iterator[Job]:
        # 21.08 prints every job whatever was asked, so the states are checked again.
        command = ["squeue", "--json", "--states=" + ",".join(sorted(states))]
        done = self._read(command, deadline)
        now = self._clock.now()
        with _as_unavailable():
            listed = records(done.output, "jobs", command[0])
            jobs = [parse_job(raw, now) for raw in listed]
        return (job for job in jobs if job.state in states)

    def _read(
        self, command: Sequence[str], deadline: float, tolerate: re.Pattern[str] | None = None
    ) -> Finished:
        try:
            with _as_unavailable():
                done = self._run(command, deadline)
        except TimeoutError as error:
            raise SchedulerUnavailableError(f"{' '.join(command)}: no answer in time") from error
        if done.code != 0 and not (tolerate and tolerate.search(done.errors)):
            raise SchedulerUnavailableError(str(_refusal(done, " ".join(command))))
        return done

    def _run(self, command: Sequence[str], deadline: float) -> Finished:
        folder = self._config.bin_dir
        program = str(folder / command[0]) if folder else shutil.which(command[0])
        if program is None:
            raise SchedulerUnavailableError(
                f"{command[0]} is not on PATH; install Slurm's client or set bin_dir"
            )
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError(f"no time left for {command[0]}")
        try:
            return run_command([program, *command[1:]], self._environment, left)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise SchedulerUnavailableError(f"{program}: {error.strerror}; see bin_dir") from error

    def _deadline(self) -> float:
        return self._clock.monotonic() + self._config.deadline_seconds


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """An answer that cannot be used is as good as none."""
    try:
        yield
    except InputError as error:
        raise SchedulerUnavailableError(str(error)) from error


def _refusal(done: Finished, what: str) -> FleetOpsError:
    """The error for a command that failed; ambiguous unless its words rule a change out."""
    words = done.errors or done.output.decode("utf-8", "replace").strip()
    text = f"{what}: {clean_reason(words) or f'exit status {done.code}'}"
    for pattern, error in REFUSALS:
        if re.search(pattern, words, re.IGNORECASE):
            return error(text)
    return AmbiguousWriteError(text)
