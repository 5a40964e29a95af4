"""Fault kinds: what can go wrong, as data. One YAML a kind in ``fault_kinds/``, package data.

A kind says what it does to channels of the model, which lines it leaves in logs, how it comes on,
how long it lasts, where it shows (its signature), what else it may move (its reach) and what is
true about it. What is *seen* of it comes out of the model and of the emulated firmware alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_shapes import Duration, Form, Shape, Value
from fleetops.emulator.fault_signature import Mark, Within
from fleetops.emulator.fault_targets import NEEDS, Model, TargetKind
from fleetops.emulator.fault_truth import Truth
from fleetops.emulator.model.effects import CHANNELS, Blend, Scope
from fleetops_schemas.faults import load_faults
from fleetops_schemas.platforms import Cooling
from fleetops_schemas.profiles import Basis, Identifier

FOLDER = "fault_kinds"
MAX_KIND_BYTES = 64 * 1024
Given = Mapping[str, float | str]
"""Parameters as they are given: numbers, or words where a parameter has choices."""


class Category(StrEnum):
    """What sort of trouble it is."""

    HARD = "hard"
    """Something broke."""
    SLOW = "slow"
    """Something works, but worse."""
    FACILITY = "facility"
    """A parent that hosts share: coolant, power, a leaf switch."""
    JOB = "job"
    """The job's own software."""
    TELEMETRY = "telemetry"
    """Only the data are wrong or missing."""
    CONFOUNDER = "confounder"
    """Looks like trouble and is none."""


class Parameter(Model):
    """One number that a fault of the kind may be given."""

    default: float | str
    about: str
    unit: str = ""
    """As names of metrics spell it; "" for a ratio, a factor or a code."""
    least: float = 0.0
    most: float = 1.0
    choices: dict[str, float] = Field(default_factory=dict)
    """Words that stand for numbers; with them nothing else is allowed."""

    @model_validator(mode="after")
    def _default_fits(self) -> Self:
        self.number(self.default)
        return self

    def number(self, given: float | str) -> float:
        """The number that is meant.

        Raises:
            ValueError: it is out of bounds, or no word that is known.
        """
        if self.choices:
            if given not in self.choices:
                raise ValueError(f"{given!r} is none of {', '.join(self.choices)}")
            return self.choices[str(given)]
        if isinstance(given, (str, bool)):
            raise ValueError(f"{given!r} is no number")
        if not self.least <= given <= self.most:
            raise ValueError(f"{given:g} is not between {self.least:g} and {self.most:g}")
        return float(given)


