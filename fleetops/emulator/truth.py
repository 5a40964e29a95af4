"""Ground truth: a JSON-lines file beside a run, one fault episode a line.

It is for evaluation alone. No server shows it, the API and whatever acts cannot import this
package, and the file lies outside of the folder that interfaces write to and can be read by its
owner only. A line is written when its episode begins; ``t_off`` is then known, or null for one that
lasts until the run's end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from typing_extensions import override

from fleetops.core.closing import Closing
from fleetops.core.errors import ConfigError, InputError
from fleetops.emulator.fault_kinds import Category
from fleetops.emulator.fault_places import Places
from fleetops.emulator.fault_schedule import FaultSchedule, ScheduledFault
from fleetops.emulator.fault_truth import Blame
from fleetops.emulator.groups import Indices
from fleetops.emulator.model.effects import Scope
from fleetops_schemas.records import Severity, Verdict

MAX_TRUTH_BYTES = 256 * 1024 * 1024
OWNER_ONLY = 0o600


class Episode(BaseModel):
    """One fault, as it really was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: str
    category: Category
    component: str
    """What it struck: ``node007/gpu3``, ``cdu1``, ``job81/stage3``, ``site``."""
    host: str | None
    """The host that the component is or stands in; null for what hosts share."""
    hosts: int
    """How many hosts it concerns at once."""
    t_on: AwareDatetime
    t_off: AwareDatetime | None
    parameters: dict[str, float | str]
    """As they were: how severe it is in its own terms."""
    severity: Severity
    verdict: Verdict | Literal["none"]
    blame: str | None
    """The device that is the cause; null where nobody's is."""
    expected: tuple[str, ...]
    """Fault kinds, any of which names it rightly."""
    drain: bool
    """Whether taking the host out of service is right."""
    detectable: bool


def episode_of(scheduled: ScheduledFault, places: Places, began: datetime) -> Episode:
    """The truth about a fault of a fleet whose time began at ``began``."""
    truth, place = scheduled.truth, scheduled.place
    hosts = place.extent[Scope.HOST]
    stands_in = place.scope in {Scope.HOST, Scope.ACCELERATOR, Scope.PORT} and len(hosts) == 1
    ends_at = scheduled.ends_at
    return Episode(
        id=scheduled.id,
        kind=scheduled.kind.kind,
        category=scheduled.kind.category,
        component=place.name,
        host=places.site.hosts[hosts[0]] if stands_in else None,
        hosts=len(hosts),
        t_on=began + timedelta(seconds=scheduled.begins_at),
        t_off=None if ends_at is None else began + timedelta(seconds=ends_at),
        parameters=scheduled.words,
        severity=truth.severity,
        verdict=truth.verdict,
        blame=_blamed(truth.blame, scheduled, places),
        expected=truth.expected,
        drain=truth.drain,
        detectable=scheduled.kind.truth.detectable,
    )


class TruthFile(Closing):
    """Writes the episodes of a schedule as they begin."""

    def __init__(
        self, path: Path, schedule: FaultSchedule, began: datetime, *, served: Path | None = None
    ) -> None:
        """Makes the file anew, for its owner alone.

        Args:
            path: of the file.
            schedule: whose faults.
            began: when fleet time began.
            served: folder that interfaces write to, in which the file must not be.

        Raises:
            ConfigError: it would lie in ``served``, or cannot be written.
        """
        if served is not None and path.resolve().is_relative_to(served.resolve()):
            raise ConfigError(
                f"{path} is in {served}, which interfaces show; put the truth beside it"
            )
        self._schedule = schedule
        self._began = began
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(path, flags, OWNER_ONLY)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        schedule.on_begin.append(self._write)

    @override
    def close(self) -> None:
        """Writes no more."""
        if not self._file.closed:
            self._schedule.on_begin.remove(self._write)
            self._file.close()

    def _write(self, scheduled: ScheduledFault) -> None:
        episode = episode_of(scheduled, self._schedule.places, self._began)
        self._file.write(episode.model_dump_json() + "\n")
        self._file.flush()


def read_truth(path: Path) -> list[Episode]:
    """The episodes of a file, in the order in which they began.

    Raises:
        InputError: it cannot be read, is too long or holds something else.
    """
    try:
        if path.stat().st_size > MAX_TRUTH_BYTES:
            raise InputError(f"{path}: larger than {MAX_TRUTH_BYTES} bytes")
        lines = path.read_text("utf-8").splitlines()
        return [Episode.model_validate_json(line) for line in lines]
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: no file of episodes: {error}") from error


_OWNERS = {
    "host": Scope.HOST,
    "rack": Scope.RACK,
    "coolant_unit": Scope.LOOP,
    "power_shelf": Scope.SHELF,
    "port": Scope.PORT,
}


def _blamed(blame: Blame, scheduled: ScheduledFault, places: Places) -> str | None:
    if blame == "nobody":
        return None
    if blame == "target":
        return scheduled.place.name
    owners: Indices = scheduled.place.extent[_OWNERS[blame]]
    names: Sequence[str] = places.site.names(_OWNERS[blame].value)
    return ",".join(names[owner] for owner in owners)
