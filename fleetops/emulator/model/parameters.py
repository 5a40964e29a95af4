"""Numbers of profiles as arrays over the devices of a site."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fleetops.emulator.groups import NONE
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Accelerator, Platform

AMBIENT_CELSIUS = 25.0
"""Of the air that shelves and switches take in (assumed)."""


def by_accelerator(site: Site, number: Callable[[Accelerator], float]) -> Floats:
    """(accelerators,) a number of each accelerator's profile."""
    values = np.zeros(len(site.accelerators))
    for group in site.groups:
        if group.platform.accelerator is not None:
            values[group.accelerators] = float(number(group.platform.accelerator))
    return values


def by_host(site: Site, number: Callable[[Platform], float]) -> Floats:
    """(hosts,) a number of each host's platform."""
    values = np.zeros(len(site.hosts))
    for group in site.groups:
        values[group.hosts] = float(number(group.platform))
    return values


def is_liquid(site: Site) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(hosts,) whether coolant carries the heat of accelerators and processors away."""
    liquid: np.ndarray[tuple[int], np.dtype[np.bool_]] = site.loop_of_host != NONE
    return liquid


def towards(value: Floats, target: Floats | float, ratio: Floats | float) -> Floats:
    """First-order approach, exact for a constant target; ``ratio`` is seconds a time constant."""
    moved: Floats = value + (target - value) * -np.expm1(-np.asarray(ratio))
    return moved
