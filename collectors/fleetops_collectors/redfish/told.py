"""One happening, told more than once: by the event stream and by logs.

Events rarely name the log entry that is made of them, some controllers write one entry into several
logs, and the tellings may differ in id, text and, by rounding, in time. So a telling on one way is
held against the happenings that this way has not told yet: the same message, within two seconds,
and no contradiction in arguments or origin.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from fleetops_collectors.redfish.log_entries import origin_of
from fleetops_collectors.redfish.log_positions import created_at
from fleetops_collectors.redfish.messages import MessageId
from fleetops_collectors.redfish.tree import uri_of
from fleetops_collectors.redfish.values import Json, text_of

STREAM = "stream"
"""The way of an event stream; that of a log is its URI."""
SAME_TIME = timedelta(seconds=2)
"""Log entries are stamped in whole seconds, some of them when they are written."""
MAX_KEPT = 128
"""Happenings remembered of one service."""


class Telling(BaseModel):
    """What tellings of one happening have in common."""

    model_config = ConfigDict(frozen=True)

    key: str
    time: AwareDatetime
    entry: str = ""
    """The log entry: its own URI, or the one that the event names."""
    event_id: str = ""
    origin: str = ""
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Json, uri: str, now: datetime) -> Telling:
        """The telling in a log entry or in an event record."""
        message_id = text_of(entry.get("MessageId"))
        given = entry.get("MessageArgs")
        return cls(
            key=MessageId.parse(message_id).key or text_of(entry.get("Message"))[:200],
            time=created_at(entry) or now,
            entry=uri_of(entry.get("LogEntry")) or uri,
            event_id=text_of(entry.get("EventId")),
            origin=origin_of(entry),
            arguments=tuple(str(one)[:200] for one in given) if isinstance(given, list) else (),
        )

    def is_same(self, other: Telling) -> bool:
        """Whether both tell of one happening."""
        if abs(self.time - other.time) > SAME_TIME:
            return False  # also where ids return after a log was cleared
        if self.entry == other.entry:
            return True
        return (
            bool(self.key)
            and self.key == other.key
            and _agree(self.origin, other.origin)
            and _agree(self.arguments, other.arguments)
        )


class Happening(BaseModel):
    """What was told, and on which ways so far."""

    telling: Telling
    ways: list[str]
    event_id: str = ""
    """As the stream calls it."""


class Told(BaseModel):
    """What was told of late."""

    happenings: list[Happening] = []

    def is_news(self, telling: Telling, way: str) -> bool:
        """Whether it was not told on another way; on one way each telling is a happening."""
        for one in self.happenings:
            if way in one.ways:
                if way == STREAM and _repeats(telling, one):
                    return False  # a service that knows no Last-Event-ID sends its buffer again
            elif telling.is_same(one.telling):
                one.ways.append(way)
                one.event_id = one.event_id or telling.event_id
                return False
        self.happenings.append(Happening(telling=telling, ways=[way], event_id=telling.event_id))
        del self.happenings[:-MAX_KEPT]
        return True


def _repeats(telling: Telling, told: Happening) -> bool:
    same_time = abs(telling.time - told.telling.time) <= SAME_TIME
    return bool(telling.event_id) and telling.event_id == told.event_id and same_time


def _agree(one: object, other: object) -> bool:
    """Whether they do not contradict each other: what is not said contradicts nothing."""
    return not one or not other or one == other
