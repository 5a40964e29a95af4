"""What drivers call their counters: ``drivers.yaml``, read and applied."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict

from fleetops_schemas.catalog import load_catalog

STANDARD = "standard"
"""The names that the kernel defines for every driver."""


class Matched(NamedTuple):
    """The counters of an interface that add up to one metric."""

    metric: str
    names: tuple[str, ...]
    scale: float
    """Turns the driver's unit into the metric's."""


class Driver(BaseModel):
    """The names of one driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    aliases: tuple[str, ...] = ()
    """Further drivers with the same names."""
    scale: dict[str, float] = {}
    """By metric: see :class:`Matched`."""
    metrics: dict[str, tuple[str, ...]]
    """By metric: patterns of names, the preferred first."""

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple(
            (metric, re.compile(pattern))
            for metric, patterns in self.metrics.items()
            for pattern in patterns
        )

    def match(self, names: Iterable[str]) -> dict[str, Matched]:
        """By metric: its counters among the names."""
        names = tuple(names)
        found: dict[str, Matched] = {}
        for metric, pattern in self._patterns:
            if metric not in found and (fit := tuple(filter(pattern.fullmatch, names))):
                found[metric] = Matched(metric, fit, self.scale.get(metric, 1.0))
        return found


class Drivers(BaseModel):
    """The table of drivers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: date
    drivers: dict[str, Driver]

    def match(self, driver: str, names: Iterable[str]) -> list[Matched]:
        """Which counters belong to which metric; standard names count where the driver has none.

        Args:
            driver: Name of the driver; empty where it is not known, then the one whose names are
                most of these is taken. A driver without a table has only the standard names.
            names: The counters' names.
        """
        names = tuple(names)
        tables = [
            table
            for name, table in self.drivers.items()
            if not driver or driver in (name, *table.aliases)
        ]
        own = max((table.match(names) for table in tables), key=len, default={})
        return list({**self.drivers[STANDARD].match(names), **own}.values())


@cache
def load_drivers() -> Drivers:
    """The table shipped with this version; every metric in it is a column of ``fabric_port``.

    Raises:
        KeyError: one is not.
    """
    text = (files("fleetops_collectors.ethernet") / "drivers.yaml").read_text("utf-8")
    table = Drivers.model_validate(yaml.safe_load(text))
    for driver in table.drivers.values():
        for metric in driver.metrics:
            load_catalog()["fabric_port"].metric(metric)
    return table


@lru_cache(maxsize=64)
def match_counters(driver: str, names: tuple[str, ...]) -> tuple[Matched, ...]:
    """As :meth:`Drivers.match`, remembered: an interface has the same names round after round."""
    return tuple(load_drivers().match(driver, names))
