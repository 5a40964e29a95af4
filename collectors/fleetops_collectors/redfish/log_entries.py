"""Log entries become events, their message ids become fault kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from fleetops_collectors.redfish.messages import meaning_of
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.tree import ROOT, links, uri_of
from fleetops_collectors.redfish.values import Json, object_of, objects_of, text_of, time_of
from fleetops_schemas.records import Event, JsonScalar, Severity
from fleetops_schemas.topology import host_of

_SEVERITIES = {
    "ok": Severity.INFO,
    "warning": Severity.WARNING,
    "critical": Severity.CRITICAL,
}
_ARGUMENT = re.compile(r"%(\d+)")


def read_log_entry(uri: str, entry: Json, names: Names, observed_at: datetime) -> Event:
    """The event that a ``LogEntry`` tells of.

    An entry of severity OK, and one that says that something gets better, is informational and of
    no fault kind: it must not open anything.
    """
    message_id = text_of(entry.get("MessageId"))
    origin = origin_of(entry)
    subject = (names.subject(origin) if origin else None) or names.subject(uri) or names.main
    kind, severity = meaning_of(message_id, _severity(entry), subject.device_class)
    created = time_of(entry.get("Created")) or time_of(entry.get("EventTimestamp"))
    attributes: dict[str, JsonScalar] = {"message_id": message_id, "entry": uri, "origin": origin}
    return Event(
        id=event_id(uri, entry, names),
        time=created or observed_at,
        observed_at=observed_at,
        host=host_of(subject.device),
        device=subject.device,
        device_class=subject.device_class,
        source="redfish",
        kind=kind,
        severity=severity,
        text=message_of(entry)[:4096],
        attributes=attributes,
    )


def event_id(uri: str, entry: Json, names: Names) -> str:
    """Stable over reads; entry ids return after a log is cleared, so the time is part of it."""
    created = text_of(entry.get("Created")) or text_of(entry.get("EventTimestamp"))
    return f"redfish:{names.main.device}:{uri}:{created}"


def origin_of(entry: Json) -> str:
    """The URI of what it is about; an event names it beside ``Links``, a log entry within."""
    beside = uri_of(entry.get("OriginOfCondition"))
    return beside or next(iter(links(entry, "OriginOfCondition")), "")


def records_of(event: Json) -> Iterator[tuple[str, Json]]:
    """The records of an ``Event`` as log entries, at the URI of their own entry if they name it."""
    for number, record in enumerate(objects_of(event.get("Events"))):
        member = text_of(record.get("EventId")) or text_of(record.get("MemberId")) or str(number)
        own = f"{ROOT}/EventService/Events/{event.get('Id')}/{member}"
        yield (
            uri_of(record.get("LogEntry")) or own,
            {**record, "@odata.type": "#LogEntry.LogEntry"},
        )


def message_of(entry: Json) -> str:
    """The message with its arguments in place."""
    arguments = entry.get("MessageArgs")
    values = [str(value) for value in arguments] if isinstance(arguments, list) else []

    def argument(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        return values[place] if 0 <= place < len(values) else match[0]

    text = _ARGUMENT.sub(argument, text_of(entry.get("Message")))
    if text:
        return text
    named = text_of(entry.get("MessageId")) or text_of(entry.get("Name")) or "(no message)"
    return f"{named}: {', '.join(values)}" if values else named


def _severity(entry: Json) -> Severity | None:
    nested = object_of(entry.get("DiagnosticData"))  # some controllers nest the event record
    for holder in (entry, nested):
        word = text_of(holder.get("Severity") or holder.get("MessageSeverity")).lower()
        if word in _SEVERITIES:
            return _SEVERITIES[word]
    return None
