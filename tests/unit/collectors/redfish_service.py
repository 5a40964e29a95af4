"""A Redfish service for tests, over real HTTP: sessions and their limit, faults at chosen URIs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.unit.collectors.http_server import Reply, Request, serving

SESSIONS = "/redfish/v1/SessionService/Sessions"
USER, PASSWORD = "monitor", "correct horse"


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

    def answer(self, request: Request) -> Reply:
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
        if path not in self.resources:
            return Reply(404, b"{}")
        return Reply(body=json.dumps(self.resources[path]).encode())

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
        headers = {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"}
        return Reply(201, headers=headers, pieces=(b"{}",), pause_seconds=self.login_pause_seconds)

    def _is_allowed(self, request: Request) -> bool:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return (
            request.headers.get("X-Auth-Token") in self.sessions
            or request.headers.get("Authorization") == basic
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
