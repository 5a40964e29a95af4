"""The roles a process may take, and how each is made of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from fleetops.bus.base import Bus
from fleetops.core.clock import Clock
from fleetops.core.config import Config
from fleetops.core.inventory.load import load_inventory
from fleetops.core.service import Service
from fleetops.store.base import Store
from fleetops_schemas.topology import Topology

ROLES = ("collect", "ingest", "detect", "operate", "alert", "api", "dashboard")
STORE_ROLES = frozenset({"ingest", "api"})
"""Roles that need the store. Embedded, it belongs to one process: run these two together."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a role is made of."""

    config: Config
    bus: Bus
    clock: Clock
    instance: str
    """This process, as collectors' reports name it."""
    store: Store | None = None
    collectors: Collection[str] | None = None
    """Names of the collectors to run here; None for all."""

    @property
    def topology(self) -> Topology:
        """Where hosts stand, by every source of the configuration; each role its own."""
        return Topology(load_inventory(self.config).placements)


# Each role is imported when it is run, so that a collector host needs no database.


def _collect(parts: Parts) -> Service:
    from fleetops_collectors.runner.service import CollectService  # noqa: PLC0415

    config = parts.config
    if parts.collectors is not None:
        here = tuple(one for one in config.collectors if one.get("name") in parts.collectors)
        config = config.model_copy(update={"collectors": here})
    return CollectService.create(config, parts.bus.producer(), parts.clock, parts.instance)


def _ingest(parts: Parts) -> Service:
    from fleetops.ingest.service import IngestService  # noqa: PLC0415

    assert parts.store is not None  # noqa: S101
    return IngestService(parts.bus, parts.store, parts.config.ingest, parts.clock)


def _detect(parts: Parts) -> Service:
    from fleetops.detect.service import DetectService  # noqa: PLC0415

    return DetectService(parts.bus, parts.clock, parts.config.detect, parts.topology)


def _operate(parts: Parts) -> Service:
    from fleetops.operate.service import OperateService, load_scheduler  # noqa: PLC0415

    scheduler = load_scheduler(parts.config.operate, parts.clock)
    return OperateService(parts.bus, scheduler, parts.config.operate, parts.topology, parts.clock)


def _alert(parts: Parts) -> Service:
    from fleetops.alerts.service import AlertService  # noqa: PLC0415

    return AlertService(parts.bus, parts.config.alerts, parts.clock)


def _api(parts: Parts) -> Service:
    from fleetops.api.service import ApiService  # noqa: PLC0415

    assert parts.store is not None  # noqa: S101
    service = ApiService(parts.bus, parts.store, parts.config, parts.clock)
    service.start()
    return service


_BUILDERS: dict[str, Callable[[Parts], Service]] = {
    "collect": _collect,
    "ingest": _ingest,
    "detect": _detect,
    "operate": _operate,
    "alert": _alert,
    "api": _api,
}


def build_service(role: str, parts: Parts) -> Service:
    """The service of a role (``dashboard`` is a process of its own, not a service).

    Raises:
        ConfigError: its part of the configuration is wrong.
    """
    return _BUILDERS[role](parts)
