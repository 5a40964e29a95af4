"""The tree of errors. Every message says what is wrong, where, and what to do.

FleetOpsError
├── ConfigError             the configuration is wrong; nothing was started
├── InputError              a payload, file or argument is wrong; the rest goes on
├── NotFoundError           something named does not exist
├── RefusedError            policy or ownership forbids it
├── TemporaryError          may work later; retry with back-off
│   ├── BusUnavailableError
│   ├── StoreUnavailableError
│   ├── SchedulerUnavailableError
│   └── AmbiguousWriteError  it may or may not have happened: read, then decide
└── PermanentError          will not work later; do not retry
    ├── FencedError         another instance took over; stop
    └── StoreRejectedError  the engine refused the statement or the data
"""

from __future__ import annotations


class FleetOpsError(Exception):
    """Base of every error that FleetOps raises on purpose."""


class ConfigError(FleetOpsError):
    """The configuration is wrong; names the key and the remedy."""


class InputError(FleetOpsError):
    """A payload, a file or an argument is wrong; names the place and the remedy."""


class NotFoundError(FleetOpsError):
    """Something named does not exist; names what does."""


class RefusedError(FleetOpsError):
    """Policy or ownership forbids it."""


class TemporaryError(FleetOpsError):
    """It may work later."""


class BusUnavailableError(TemporaryError):
    """The bus did not answer in time."""


class StoreUnavailableError(TemporaryError):
    """The store did not answer in time."""


class SchedulerUnavailableError(TemporaryError):
    """The scheduler did not answer in time."""


class AmbiguousWriteError(TemporaryError):
    """The write may or may not have happened: read again before deciding."""


class PermanentError(FleetOpsError):
    """It will not work later either."""


class FencedError(PermanentError):
    """Another instance holds the ledger now; this one must stop acting."""


class StoreRejectedError(PermanentError):
    """The engine refused the statement or the data."""
