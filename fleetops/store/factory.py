"""The store that the configuration names. Drivers are imported only here, when they are wanted."""

from __future__ import annotations

import re

from fleetops.core.clock import Clock
from fleetops.core.config import StoreConfig, secret
from fleetops.core.errors import ConfigError
from fleetops.store.base import Store

_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def open_store(config: StoreConfig, clock: Clock) -> Store:
    """The store, open but not migrated.

    Raises:
        ConfigError: the driver is not installed, or a key is wrong.
        StoreUnavailableError: embedded: another process has the folder open.
    """
    if not _DATABASE.fullmatch(config.database):
        raise ConfigError(
            f"store.database: {config.database!r} is no name; use letters, digits and underscores"
        )
    return _embedded(config, clock) if config.kind == "embedded" else _clickhouse(config, clock)


def _embedded(config: StoreConfig, clock: Clock) -> Store:
    try:
        from fleetops.store.embedded import EmbeddedStore  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed("embedded", "embedded", error) from error
    return EmbeddedStore(config.path, config.database, config.deadline_seconds, clock)


def _clickhouse(config: StoreConfig, clock: Clock) -> Store:
    try:
        from fleetops.store.clickhouse import ClickHouseStore  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed("clickhouse", "cluster", error) from error
    password = secret(config.password, config.password_file, "store.password")
    return ClickHouseStore(config, password, clock)


def _not_installed(kind: str, extra: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"store.kind: {kind} cannot be loaded: {error}; pip install 'fleetops[{extra}]'"
    )
