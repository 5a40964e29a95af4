"""Several installations on one broker: a prefix before every topic and group, seen by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from typing_extensions import override

from fleetops.bus.base import Bus, Consumer, FencedProducer, Message, Producer, Reader
from fleetops.core.closing import Closing
from fleetops_schemas.topics import Topic


class NamespacedBus(Closing):
    """A bus whose topics and groups all carry a prefix on the broker."""

    def __init__(self, bus: Bus, namespace: str) -> None:
        """Wraps ``bus``; closing closes it too."""
        self._bus = bus
        self._prefix = f"{namespace}."

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """As :meth:`Bus.ensure_topics`."""
        self._bus.ensure_topics(replace(topic, name=self._prefix + topic.name) for topic in topics)

    def topics(self) -> list[str]:
        """As :meth:`Bus.topics`: those of this namespace, without the prefix."""
        return [
            name.removeprefix(self._prefix)
            for name in self._bus.topics()
            if name.startswith(self._prefix)
        ]

    def producer(self) -> Producer:
        """As :meth:`Bus.producer`."""
        return _Producer(self._bus.producer(), self._prefix)

    def fenced_producer(self, name: str) -> FencedProducer:
        """As :meth:`Bus.fenced_producer`; the name is the namespace's own."""
        return _FencedProducer(self._bus.fenced_producer(self._prefix + name), self._prefix)

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """As :meth:`Bus.consumer`; the group is the namespace's own."""
        inner = self._bus.consumer(self._prefix + group, [self._prefix + name for name in topics])
        return _Consumer(inner, self._prefix)

    def reader(self, topics: Iterable[str]) -> Reader:
        """As :meth:`Bus.reader`."""
        return _Reader(self._bus.reader([self._prefix + name for name in topics]), self._prefix)

    @override
    def close(self) -> None:
        """Closes the bus it wraps."""
        self._bus.close()


class _Producer(Closing):
    def __init__(self, inner: Producer, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self._inner.send(self._prefix + topic, key, value, headers)

    def flush(self, timeout_seconds: float) -> None:
        self._inner.flush(timeout_seconds)

    @override
    def close(self) -> None:
        self._inner.close()


class _FencedProducer(Closing):
    def __init__(self, inner: FencedProducer, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    @property
    def epoch(self) -> int:
        return self._inner.epoch

    def append(self, topic: str, key: str, value: bytes) -> None:
        self._inner.append(self._prefix + topic, key, value)

    @override
    def close(self) -> None:
        self._inner.close()


def _stripped(messages: Iterable[Message], prefix: str) -> list[Message]:
    return [replace(message, topic=message.topic.removeprefix(prefix)) for message in messages]


class _Consumer(Closing):
    def __init__(self, inner: Consumer, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    def poll(self, timeout_seconds: float, max_messages: int = 500) -> list[Message]:
        return _stripped(self._inner.poll(timeout_seconds, max_messages), self._prefix)

    def commit(self) -> None:
        self._inner.commit()

    def lag(self) -> int:
        return self._inner.lag()

    @override
    def close(self) -> None:
        self._inner.close()


class _Reader(Closing):
    def __init__(self, inner: Reader, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    def poll(self, timeout_seconds: float, max_messages: int = 1000) -> list[Message]:
        return _stripped(self._inner.poll(timeout_seconds, max_messages), self._prefix)

    def catch_up(self, timeout_seconds: float) -> list[Message]:
        return _stripped(self._inner.catch_up(timeout_seconds), self._prefix)

    @override
    def close(self) -> None:
        self._inner.close()
