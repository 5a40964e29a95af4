"""The bound of what is in flight."""

from __future__ import annotations

import threading
import time

import pytest

from fleetops.bus.room import Room, check_size
from fleetops.core.errors import InputError
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES


def test_it_is_bounded_in_messages_and_in_bytes() -> None:
    room = Room(max_messages=2, max_bytes=100)
    assert room.take(60, 0.0)
    assert not room.take(60, 0.0)
    assert room.take(40, 0.0)
    assert not room.take(0, 0.0)
    room.give_back(1, 60)
    assert room.take(1, 0.0)
    assert room.messages == 2


def test_one_message_always_fits_into_an_empty_room() -> None:
    room = Room(max_messages=1, max_bytes=10)
    assert room.take(1_000, 0.0)
    assert not room.take(1, 0.0)
    room.give_back(1, 1_000)
    assert room.wait_empty(0.0)


def test_who_waits_is_let_in_when_room_comes_free() -> None:
    room = Room(max_messages=1)
    assert room.take(1, 0.0)
    threading.Timer(0.1, room.give_back, (1, 1)).start()
    started = time.monotonic()
    assert room.take(1, 5.0)
    assert time.monotonic() - started < 4.0
    assert not room.wait_empty(0.05)


def test_what_no_bus_would_carry_is_refused() -> None:
    check_size("topic", bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(InputError, match=r"topic: message of .* bytes; the limit is"):
        check_size("topic", bytes(MAX_MESSAGE_BYTES + 1))