class Effect(Model):
    """What a fault does to one channel of the model."""

    channel: str
    value: Value | None = None
    """At full effect: a number, or the name of a parameter."""
    count: Value | None = None
    """Instead of a value, for a channel of events an hour: so many of them at the onset."""
    within: Within = Within.TARGET
    pick: Literal["all", "one"] = "all"
    """``one`` takes one of the devices by chance, another at every pulse."""
    when: dict[str, float | str] = Field(default_factory=dict)
    """Parameters that must have these values."""
    shape: Shape | None = None
    """Instead of the kind's."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        channel = CHANNELS.get(self.channel)
        if channel is None:
            raise ValueError(f"no channel {self.channel!r}; there are: {', '.join(CHANNELS)}")
        if (self.value is None) == (self.count is None):
            raise ValueError("give either value or count")
        if self.count is not None and not self.channel.endswith("_per_hour"):
            raise ValueError(f"{self.channel} is no channel of events an hour; give a value")
        return self

    @property
    def scope(self) -> Scope:
        """What the channel has an entry for."""
        return CHANNELS[self.channel].scope


class Log(Model):
    """Lines that a fault leaves in a log. Exactly one of the first four."""

    xid: Value | dict[int, float] | None = None
    """A code of the driver, or codes by weight, one of which is drawn each time."""
    sxid: int | None = None
    kernel: str = ""
    """Text of a kernel's line; {pci}, {nic}, {interface} and {host} are replaced."""
    message: str = ""
    """A MessageId of a management controller's log."""
    level: Literal["emerg", "alert", "crit", "err", "warning", "notice", "info"] = "err"
    severity: Literal["OK", "Warning", "Critical"] = "Warning"
    text: str = ""
    """Of the message."""
    within: Within = Within.TARGET
    pick: Literal["all", "one"] = "all"
    every_seconds: Value | None = None
    """Mean time between lines, by chance; one at the onset without it."""
    per_hour: Value | None = None
    """The same, told as a number an hour."""
    at: Literal["onset", "end", "pulse", "lull"] = "onset"
    """``pulse`` and ``lull``: whenever the kind's pulse comes on, and goes."""
    when: dict[str, float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = (self.xid is not None, self.sxid is not None, self.kernel != "", self.message != "")
        if sum(given) != 1:
            raise ValueError("give exactly one of xid, sxid, kernel and message")
        if self.every_seconds is not None and self.per_hour is not None:
            raise ValueError("give either every_seconds or per_hour")
        return self


class Suits(Model):
    """What a target has to be like; nothing is asked where nothing is said."""

    cooling: Cooling | None = None
    """Of the host."""
    vendor: Literal["nvidia", "amd", "meta", "intel"] | None = None
    """Of the host's accelerators: others' drivers have no such code."""
    scale_up: Literal["nvlink", "xgmi", "oam", "pcie"] | None = None
    """Of the links between the host's accelerators."""
    tier: Literal["leaf", "spine"] | None = None
    """Of the switch."""
    module: bool = False
    """The port has an optical module: copper has no light."""


class Source(Model):
    """Where the shape of a fault comes from."""

    basis: Basis
    text: str


class FaultKind(Model):
    """One kind of fault."""

    kind: Identifier
    title: str
    category: Category
    about: str
    target: TargetKind
    only: Suits = Suits()
    """Which targets can have it."""
    source: Source
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    shape: Shape = Shape()
    duration: Duration = Duration()
    effects: tuple[Effect, ...] = ()
    logs: tuple[Log, ...] = ()
    signature: tuple[Mark, ...] = ()
    """Empty for what cannot be seen."""
    reach: tuple[Within, ...] = ()
    """What else may change in consequence, each on top of those before."""
    truth: Truth

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = {name for effect in self.effects for name in effect.when}
        names |= {name for log in self.logs for name in log.when}
        names |= {name for case in self.truth.cases for name in case.when}
        names |= {value for value in self._values() if isinstance(value, str)}
        if unknown := names - set(self.parameters):
            raise ValueError(f"no such parameters: {', '.join(sorted(unknown))}")
        for effect in self.effects:
            if CHANNELS[effect.channel].blend is Blend.LEVEL and effect.count is not None:
                raise ValueError(f"{effect.channel} is a level; give a value")
        known = load_faults().kinds
        if unknown := set(self.truth.all_expected()) - set(known):
            raise ValueError(f"truth: no fault kinds {', '.join(sorted(unknown))} in kinds.yaml")
        if not self.signature and not self.logs and self.truth.detectable:
            raise ValueError("without a signature and a log it is not detectable; say so in truth")
        pulses = any(one.at in {"pulse", "lull"} for one in self.logs)
        if pulses and self.shape.form is not Form.PULSE:
            raise ValueError("a log at pulse or lull needs a shape of form pulse")
        return self

    def _values(self) -> list[Value | None]:
        shapes = [self.shape, *(one.shape for one in self.effects if one.shape)]
        values: list[Value | None] = [value for shape in shapes for value in shape.values()]
        values += [value for one in self.effects for value in (one.value, one.count)]
        values += [value for one in self.logs for value in (one.every_seconds, one.per_hour)]
        values += [one.xid for one in self.logs if not isinstance(one.xid, dict)]
        return values

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields of a target that must be given."""
        return NEEDS[self.target]

    def check(self, given: Given) -> dict[str, float | str]:
        """Every parameter as it is meant, defaults filled in.

        Raises:
            ConfigError: there is no such parameter, or its value cannot be.
        """
        for name, value in given.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ConfigError(f"fault {self.kind}: no parameter {name!r}; there are: {known}")
            try:
                self.parameters[name].number(value)
            except ValueError as error:
                raise ConfigError(f"fault {self.kind}: parameters.{name}: {error}") from error
        return {name: given.get(name, one.default) for name, one in self.parameters.items()}

    def numbers(self, words: Given) -> dict[str, float]:
        """Checked parameters as numbers."""
        return {name: one.number(words[name]) for name, one in self.parameters.items()}


@cache
def fault_kinds() -> Mapping[str, FaultKind]:
    """All shipped kinds by name, in order of category and name.

    Raises:
        ConfigError: a file is wrong; names it, the field and the remedy.
    """
    folder = files("fleetops.emulator") / FOLDER
    found = [
        parse_fault_kind(entry.read_text("utf-8"), entry.name)
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    order = list(Category)
    found.sort(key=lambda one: (order.index(one.category), one.kind))
    return {one.kind: one for one in found}


def fault_kind(name: str) -> FaultKind:
    """The kind of that name.

    Raises:
        ConfigError: there is none.
    """
    kinds = fault_kinds()
    if name not in kinds:
        raise ConfigError(f"fault kind {name!r} is unknown; there are: {', '.join(kinds)}")
    return kinds[name]


def parse_fault_kind(text: str, where: str) -> FaultKind:
    """The kind in a YAML text; ``where`` is the name of its file.

    Raises:
        ConfigError: it is too long, no YAML, no fault kind, or under another name than its file.
    """
    if len(text) > MAX_KIND_BYTES:
        raise ConfigError(f"{where}: {len(text)} characters; the limit is {MAX_KIND_BYTES}")
    try:
        kind = FaultKind.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML: {error}") from error
    except ValidationError as error:
        raise ConfigError(describe(error, where)) from error
    if where != f"{kind.kind}.yaml":
        raise ConfigError(f"{where}: its kind is {kind.kind!r}; rename one to match the other")
    return kind


def holds(when: Mapping[str, float | str], words: Given) -> bool:
    """Whether parameters have the values that a condition asks for."""
    return all(words[name] == value for name, value in when.items())
