"""The bus in one SQLite file: many processes of one machine, no server."""

from fleetops.bus.local.bus import LocalBus

__all__ = ["LocalBus"]
