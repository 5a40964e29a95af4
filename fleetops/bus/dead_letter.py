"""Dead letters: messages that could not be processed, put aside with their reason and origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import AwareDatetime, Field

from fleetops.bus.base import (
    HEADER_OFFSET,
    HEADER_PARTITION,
    HEADER_REASON,
    HEADER_TOPIC,
    Bus,
    Message,
    Producer,
)
from fleetops.core import metrics
from fleetops.core.errors import NotFoundError, PermanentError
from fleetops_schemas.records import Record
from fleetops_schemas.topics import DEAD_LETTER

MAX_REASON_CHARACTERS = 1_000
_OWN_HEADERS = frozenset({HEADER_REASON, HEADER_TOPIC, HEADER_PARTITION, HEADER_OFFSET})


class DeadLetter(Record):
    """One message put aside."""

    id: str
    """``PARTITION-OFFSET`` in the dead letter topic: it names the same message for ever."""
    time: AwareDatetime
    reason: str
    topic: str
    """Where it came from, with its place there."""
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    """As the message first had them."""
    size_bytes: int
    value: bytes = Field(exclude=True, repr=False)
    """The original bytes; not part of the record's JSON."""


def dead_letter(producer: Producer, message: Message, reason: str, detail: str = "") -> None:
    """Puts a message aside: the same bytes, key and headers, with reason and origin.

    ``reason`` is one of few words (it labels a metric); ``detail`` says more.

    Raises:
        BusUnavailableError: it was not taken; keep the message and do not commit it.
    """
    text = f"{reason}: {detail}" if detail else reason
    producer.send(
        DEAD_LETTER.name,
        message.key,
        message.value,
        {
            **_original_headers(message.headers),
            HEADER_REASON: text[:MAX_REASON_CHARACTERS],
            HEADER_TOPIC: message.topic,
            HEADER_PARTITION: str(message.partition),
            HEADER_OFFSET: str(message.offset),
        },
    )
    metrics.DEAD_LETTERS.labels(message.topic, reason).inc()


def list_dead_letters(
    bus: Bus, limit: int = 100, topic: str | None = None, timeout_seconds: float = 30.0
) -> list[DeadLetter]:
    """The newest dead letters, newest first, of one origin topic or of all.

    Raises:
        BusUnavailableError: the topic's end was not reached in time.
    """
    letters = [
        letter
        for letter in _read_all(bus, timeout_seconds).values()
        if topic is None or letter.topic == topic
    ]
    letters.sort(key=lambda letter: letter.time, reverse=True)
    return letters[:limit]


def get_dead_letter(bus: Bus, letter_id: str, timeout_seconds: float = 30.0) -> DeadLetter:
    """The dead letter of an id.

    Raises:
        NotFoundError: there is none, or its retention is over.
    """
    return _pick(_read_all(bus, timeout_seconds), letter_id)


def replay_dead_letters(
    bus: Bus, letter_ids: Iterable[str], timeout_seconds: float = 30.0
) -> list[DeadLetter]:
    """Sends messages back to the topics they came from, as they were; acknowledged on return.

    They stay in the dead letter topic too. Replaying twice sends twice, which is harmless where
    the processing is idempotent, as it must be on this bus anyway.

    Raises:
        NotFoundError: an id or its origin topic does not exist; nothing was sent.
        BusUnavailableError: not all was acknowledged.
    """
    there = _read_all(bus, timeout_seconds)
    letters = [_pick(there, letter_id) for letter_id in letter_ids]
    topics = bus.topics()
    for letter in letters:
        if letter.topic not in topics:
            raise NotFoundError(f"dead letter {letter.id}: its topic {letter.topic!r} is gone")
    with bus.producer() as producer:
        for letter in letters:
            producer.send(letter.topic, letter.key, letter.value, letter.headers)
        producer.flush(timeout_seconds)
    return letters


class PoisonLimit:
    """Stops a consumer that would put everything aside: then it is not the messages that are wrong.

    After arroyo's ``DlqLimit``. Tell it of every message; it raises at the ``window``-th bad one
    in a row.
    """

    def __init__(self, window: int = 100) -> None:
        self._window = window
        self._in_a_row = 0

    def good(self) -> None:
        """A message was processed."""
        self._in_a_row = 0

    def poison(self, message: Message, reason: str) -> None:
        """A message was put aside.

        Raises:
            PermanentError: so were all of the last ``window``.
        """
        self._in_a_row += 1
        if self._in_a_row >= self._window:
            raise PermanentError(
                f"{message.topic}: the last {self._in_a_row} messages were all poison, the latest "
                f"at {message.partition}/{message.offset} ({reason}); it is likely a producer and "
                "consumer of different versions: mend that, then replay the dead letters"
            )


def _original_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OWN_HEADERS}


def _read_all(bus: Bus, timeout_seconds: float) -> dict[str, DeadLetter]:
    with bus.reader([DEAD_LETTER.name]) as reader:
        letters = map(_letter, reader.catch_up(timeout_seconds))
        return {letter.id: letter for letter in letters}


def _pick(letters: Mapping[str, DeadLetter], letter_id: str) -> DeadLetter:
    if letter_id not in letters:
        raise NotFoundError(f"no dead letter {letter_id!r}; `fleetops dead-letter list` shows ids")
    return letters[letter_id]


def _letter(message: Message) -> DeadLetter:
    headers = message.headers
    return DeadLetter(
        id=f"{message.partition}-{message.offset}",
        time=message.time,
        reason=headers.get(HEADER_REASON, "unknown"),
        topic=headers.get(HEADER_TOPIC, ""),
        partition=int(headers.get(HEADER_PARTITION, "-1")),
        offset=int(headers.get(HEADER_OFFSET, "-1")),
        key=message.key,
        headers=_original_headers(headers),
        size_bytes=len(message.value),
        value=message.value,
    )
