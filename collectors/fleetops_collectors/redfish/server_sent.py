"""``text/event-stream``: lines into messages, as WHATWG's HTML standard, 9.2.6, says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleetops.core.errors import InputError

_BOM = b"\xef\xbb\xbf"


class Message(NamedTuple):
    """One message of a stream."""

    id: str
    """The last id that the stream gave; it may be of an earlier message."""
    data: bytes


class StreamParser:
    """Takes the bytes of one stream as they come."""

    def __init__(self, max_bytes: int) -> None:
        """A message, or a line, of more than ``max_bytes`` is refused."""
        self._max_bytes = max_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False
        self._at_start = True
        self.last_id = ""
        self.retry_seconds = 0.0
        """How long the service asks to wait before one connects again."""

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that are complete with this piece.

        Raises:
            InputError: a message is too long.
        """
        if self._after_return and piece[:1] == b"\n":
            piece = piece[1:]  # the second half of a CR LF that fell on two pieces
        self._after_return = piece[-1:] == b"\r"
        lines = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines[:-1]:
            self._line += line
            yield from self._take(bytes(self._line))
            self._line.clear()
        self._line += lines[-1]
        if self._size + len(self._line) > self._max_bytes:
            raise InputError(f"a message of more than {self._max_bytes} bytes")

    def _take(self, line: bytes) -> Iterator[Message]:
        if self._at_start:
            line, self._at_start = line.removeprefix(_BOM), False
        if not line:
            if self._data:
                yield Message(self.last_id, b"\n".join(self._data))
            self._data, self._size = [], 0
            return
        name, _, value = line.partition(b":")
        self._field(name, value.removeprefix(b" "))

    def _field(self, name: bytes, value: bytes) -> None:
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
            case b"id" if b"\0" not in value:
                self.last_id = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit() and len(value) < 10:  # noqa: PLR2004 (days at most)
                self.retry_seconds = int(value) / 1000.0
