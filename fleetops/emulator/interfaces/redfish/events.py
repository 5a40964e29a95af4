"""The event stream of a controller: Server-Sent Events, as DSP0266, 13.5.2, has them.

Every entry of the log is an event, and its number the event's id, so that ``Last-Event-ID`` goes on
from there. Metric reports come at every tick, to whoever asks for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Send

from fleetops.emulator.interfaces.redfish.common import entry_path
from fleetops.emulator.interfaces.redfish.controller import Controller
from fleetops.emulator.interfaces.redfish.log import LogEntry
from fleetops.emulator.interfaces.redfish.tree import Resource

KEEP_ALIVE_SECONDS = 30.0
_FILTER = re.compile(r"EventFormatType eq (?:Event|MetricReport)")


class UnknownFilterError(ValueError):
    """The ``$filter`` asks for what this service does not tell."""


def wanted_formats(query: str) -> frozenset[str]:
    """The formats that a query's ``$filter`` asks for; events alone without one.

    Raises:
        UnknownFilterError: it is none that :data:`_FILTER` describes.
    """
    given = parse_qs(query).get("$filter")
    if not given:
        return frozenset({"Event"})
    terms = given[0].replace("'", "").split(" or ")
    if not all(map(_FILTER.fullmatch, terms)):
        raise UnknownFilterError(given[0])
    return frozenset(term.rpartition(" ")[2] for term in terms)


async def stream(
    controller: Controller,
    formats: frozenset[str],
    last_id: int | None,
    receive: Receive,
    send: Send,
) -> None:
    """Sends what happens until the client goes, or the controller closes.

    Args:
        controller: whose events.
        formats: ``Event``, ``MetricReport``.
        last_id: the last event that the client has seen; None: only those to come.
        receive: tells when the client goes.
        send: takes the answer.
    """
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    sending = asyncio.create_task(_send_all(controller, formats, last_id, send))
    leaving = asyncio.create_task(_wait_for_end(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_all(
    controller: Controller, formats: frozenset[str], last_id: int | None, send: Send
) -> None:
    async with contextlib.aclosing(messages(controller, formats, last_id)) as told:
        async for message in told:
            await send({"type": "http.response.body", "body": message, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def messages(
    controller: Controller, formats: frozenset[str], last_id: int | None
) -> AsyncGenerator[bytes, None]:
    """The messages of one stream, as of :func:`stream`."""
    log = controller.log
    seen = log.last_id if last_id is None else last_id
    reported = controller.ticks
    news = log.subscribe()
    try:
        yield b": open\n\n"
        if log.has_lost(seen):
            yield _message(seen, _lost(controller))
        while controller.answers and not controller.is_closing:
            news.clear()
            for entry in log.after(seen) if "Event" in formats else ():
                seen = entry.id
                yield _message(seen, _event(entry))
            if "MetricReport" in formats and reported != controller.ticks:
                reported = controller.ticks
                for report in controller.reports():
                    yield _message(seen, report)
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await news.wait()
            except TimeoutError:
                yield b": still here\n\n"
    finally:
        log.unsubscribe(news)


def _message(message_id: int, payload: Resource) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (message_id, orjson.dumps(payload))


def _event(entry: LogEntry) -> Resource:
    return _envelope(
        {
            "EventType": "Alert",
            "EventId": str(entry.id),
            "EventTimestamp": entry.created.isoformat(timespec="milliseconds"),
            "MessageSeverity": entry.severity,
            "Message": entry.message,
            "MessageId": entry.message_id,
            "MessageArgs": list(entry.arguments),
            "OriginOfCondition": {"@odata.id": entry.origin},
            "LogEntry": {"@odata.id": entry_path(entry)},
        }
    )


def _lost(controller: Controller) -> Resource:
    """Tells that events are gone which the client has not seen."""
    return _envelope(
        {
            "EventType": "Other",
            "EventId": "0",
            "EventTimestamp": controller.timestamp(),
            "MessageSeverity": "Warning",
            "Message": "The event buffer was exceeded; some events are in the log alone.",
            "MessageId": "Base.1.18.EventBufferExceeded",
        }
    )


def _envelope(record: Resource) -> Resource:
    return {
        "@odata.type": "#Event.v1_7_0.Event",
        "Id": record["EventId"],
        "Name": "Event",
        "Events": [{"MemberId": "0", **record}],
    }
