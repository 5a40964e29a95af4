"""What is closed: by a ``with`` block, or with what it was opened on."""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self, TypeVar


class Closeable(Protocol):
    """What a seam promises of a thing that holds something."""

    def close(self) -> None:
        """Releases everything; safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Closing(ABC):
    """A thing that releases what it holds."""

    @abstractmethod
    def close(self) -> None:
        """Releases everything; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


C = TypeVar("C", bound=Closing)


class Opened:
    """What was opened on something, to be closed with it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: weakref.WeakSet[Closing] = weakref.WeakSet()

    def keep(self, member: C) -> C:
        """Remembers a member, for as long as anybody else does."""
        with self._lock:
            self._members.add(member)
        return member

    def close_all(self) -> None:
        """Closes every member."""
        with self._lock:
            members = list(self._members)
        for member in members:
            member.close()
