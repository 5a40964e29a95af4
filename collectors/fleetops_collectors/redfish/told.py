"""One happening, told twice: by the event stream and by a log.

Events rarely name the log entry that is made of them, and the two may differ in id, text and, by
rounding, in time. So a telling on one way is held against those on the other that are not yet
matched: the same message, within two seconds, and no contradiction in arguments or origin.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from fleetops_collectors.redfish.log_entries import origin_of
from fleetops_collectors.redfish.log_positions import created_at
from fleetops_collectors.redfish.messages import MessageId
from fleetops_collectors.redfish.tree import uri_of
from fleetops_collectors.redfish.values import Json, text_of

Way = Literal["stream", "log"]
SAME_TIME = timedelta(seconds=2)
"""Log entries are stamped in whole seconds, some of them when they are written."""
MAX_KEPT = 128
"""Tellings remembered of each way."""


class Telling(BaseModel):
    """What two tellings of one happening have in common."""

    model_config = ConfigDict(frozen=True)

    key: str
    time: AwareDatetime
    entry: str = ""
    """The log entry: its own URI, or the one that the event names."""
    event_id: str = ""
    origin: str = ""
    arguments: tuple[str, ...] = ()
    is_matched: bool = False
    """Whether the other way told the same."""

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
        if self.entry == other.entry:
            return self.time == other.time  # ids return after a log was cleared
        return (
            self.key == other.key
            and abs(self.time - other.time) <= SAME_TIME
            and _agree(self.origin, other.origin)
            and _agree(self.arguments, other.arguments)
        )


class Told(BaseModel):
    """What was told of late, by way."""

    stream: list[Telling] = []
    log: list[Telling] = []

    def is_news(self, telling: Telling, way: Way) -> bool:
        """Whether it was not told on the other way; each telling stands for one happening."""
        others, own = (self.log, self.stream) if way == "stream" else (self.stream, self.log)
        if way == "stream" and telling.event_id and any(_repeats(telling, one) for one in own):
            return False  # a service that knows no Last-Event-ID sends its buffer again
        match = next(
            (n for n, one in enumerate(others) if not one.is_matched and telling.is_same(one)), None
        )
        if match is not None:
            others[match] = others[match].model_copy(update={"is_matched": True})
            telling = telling.model_copy(update={"is_matched": True})
        own.append(telling)
        del own[:-MAX_KEPT]
        return match is None


def _repeats(one: Telling, other: Telling) -> bool:
    return (one.event_id, one.time, one.key) == (other.event_id, other.time, other.key)


def _agree(one: object, other: object) -> bool:
    """Whether they do not contradict each other: what is not said contradicts nothing."""
    return not one or not other or one == other
