"""How faults come on, and how long they last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import Field

from fleetops.emulator.fault_targets import Model

Value = float | str
"""A number, or the name of a parameter."""


class Form(StrEnum):
    """How a fault comes on."""

    STEP = "step"
    """At once, until it ends."""
    RAMP = "ramp"
    """Linearly within ``seconds``."""
    PULSE = "pulse"
    """On for ``duty_ratio`` of every ``period_seconds``, from the onset."""
    FADE = "fade"
    """At once, and linearly back to nothing within ``seconds``."""


class Shape(Model):
    """A form and its numbers."""

    form: Form = Form.STEP
    seconds: Value = 0.0
    period_seconds: Value = 60.0
    duty_ratio: Value = 0.5

    def values(self) -> tuple[Value, ...]:
        """Its numbers, or the parameters that they are."""
        return (self.seconds, self.period_seconds, self.duty_ratio)

    def given(self, numbers: Mapping[str, float]) -> Course:
        """The same with every parameter filled in."""
        seconds, period, duty = (number_of(value, numbers) for value in self.values())
        return Course(form=self.form, seconds=seconds, period_seconds=period, duty_ratio=duty)


class Course(Model):
    """A shape in numbers."""

    form: Form
    seconds: float
    period_seconds: float
    duty_ratio: float

    def period(self, tick_seconds: float) -> float:
        """From pulse to pulse: two ticks at least, so that a tick sees it come and one go."""
        return max(self.period_seconds, 2.0 * tick_seconds)

    def on(self, tick_seconds: float) -> float:
        """Length of a pulse, a tick at least."""
        return max(self.duty_ratio * self.period(tick_seconds), tick_seconds)

    def progress(self, since_seconds: float, tick_seconds: float) -> float:
        """0 (nothing) to 1 (full effect), so long after the onset."""
        match self.form:
            case Form.RAMP:
                return min(since_seconds / self.seconds, 1.0) if self.seconds > 0.0 else 1.0
            case Form.FADE:
                return max(1.0 - since_seconds / max(self.seconds, tick_seconds), 0.0)
            case Form.PULSE:
                within = since_seconds % self.period(tick_seconds)
                return float(within < self.on(tick_seconds))
            case Form.STEP:
                return 1.0

    def pulse(self, since_seconds: float, tick_seconds: float) -> int:
        """Number of the pulse, from 0; 0 for other forms."""
        if self.form is not Form.PULSE:
            return 0
        return int(since_seconds // self.period(tick_seconds))


class Duration(Model):
    """How long faults of a kind last when chance makes them; log-normal."""

    mean_seconds: Annotated[float, Field(gt=0.0)] = 3600.0
    deviation: Annotated[float, Field(ge=0.0, le=4.0)] = 1.0
    """Of ln(seconds)."""
    persistent_ratio: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of those that last until somebody repairs them."""
    why: str = "assumed"

    def draw(self, rng: np.random.Generator) -> float | None:
        """Seconds, or None for one that stays. Takes two draws, whatever comes out."""
        stays = rng.random() < self.persistent_ratio
        mean = math.log(self.mean_seconds) - self.deviation**2 / 2.0
        seconds = float(rng.lognormal(mean, self.deviation))
        return None if stays else max(seconds, 1.0)


def number_of(value: Value, numbers: Mapping[str, float]) -> float:
    """The number that a value is, or that the parameter of its name has."""
    return numbers[value] if isinstance(value, str) else value
