"""One threshold rule, and what it remembers of each device: vectorised hysteresis and hold time."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleetops.detect.devices import Rows, grown
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Severity

Floats = npt.NDArray[np.float64]
BASELINE_SECONDS = 600.0
"""Time constant of a device's own baseline while it is normal."""
ADAPTING_SECONDS = 6 * 3600.0
"""The same while it is not: a change made on purpose becomes the new normal within a shift."""
BASELINE_READINGS = 20
"""Readings before a baseline is trusted."""


class ThresholdRule(BaseModel):
    """One rule; see the head of ``rules/thresholds.yaml`` for the meaning of the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device_class: str
    metric: str
    kind: str
    raise_at: float
    clear_at: float
    for_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    clear_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    relative_to: Literal["value", "rated", "baseline", "siblings", "loop"] = "value"
    reference_metric: str | None = None
    bits: int | None = None
    """Mask: the value judged is 1 where any of these bits is set, else 0."""
    between: tuple[float, float] | None = None
    """Readings outside these are not judged by this rule."""
    needs_normal_first: bool = False
    """Judge a device only once it was seen in order: what was never in use is not broken."""
    severity: Severity | None = None
    """The kind's unless given."""
    source: str
    """Where the limits come from."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.raise_at == self.clear_at:
            raise ValueError("raise_at and clear_at are equal; leave room between them")
        if (self.relative_to == "rated") != (self.reference_metric is not None):
            raise ValueError("reference_metric is given for relative_to rated, and only for it")
        try:
            declared = load_catalog()[self.device_class]
            for metric in filter(None, (self.metric, self.reference_metric)):
                declared.metric(metric)
        except KeyError as error:
            raise ValueError(error.args[0]) from error
        return self

    @property
    def is_upper(self) -> bool:
        """Whether too much is wrong, rather than too little."""
        return self.raise_at > self.clear_at

    @property
    def is_peer_rule(self) -> bool:
        """Whether it compares devices, so that it is judged once for all of them."""
        return self.relative_to in {"siblings", "loop"}


@cache
def shipped_rules() -> dict[str, ThresholdRule]:
    """The rules of this version, by name."""
    text = (files("fleetops.detect.rules") / "thresholds.yaml").read_text("utf-8")
    data = yaml.safe_load(text)["rules"]
    return {name: ThresholdRule.model_validate(rule) for name, rule in data.items()}


class RuleState:
    """What a rule remembers: arrays with room for the devices and more.

    Times are seconds since 1970, NaN for never.
    """

    def __init__(self, rule: ThresholdRule) -> None:
        self.rule = rule
        self.firing = np.zeros(0, np.bool_)
        self.value = np.zeros(0)
        """The last reading judged, in the metric's unit."""
        self.reference = np.zeros(0)
        """What it was compared with then: 1 for the reading itself."""
        self.current = np.zeros(0)
        """For rules that compare devices: the newest reading, NaN where it is null."""
        self.raised_since = np.zeros(0)
        self._cleared_since = np.zeros(0)
        self._was_normal = np.zeros(0, np.bool_)
        self._baseline = np.zeros(0)
        self._baseline_at = np.zeros(0)
        self._baseline_count = np.zeros(0, np.int64)

    def grow(self, count: int) -> None:
        """Makes room for so many devices."""
        for name in ("firing", "_was_normal"):
            setattr(self, name, grown(getattr(self, name), count, fill=False))
        for name in ("value", "reference", "current", "raised_since", "_cleared_since"):
            setattr(self, name, grown(getattr(self, name), count, fill=np.nan))
        if self.rule.relative_to == "baseline":
            self._baseline = grown(self._baseline, count, fill=np.nan)
            self._baseline_at = grown(self._baseline_at, count, fill=np.nan)
            self._baseline_count = grown(self._baseline_count, count, fill=0)

    def judge(self, rows: Rows, values: Floats, references: Floats, times: Floats) -> Rows:
        """Takes readings of different devices in; the rows that began or ceased to fire.

        A null reading changes nothing: it is neither in order nor out of it.
        """
        rule = self.rule
        known = ~np.isnan(values) & ~np.isnan(references)
        if rule.between is not None:
            low, high = rule.between
            with np.errstate(invalid="ignore"):
                known &= (values >= low) & (values <= high)
        rows, values = rows[known], values[known]
        references, times = references[known], times[known]
        with np.errstate(divide="ignore", invalid="ignore"):
            judged = values / references
        sign = 1.0 if rule.is_upper else -1.0
        wrong = sign * judged >= sign * rule.raise_at
        right = sign * judged <= sign * rule.clear_at
        self._was_normal[rows] |= right
        if rule.needs_normal_first:
            wrong &= self._was_normal[rows]
        self.value[rows], self.reference[rows] = values, references
        self.raised_since[rows] = _since(self.raised_since[rows], wrong, times)
        self._cleared_since[rows] = _since(self._cleared_since[rows], right, times)
        firing = self.firing[rows]
        begin = wrong & ~firing & (times - self.raised_since[rows] >= rule.for_seconds)
        cease = right & firing & (times - self._cleared_since[rows] >= rule.clear_seconds)
        self.firing[rows] = (firing | begin) & ~cease
        changed: Rows = rows[begin | cease]
        return changed

    def baselines(self, rows: Rows, values: Floats, times: Floats) -> Floats:
        """(rows,) each device's own normal so far, NaN until known; then learns the readings."""
        known = (self._baseline_count[rows] >= BASELINE_READINGS) & ~np.isnan(values)
        baseline = np.where(known, self._baseline[rows], np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = values / baseline
        sign = 1.0 if self.rule.is_upper else -1.0
        normal = ~known | (sign * ratio <= sign * self.rule.clear_at)
        elapsed = np.maximum(times - self._baseline_at[rows], 0.0)
        weight = -np.expm1(-elapsed / np.where(normal, BASELINE_SECONDS, ADAPTING_SECONDS))
        # the first readings are averaged plainly: an exponential mean would keep the first for long
        weight = np.where(known, weight, 1.0 / (self._baseline_count[rows] + 1.0))
        before = self._baseline[rows]
        learned = np.where(np.isnan(before), values, before + weight * (values - before))
        there = ~np.isnan(values)
        self._baseline[rows] = np.where(there, learned, before)
        self._baseline_at[rows] = np.where(there, times, self._baseline_at[rows])
        self._baseline_count[rows] += there
        return baseline

    def restore(self, row: int) -> None:
        """The rule fired for that device before a restart; only readings end it."""
        self.firing[row] = self._was_normal[row] = True


def _since(before: Floats, holds: npt.NDArray[np.bool_], times: Floats) -> Floats:
    """Since when a condition has held without a break; NaN where it does not."""
    since: Floats = np.where(holds, np.fmin(before, times), np.nan)
    return since
