"""Groups of emulated hosts: runs of equal platform, so that arrays are sliced and not searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetops_schemas.clusters import Role
from fleetops_schemas.platforms import Platform

Indices = NDArray[np.intp]
NONE = -1
"""Index of what is not there: the coolant unit of an air-cooled host."""


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts of one role and platform: a run of host indices, and of accelerator indices."""

    role: Role
    platform: Platform
    hosts: slice
    accelerators: slice


def indices(values: Iterable[int]) -> Indices:
    """An array of indices."""
    return np.array(list(values), dtype=np.intp)
