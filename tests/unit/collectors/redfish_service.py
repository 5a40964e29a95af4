"""A Redfish service for tests, over real HTTP: sessions and their limit, faults at chosen URIs."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.unit.collectors.http_server import Reply, Request, serving

SESSIONS = "/redfish/v1/SessionService/Sessions"
SSE = "/redfish/v1/EventService/SSE"
USER, PASSWORD = "monitor", "correct horse"


class EventFeed:
    """An event stream that tests speak through, to every connection that is open."""

    def __init__(self, *, knows_last_id: bool = True) -> None:
        self.knows_last_id = knows_last_id
        """Whether one that comes again is sent what it missed; else it gets the whole buffer."""
        self.opened: list[dict[str, str]] = []
        """The headers, and the path, of every connection so far."""
        self.live = 0
        self.refuses: Callable[[Request], Reply | None] = lambda _: None
        self._said: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()
        self._generation = 0

    def say(self, *resources: object) -> None:
        """Sends resources; they stay in the buffer."""
        for resource in resources:
            self.say_raw(json.dumps(resource).encode())

    def say_raw(self, data: bytes) -> None:
        with self._changed:
            self._said.append((str(len(self._said) + 1), data))
            self._changed.notify_all()

    def drop(self) -> None:
        """Breaks every connection."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def reply(self, request: Request) -> Reply:
        self.opened.append({**request.headers, "path": request.path})
        if (refusal := self.refuses(request)) is not None:
            return refusal
        last = request.headers.get("Last-Event-ID", "")
        begin = int(last) if last and self.knows_last_id else 0
        generation = self._generation

        def write_all(write: Callable[[bytes], None], stop: threading.Event) -> None:
            self.live += 1
            at = begin
            try:
                write(b": welcome\n\n")
                while not stop.is_set() and self._generation == generation:
                    with self._changed:
                        if at >= len(self._said):
                            self._changed.wait(0.02)
                            continue
                        message_id, data = self._said[at]
                    at += 1
                    write(b"id: " + message_id.encode() + b"\ndata: " + data + b"\n\n")
            finally:
                self.live -= 1

        return Reply(headers={"Content-Type": "text/event-stream"}, stream=write_all)


def event(message: str, created: str = "2026-01-01T00:00:00Z", **more: object) -> dict[str, Any]:
    """An ``Event`` with one record."""
    record = {
        "MemberId": "0",
        "EventId": "77",
        "EventTimestamp": created,
        "MessageId": message,
        "MessageSeverity": "Critical",
        "Message": "Leak detector '%1' reports it.",
        "MessageArgs": ["Leak0"],
    }
    return {
        "@odata.type": "#Event.v1_7_0.Event",
        "Id": "5",
        "Name": "Event Array",
        "Events": [{**record, **more}],
    }


