"""Training jobs: what each rank does with its time, and what the communication library saw.

``StepReporter`` runs inside jobs whose image has none of our dependencies, so nothing else of this
package is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fleetops_collectors.training.reporter import StepReporter

if TYPE_CHECKING:
    from fleetops_collectors.training.collector import TrainingCollector
    from fleetops_collectors.training.config import TrainingConfig, TrainingTarget
    from fleetops_collectors.training.recording import decode_training

__all__ = [
    "StepReporter",
    "TrainingCollector",
    "TrainingConfig",
    "TrainingTarget",
    "decode_training",
]

_HOMES = {
    "TrainingCollector": "collector",
    "TrainingConfig": "config",
    "TrainingTarget": "config",
    "decode_training": "recording",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
