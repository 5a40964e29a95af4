"""When everything is poison, stop and say so. (Putting aside is tested by the bus contract.)"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetops.bus.base import Message
from fleetops.bus.dead_letter import PoisonLimit
from fleetops.core.errors import PermanentError

MESSAGE = Message("topic", 3, 17, "key", b"?", datetime(2026, 1, 1, tzinfo=UTC))


def test_poison_in_a_row_stops_the_consumer() -> None:
    limit = PoisonLimit(window=3)
    limit.poison(MESSAGE, "undecodable")
    limit.poison(MESSAGE, "undecodable")
    with pytest.raises(PermanentError, match=r"topic: the last 3 messages .* 3/17 \(undecodable\)"):
        limit.poison(MESSAGE, "undecodable")


def test_one_good_message_among_poison_is_enough_to_go_on() -> None:
    limit = PoisonLimit(window=3)
    for number in range(100):
        if number % 3 == 2:
            limit.good()
        else:
            limit.poison(MESSAGE, "undecodable")
