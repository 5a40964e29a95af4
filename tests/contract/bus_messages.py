"""Topics and messages for tests of a bus."""

from __future__ import annotations

import time
import uuid

from fleetops.bus.base import Bus, Consumer, Message, Reader
from fleetops_schemas.topics import Topic

PATIENCE_SECONDS = 60.0


def new_topic(partitions: int = 4, compacted: bool = False) -> Topic:
    """A topic of its own name, so that tests may share a broker."""
    return Topic(f"test.{uuid.uuid4().hex[:12]}", partitions, "key", "bytes", compacted=compacted)


def receive(source: Consumer | Reader, count: int) -> list[Message]:
    """So many different messages, waiting for them: at least once is what a bus promises."""
    messages: dict[tuple[int, int], Message] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(messages) < count and time.monotonic() < deadline:
        for message in source.poll(0.2):
            messages.setdefault((message.partition, message.offset), message)
    return list(messages.values())


def send(bus: Bus, topic: Topic, *pairs: tuple[str, bytes]) -> None:
    """Sends pairs of key and value, acknowledged on return."""
    with bus.producer() as producer:
        for key, value in pairs:
            producer.send(topic.name, key, value)
        producer.flush(PATIENCE_SECONDS)


def numbered(count: int, keys: int = 8) -> list[tuple[str, bytes]]:
    """Values 0 to count - 1, dealt out to keys."""
    return [(f"key{number % keys}", str(number).encode()) for number in range(count)]
