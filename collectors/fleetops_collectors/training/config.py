"""What the ``training`` collector can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand
from fleetops_collectors.base import CollectorConfig, Target
from fleetops_collectors.training.ranks import RankNames
from fleetops_collectors.training.reporter import MAX_SOCKET_PATH

RAS_PORT = 28028
"""NCCL's own default (``NCCL_RAS_ADDR``)."""


class TrainingTarget(Target):
    """One source: a socket that jobs report to, files that they leave, or NCCL's RAS service."""

    job: str = ""
    """Id of the job, for sources that do not say it (files, RAS)."""
    hosts: str = ""
    """Hosts of the job in the order of its ranks, as a hostlist (``node[001-032]``)."""
    ranks_per_host: Annotated[int, Field(ge=1, le=1024)] = 8
    """With ``hosts``: ranks of each."""
    addresses: dict[str, str] = Field(default_factory=dict)
    """Host by address, or by what else the source calls it: ``{172.16.64.210: node001}``."""

    @field_validator("url")
    @classmethod
    def _has_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            path_only = parts.scheme in {"unix", "file"} and parts.path[:1] == "/"
            good = path_only and not parts.netloc
            if parts.scheme == "ras":
                good = bool(parts.hostname) and parts.port != 0 and not parts.path.strip("/")
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                f"{url!r} is no source of a training job; write unix:///run/fleetops/training.sock,"
                f" file:///FOLDER/PATTERN* or ras://localhost:{RAS_PORT}"
            )
        if url.startswith("unix:") and len(url.removeprefix("unix://").encode()) > MAX_SOCKET_PATH:
            raise ValueError(f"{url!r}: the path of a socket has at most {MAX_SOCKET_PATH} bytes")
        return url

    @field_validator("hosts")
    @classmethod
    def _is_a_hostlist(cls, hosts: str) -> str:
        try:
            if hosts:
                expand(hosts)
        except InputError as error:
            raise ValueError(str(error)) from error
        return hosts

    @model_validator(mode="after")
    def _knows_its_host(self) -> Self:
        if self.scheme == "unix" and self.host is None:
            raise ValueError(f"{self.name}: host: name the host that this socket is on")
        if self.scheme == "ras" and self.host is not None:
            raise ValueError(
                f"{self.name}: host: leave it out; the RAS service answers for all hosts of a job"
            )
        return self

    @property
    def scheme(self) -> str:
        """What kind of source it is: unix, file or ras."""
        return self.url.partition(":")[0]

    @property
    def path(self) -> Path:
        """Of a socket, or the pattern of files."""
        return Path(self.url.partition("://")[2])

    def names(self) -> RankNames:
        """How this source's ranks are called."""
        return RankNames(
            host=self.host,
            job=self.job,
            hosts=tuple(expand(self.hosts)) if self.hosts else (),
            ranks_per_host=self.ranks_per_host,
            addresses=self.addresses,
        )


def _octal(mode: object) -> object:
    """YAML reads an unquoted 0622 as the number it is in octal."""
    return f"{mode:o}" if isinstance(mode, int) and not isinstance(mode, bool) else mode


class TrainingConfig(CollectorConfig):
    """Reads what training jobs say of themselves."""

    targets: tuple[TrainingTarget, ...] = ()
    socket_mode: Annotated[str, Field(pattern="^0?[0-7]{3}$"), BeforeValidator(_octal)] = "0622"
    """Permissions of the socket: whoever may write it may report. 0622: every user of the host,
    since jobs run as their owners; 0620 with ``socket_group`` where that is too many."""
    socket_group: str | None = None
    """Group of the socket; the process' own otherwise."""
    listen_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How long a round listens where nothing came since the last one; below the deadline. A
    ``fleetops collect once`` needs it as long as the job's steps take."""
    max_ranks: Annotated[int, Field(ge=1, le=100_000)] = 4096
    """Ranks that are kept of a socket between rounds; more are counted and left out."""
    stall_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """A collective that ranks wait in for so long is an event. Half of the ten minutes after which
    PyTorch gives up on its own; checkpoints and evaluations keep ranks waiting for less."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Values from files that were written longer ago are stale."""
    max_files: Annotated[int, Field(ge=1, le=65_536)] = 4096
    """Files that one pattern may match; the newest are read."""
    max_file_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024 * 1024
    """Longest file, and longest answer of a RAS service."""
    ras_format: Literal["json", "text"] = "json"
    """Asked for first; NCCL before 2.28.7 knows text only and is asked for that then."""

    @model_validator(mode="after")
    def _listens_within_the_deadline(self) -> Self:
        if self.listen_seconds >= self.deadline_seconds:
            raise ValueError(
                f"listen_seconds is {self.listen_seconds:g}; keep it below deadline_seconds, "
                f"which is {self.deadline_seconds:g}"
            )
        return self
