"""Scenarios: scripted faults with the outcome that has to come true, as YAML.

Shipped ones lie in ``scenarios/``; anyone may write a file of the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, model_validator
from typing_extensions import override

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import fault_kind
from fleetops.emulator.fault_schedule import HARNESS_KINDS, Fault
from fleetops.emulator.fault_targets import Model
from fleetops_schemas.records import Severity, Verdict

DEFAULT_SCENARIO = "cold_plate_clog"
LEAD_SECONDS = 10.0
"""Before a fault that is only watched: a while in which all is well."""
MAX_SCENARIO_BYTES = 1024 * 1024


class DeviceReference(Model):
    """A device of whatever host has that index: ``{host_index: 6, part: gpu2}``."""

    host_index: Annotated[int, Field(ge=0)]
    part: str | None = None
    """The rest of the device name; the host itself without it."""

    def resolve(self, hosts: Sequence[str]) -> str:
        """The device's name.

        Raises:
            ConfigError: the fleet has fewer hosts.
        """
        if self.host_index >= len(hosts):
            raise ConfigError(f"host_index {self.host_index}, but there are {len(hosts)} hosts")
        host = hosts[self.host_index]
        return f"{host}/{self.part}" if self.part else host


Device = str | DeviceReference


def device_name(device: Device, hosts: Sequence[str]) -> str:
    """The name of a device, however it was written.

    Raises:
        ConfigError: the fleet has fewer hosts than the index says.
    """
    return device if isinstance(device, str) else device.resolve(hosts)


def is_part_of(device: str, whole: str) -> bool:
    """Whether a device is ``whole`` or stands in it: ``node001/gpu5`` in ``node001``."""
    return device == whole or device.startswith(f"{whole}/")


class ExpectedIncident(Model):
    """One incident that must be there. What is not given is not asked for."""

    kind: str
    verdict: Verdict
    cause_device: Device | None = None
    """The cause is this device or a part of it (see :func:`is_part_of`)."""
    severity: Severity | None = None
    suspect_hosts: tuple[Device, ...] = ()
    """Exactly these."""
    affected_hosts_include: tuple[Device, ...] = ()

    def resolve(self, hosts: Sequence[str]) -> Self:
        """The same with every device by name."""
        return self.model_copy(
            update={
                "cause_device": None
                if self.cause_device is None
                else device_name(self.cause_device, hosts),
                "suspect_hosts": _names(self.suspect_hosts, hosts),
                "affected_hosts_include": _names(self.affected_hosts_include, hosts),
            }
        )


class Expectation(Model):
    """What must hold at one time: these incidents, drains and approvals, and no others."""

    incidents: tuple[ExpectedIncident, ...] = ()
    drained: tuple[Device, ...] = ()
    """Exactly these nodes are drained."""
    pending_approval: tuple[str, ...] = ()
    """Targets of the actions that wait for a person."""
    nothing_else: bool = True
    """No further incident is opened and no further action taken."""

    def resolve(self, hosts: Sequence[str]) -> Self:
        """The same with every device by name."""
        return self.model_copy(
            update={
                "incidents": tuple(item.resolve(hosts) for item in self.incidents),
                "drained": _names(self.drained, hosts),
            }
        )


class Checkpoint(Expectation):
    """What must hold at a moment on the way."""

    at_seconds: Annotated[float, Field(gt=0.0)]
    """After the scenario's start."""


class Outcome(Expectation):
    """How the scenario must end."""

    within_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 90.0
    """After the scenario's start, by when it must have come true."""
    hold_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 10.0
    """How long it must then stay true: a wrong drain may come late."""
    checkpoints: tuple[Checkpoint, ...] = ()

    @override
    def resolve(self, hosts: Sequence[str]) -> Self:
        """The same with every device by name, at the checkpoints too."""
        points = tuple(point.resolve(hosts) for point in self.checkpoints)
        return super().resolve(hosts).model_copy(update={"checkpoints": points})


class Scenario(Model):
    """Faults in time, and what FleetOps must make of them."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    description: str
    faults: tuple[Fault, ...]
    outcome: Outcome | None = None
    """None: nobody states what must come of it; it is there to be watched."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for fault in self.faults:
            try:
                _check_fault(fault)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def hardware_faults(self) -> tuple[Fault, ...]:
        """Those that the emulator strikes."""
        return tuple(fault for fault in self.faults if not fault.harness)

    @property
    def harness_faults(self) -> tuple[Fault, ...]:
        """Those that whoever runs the scenario strikes."""
        return tuple(fault for fault in self.faults if fault.harness)


def _check_fault(fault: Fault) -> None:
    if not fault.harness:
        fault_kind(fault.kind).check(fault.parameters)
    elif fault.kind not in HARNESS_KINDS:
        raise ConfigError(
            f"harness fault {fault.kind!r} is unknown; there are: {', '.join(HARNESS_KINDS)}"
        )


def _names(devices: Sequence[Device], hosts: Sequence[str]) -> tuple[str, ...]:
    return tuple(device_name(device, hosts) for device in devices)


def list_scenarios() -> list[Scenario]:
    """The shipped scenarios, the default first, then by name."""
    names = [entry.name.removesuffix(".yaml") for entry in _folder().iterdir()]
    scenarios = [load_scenario(name) for name in sorted(names) if not name.startswith("_")]
    return sorted(scenarios, key=lambda item: (item.name != DEFAULT_SCENARIO, item.name))


def scenario_of(faults: Sequence[str]) -> Scenario:
    """A scenario that only lets faults happen, each a kind or JSON, ten seconds after its start.

    Raises:
        ConfigError: one is no fault.
    """
    parsed = [parse_fault(text) for text in faults]
    first = fault_kind(parsed[0].kind)
    return Scenario(
        name=first.kind,
        title=first.title,
        description=first.about,
        faults=tuple(
            one if one.at_seconds else one.model_copy(update={"at_seconds": LEAD_SECONDS})
            for one in parsed
        ),
    )


def parse_fault(text: str) -> Fault:
    """A fault as people write it on a command line: a kind, or JSON.

    Raises:
        ConfigError: it is no fault.
    """
    if not text.lstrip().startswith("{"):
        return Fault(kind=fault_kind(text).kind)
    try:
        return Fault.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(describe(error, "--fault")) from error


def load_scenario(name_or_path: str) -> Scenario:
    """A shipped scenario by name, or one from a YAML file.

    Raises:
        ConfigError: there is none, or it is wrong; names file, key and remedy.
    """
    entry: Traversable = _folder() / f"{name_or_path}.yaml"
    if not entry.is_file():
        entry = Path(name_or_path)
    try:
        text = entry.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        there = sorted(item.name.removesuffix(".yaml") for item in _folder().iterdir())
        raise ConfigError(
            f"no scenario {name_or_path!r} and no readable file of that name ({error}); "
            f"shipped: {', '.join(there)}"
        ) from error
    if len(text) > MAX_SCENARIO_BYTES:
        raise ConfigError(f"{name_or_path}: larger than {MAX_SCENARIO_BYTES} bytes")
    try:
        return Scenario.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{name_or_path}: not YAML: {error}") from error
    except ValidationError as error:
        raise ConfigError(describe(error, name_or_path)) from error


def _folder() -> Traversable:
    return files("fleetops.emulator") / "scenarios"
