"""Opens the bus that the configuration names."""

from __future__ import annotations

from fleetops.bus.base import Bus
from fleetops.bus.namespace import NamespacedBus
from fleetops.core.clock import Clock
from fleetops.core.config import BusConfig
from fleetops.core.errors import ConfigError


def open_bus(config: BusConfig, clock: Clock) -> Bus:
    """The bus of a configuration, behind its namespace where it has one.

    Raises:
        ConfigError: the configuration is wrong, or the driver it needs is not installed.
        BusUnavailableError: the bus did not answer.
    """
    bus = _open(config, clock)
    return NamespacedBus(bus, config.namespace) if config.namespace else bus


def _open(config: BusConfig, clock: Clock) -> Bus:
    if config.kind == "local":
        from fleetops.bus.local import LocalBus  # noqa: PLC0415  only what is used is loaded

        return LocalBus(config, clock)
    try:
        from fleetops.bus.kafka import KafkaBus  # noqa: PLC0415  a collector host has no Kafka
    except ImportError as error:
        raise ConfigError(
            f"bus.kind is kafka, but {error.name or error} is not installed; "
            "run: pip install 'fleetops[cluster]'"
        ) from error
    return KafkaBus(config, clock)