@dataclass
class RedfishService:
    """Serves a mapping of URI to resource."""

    resources: Mapping[str, Any]
    needs_login: bool = False
    offers_sessions: bool = True
    max_sessions: int = 1
    replies: dict[str, Callable[[], Reply]] = field(default_factory=dict)
    """By path with query: what is answered in place of the resource."""
    sessions: set[str] = field(default_factory=set)
    opened: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    login_pause_seconds: float = 0.0
    basic_works: bool = True
    refused_tokens: set[str] = field(default_factory=set)
    """Tokens that let nothing in any more, while their sessions go on to count."""
    peak_sessions: int = 0
    """Most sessions that were open at once."""
    peak_requests: int = 0
    """Most requests that were under way at once."""
    seconds_a_request: float = 0.0
    with_etags: bool = False
    not_modified: list[str] = field(default_factory=list)
    feed: EventFeed | None = None
    """What is sent at :data:`SSE`; without one there is no such place."""
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self._under_way += 1
            self.peak_requests = max(self.peak_requests, self._under_way)
        try:
            if self.seconds_a_request:
                time.sleep(self.seconds_a_request)
            return self._answer(request)
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, request: Request) -> Reply:
        path = request.path.rstrip("/") or "/"
        self.requests.append((request.method, path))
        if request.method == "POST" and path == SESSIONS:
            return self._log_in(request)
        if self.needs_login and path != "/redfish/v1" and not self._is_allowed(request):
            return Reply(401, b'{"error": {}}')
        if request.method == "DELETE":
            self.sessions.discard(path.rsplit("/", 1)[-1])
            return Reply(204)
        if path in self.replies:
            return self.replies[path]()
        if path.partition("?")[0] == SSE and self.feed is not None:
            return self.feed.reply(request)
        return self._read(path, request.headers.get("If-None-Match", ""))

    def _read(self, path: str, known: str) -> Reply:
        if path not in self.resources:
            return Reply(404, b"{}")
        body = json.dumps(self.resources[path]).encode()
        if not self.with_etags:
            return Reply(body=body)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if known == etag:
            self.not_modified.append(path)
            return Reply(304, headers={"ETag": etag})
        return Reply(body=body, headers={"ETag": etag})

    def _log_in(self, request: Request) -> Reply:
        if not self.offers_sessions:
            return Reply(405, b"{}")
        if len(self.sessions) >= self.max_sessions:
            return Reply(503, b'{"error": {"code": "Base.1.0.SessionLimitExceeded"}}')
        if json.loads(request.body) != {"UserName": USER, "Password": PASSWORD}:
            return Reply(401, b"{}")
        self.opened += 1
        token = f"token{self.opened}"
        self.sessions.add(token)
        self.peak_sessions = max(self.peak_sessions, len(self.sessions))
        headers = {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"}
        return Reply(201, headers=headers, pieces=(b"{}",), pause_seconds=self.login_pause_seconds)

    def _is_allowed(self, request: Request) -> bool:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return request.headers.get("X-Auth-Token") in self.sessions - self.refused_tokens or (
            self.basic_works and request.headers.get("Authorization") == basic
        )

    def gets(self, path: str) -> int:
        """How often a resource was read."""
        return self.requests.count(("GET", path))


@contextmanager
def running(service: RedfishService) -> Iterator[str]:
    """Serves until the end of the block; gives the base URL."""
    with serving(service.answer) as url:
        yield url


def link(uri: str) -> dict[str, str]:
    return {"@odata.id": uri}


def collection(uri: str, kind: str, *members: str) -> dict[str, Any]:
    return {
        "@odata.id": uri,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Members": [link(member) for member in members],
    }


def resource(uri: str, kind: str, **properties: object) -> dict[str, Any]:
    name = uri.rsplit("/", 1)[-1]
    return {
        "@odata.id": uri,
        "@odata.type": f"#{kind}.v1_0_0.{kind}",
        "Id": name,
        "Name": name,
        **properties,
    }


ENABLED = {"State": "Enabled", "Health": "OK"}


def tray() -> dict[str, Any]:
    """A small liquid-cooled host: two accelerators, a leak detector, a fan, a log."""
    v1, system, chassis = "/redfish/v1", "/redfish/v1/Systems/Sys", "/redfish/v1/Chassis/Tray"
    detection = f"{chassis}/ThermalSubsystem/LeakDetection"
    log = "/redfish/v1/Managers/BMC/LogServices/Events"
    found = [
        resource(v1, "ServiceRoot", RedfishVersion="1.17.0", Systems=link(f"{v1}/Systems"))
        | {"Chassis": link(f"{v1}/Chassis"), "Managers": link(f"{v1}/Managers")},
        collection(f"{v1}/Systems", "ComputerSystem", system),
        resource(system, "ComputerSystem", PowerState="On", Status=ENABLED)
        | {"Processors": link(f"{system}/Processors"), "Links": {"Chassis": [link(chassis)]}},
        collection(
            f"{system}/Processors",
            "Processor",
            f"{system}/Processors/GPU_0",
            f"{system}/Processors/GPU_1",
        ),
        collection(f"{v1}/Chassis", "Chassis", chassis),
        resource(chassis, "Chassis", ThermalSubsystem=link(f"{chassis}/ThermalSubsystem"))
        | {"Sensors": link(f"{chassis}/Sensors"), "Links": {"ComputerSystems": [link(system)]}},
        collection(f"{chassis}/Sensors", "Sensor", f"{chassis}/Sensors/Inlet"),
        resource(
            f"{chassis}/Sensors/Inlet",
            "Sensor",
            Reading=24.5,
            ReadingType="Temperature",
            ReadingUnits="Cel",
            PhysicalContext="Intake",
            Status=ENABLED,
        ),
        resource(f"{chassis}/ThermalSubsystem", "ThermalSubsystem", LeakDetection=link(detection)),
        resource(detection, "LeakDetection", LeakDetectors=link(f"{detection}/LeakDetectors")),
        collection(
            f"{detection}/LeakDetectors", "LeakDetector", f"{detection}/LeakDetectors/Leak0"
        ),
        resource(
            f"{detection}/LeakDetectors/Leak0", "LeakDetector", DetectorState="OK", Status=ENABLED
        ),
        collection(f"{v1}/Managers", "Manager", f"{v1}/Managers/BMC"),
        resource(f"{v1}/Managers/BMC", "Manager", Status=ENABLED)
        | {"LogServices": link(f"{v1}/Managers/BMC/LogServices")},
        collection(f"{v1}/Managers/BMC/LogServices", "LogService", log),
        resource(log, "LogService", Entries=link(f"{log}/Entries")),
        {**collection(f"{log}/Entries", "LogEntry"), "Members": []},
    ]
    for gpu in ("GPU_0", "GPU_1"):
        uri = f"{system}/Processors/{gpu}"
        found.append(
            resource(uri, "Processor", ProcessorType="GPU", Status=ENABLED)
            | {"EnvironmentMetrics": link(f"{uri}/EnvironmentMetrics")}
        )
        found.append(
            resource(
                f"{uri}/EnvironmentMetrics",
                "EnvironmentMetrics",
                TemperatureCelsius={"Reading": 61.5},
                PowerWatts={"Reading": 980.0},
            )
        )
    return {item["@odata.id"]: item for item in found}


ENTRIES = "/redfish/v1/Managers/BMC/LogServices/Events/Entries"


def entry(number: int, created: str, message: str, severity: str = "Critical") -> dict[str, Any]:
    """A log entry, inline."""
    return {
        "@odata.id": f"{ENTRIES}/{number}",
        "@odata.type": "#LogEntry.v1_15_0.LogEntry",
        "Id": str(number),
        "Name": "Log Entry",
        "EntryType": "Event",
        "Created": created,
        "Severity": severity,
        "MessageId": message,
        "Message": "Leak detector '%1' reports it.",
        "MessageArgs": ["Leak0"],
    }
