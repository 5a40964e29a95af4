"""The event log of one management controller."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

MAX_ENTRIES = 1000
"""Of one log; the oldest go first."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry."""

    id: int
    created: datetime
    severity: str
    """``OK``, ``Warning`` or ``Critical``."""
    message_id: str
    """``REGISTRY.MAJOR.MINOR.KEY``."""
    message: str
    arguments: tuple[str, ...] = ()
    origin: str = ""
    """URI of what it is about."""


class ManagementLog:
    """Entries, oldest first, and whoever waits for further ones."""

    def __init__(self) -> None:
        """Empty."""
        self._entries: deque[LogEntry] = deque(maxlen=MAX_ENTRIES)
        self._waiting: set[asyncio.Event] = set()
        self.last_id = 0

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def write(
        self,
        created: datetime,
        severity: str,
        message_id: str,
        message: str,
        *,
        arguments: tuple[str, ...] = (),
        origin: str = "",
    ) -> LogEntry:
        """Adds an entry. ``created`` is aware."""
        self.last_id += 1
        entry = LogEntry(self.last_id, created, severity, message_id, message, arguments, origin)
        self._entries.append(entry)
        self.wake()
        return entry

    def after(self, entry_id: int) -> list[LogEntry]:
        """Entries that came after the one of that id."""
        return [entry for entry in self._entries if entry.id > entry_id]

    def has_lost(self, entry_id: int) -> bool:
        """Whether entries after the one of that id are gone already."""
        return bool(self._entries) and self._entries[0].id > entry_id + 1

    def wake(self) -> None:
        """Lets go on whoever waits."""
        for event in self._waiting:
            event.set()

    @property
    def is_watched(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def subscribe(self) -> asyncio.Event:
        """An event that is set whenever there is something new, until :meth:`unsubscribe`."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        """Forgets it."""
        self._waiting.discard(event)
