"""Plug-ins by entry point: a collector, detector, scheduler or sink is one class and one line."""

from __future__ import annotations

from importlib.metadata import entry_points

from fleetops.core.errors import ConfigError

GROUPS = ("collectors", "detectors", "schedulers", "alert_sinks")


def installed(group: str) -> list[str]:
    """Names of the plug-ins of ``fleetops.GROUP``."""
    return sorted({entry.name for entry in entry_points(group=f"fleetops.{group}")})


def load(group: str, name: str) -> type:
    """The class behind a plug-in's name.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    for entry in entry_points(group=f"fleetops.{group}"):
        if entry.name == name:
            try:
                loaded = entry.load()
            except ImportError as error:
                raise ConfigError(
                    f"the {group[:-1]} {name!r} cannot be loaded: {error}; "
                    "install the extra that brings it (see README, Installing)"
                ) from error
            assert isinstance(loaded, type), f"{entry.value} is no class"  # noqa: S101
            return loaded
    there = ", ".join(installed(group)) or "none"
    raise ConfigError(f"no {group[:-1]} named {name!r}; installed: {there}")
