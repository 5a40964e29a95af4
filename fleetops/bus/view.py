"""The present state of a compacted topic: the latest record of each key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from pydantic import ValidationError
from typing_extensions import override

from fleetops.bus.base import Bus, Message
from fleetops.core import metrics
from fleetops.core.closing import Closing
from fleetops.core.logging import get_logger
from fleetops_schemas.records import Record
from fleetops_schemas.topics import Topic

R = TypeVar("R", bound=Record)


class View(Closing, Generic[R]):
    """A topic of records as a mapping by key, kept current by :meth:`refresh`.

    An empty value deletes its key. A value that is no such record is skipped and counted, and the
    key keeps what it had.
    """

    def __init__(self, bus: Bus, topic: Topic, model: type[R]) -> None:
        self._topic = topic.name
        self._model = model
        self._records: dict[str, R] = {}
        self._reader = bus.reader([topic.name])

    def refresh(self, timeout_seconds: float = 0.0) -> list[R]:
        """Takes in what is new, waiting so long for the first of it; the records that changed."""
        changed: dict[str, R] = {}
        messages = self._reader.poll(timeout_seconds)
        while messages:
            self._apply(messages, changed)
            messages = self._reader.poll(0.0)
        return list(changed.values())

    def catch_up(self, timeout_seconds: float) -> list[R]:
        """Takes in everything up to the present end; the records that changed.

        Raises:
            BusUnavailableError: the end was not reached in time.
        """
        changed: dict[str, R] = {}
        self._apply(self._reader.catch_up(timeout_seconds), changed)
        return list(changed.values())

    def get(self, key: str) -> R | None:
        """The record of a key."""
        return self._records.get(key)

    def values(self) -> list[R]:
        """Every record."""
        return list(self._records.values())

    @override
    def close(self) -> None:
        """Closes the reader; the records stay."""
        self._reader.close()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def _apply(self, messages: Iterable[Message], changed: dict[str, R]) -> None:
        for message in messages:
            if not message.value:
                self._records.pop(message.key, None)
                changed.pop(message.key, None)
                continue
            try:
                record = self._model.decode(message.value)
            except ValidationError as error:
                self._skip(message, error)
                continue
            self._records[message.key] = changed[message.key] = record

    def _skip(self, message: Message, error: ValidationError) -> None:
        metrics.DISCARDED.labels("view", "unparsable").inc()
        get_logger("bus").warning(
            "skipped a record that cannot be read",
            topic=self._topic,
            partition=message.partition,
            offset=message.offset,
            wanted=self._model.__name__,
            problems=error.error_count(),
        )
