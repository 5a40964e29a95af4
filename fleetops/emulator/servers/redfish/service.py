"""The Redfish protocol over HTTP: the port says which device is asked.

Plain ASGI, since hundreds of small requests a second go through here.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from fleetops.emulator.servers.redfish.devices import Device
from fleetops.emulator.servers.redfish.sessions import IDLE_SECONDS, Session
from fleetops.emulator.servers.redfish.tree import MAX_EXPAND_LEVELS, OK, ROOT, Resource, link

MAX_BODY_BYTES = 64 * 1024
SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"
OPEN_PATHS = frozenset({"/redfish", ROOT, f"{ROOT}/odata"})
"""Readable without authentication (DSP0266, 13.3.7)."""
_EXPAND = re.compile(r"^([.*])(?:\(\$levels=(\d{1,2})\))?$")

Headers = Iterable[tuple[bytes, bytes]]


class Answer(Exception):
    """What a request gets; raised where it ends the request at once."""

    def __init__(
        self, code: int, body: Resource | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.body = body
        self.headers = dict(headers or {})


class RedfishService:
    """ASGI application of all management controllers."""

    def __init__(self, devices: Mapping[int, Device], username: str, password: str) -> None:
        """``devices`` by the port they listen on; one account on all of them."""
        self._devices = devices
        self._username = username
        self._password = password

    def serves(self, port: int) -> bool:
        """Whether a device listens there."""
        return port in self._devices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        device = self._devices[scope["server"][1]]
        try:
            answer = await self._answer(device, scope, receive)
        except Answer as early:
            answer = early
        payload = b"" if answer.body is None else orjson.dumps(answer.body)
        headers = [
            (b"content-length", str(len(payload)).encode()),
            (b"odata-version", b"4.0"),
            (b"cache-control", b"no-cache"),
        ]
        if payload:
            headers.append((b"content-type", b"application/json;charset=utf-8"))
        headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.code, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    async def _answer(self, device: Device, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"].rstrip("/"), scope["method"]
        if method == "POST" and path in {SESSIONS, f"{SESSIONS}/Members"}:
            return self._log_in(device, await _read_body(receive))
        if path not in OPEN_PATHS:
            self._authorise(device, scope["headers"])
        if method == "DELETE" and path.startswith(f"{SESSIONS}/"):
            if not device.sessions.close(path.removeprefix(f"{SESSIONS}/")):
                raise _error(404, "ResourceMissingAtURI", f"There is no resource at '{path}'.")
            return Answer(204)
        if method != "GET":
            raise _error(405, "OperationNotAllowed", f"{method} is not allowed on '{path}'.")
        resource = self._resource(device, path)
        if resource is None:
            raise _error(404, "ResourceMissingAtURI", f"There is no resource at '{path}'.")
        if scope["query_string"]:
            resource = _expand(device, resource, scope["query_string"].decode("latin-1"))
        return Answer(200, resource)

    def _resource(self, device: Device, path: str) -> Resource | None:
        if path == "/redfish":
            return {"v1": f"{ROOT}/"}
        if path == f"{ROOT}/odata":
            return {
                "@odata.context": f"{ROOT}/$metadata",
                "value": [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}],
            }
        if path.startswith(SESSION_SERVICE):
            return _session_resource(device, path)
        return device.tree.get(path)

    def _log_in(self, device: Device, body: bytes) -> Answer:
        try:
            given: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise _error(400, "MalformedJSON", "The body is not JSON.") from None
        fields = given if isinstance(given, dict) else {}
        if not self._is_account(str(fields.get("UserName")), str(fields.get("Password"))):
            raise _unauthorised()
        session = device.sessions.open(self._username)
        if session is None:
            raise _error(
                503,
                "SessionLimitExceeded",
                "The number of simultaneous sessions has reached the limit.",
            )
        return Answer(
            201,
            _session(session),
            {"X-Auth-Token": session.token, "Location": f"{SESSIONS}/{session.id}"},
        )

    def _authorise(self, device: Device, headers: Headers) -> None:
        for name, value in headers:
            if name == b"x-auth-token" and device.sessions.is_open(value.decode("latin-1")):
                return
            if name == b"authorization" and self._is_basic(value):
                return
        raise _unauthorised()

    def _is_basic(self, value: bytes) -> bool:
        scheme, _, encoded = value.partition(b" ")
        try:
            text = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return False
        username, _, password = text.partition(":")
        return scheme.lower() == b"basic" and self._is_account(username, password)

    def _is_account(self, username: str, password: str) -> bool:
        right = secrets.compare_digest(username.encode(), self._username.encode())
        return secrets.compare_digest(password.encode(), self._password.encode()) and right


def _session_resource(device: Device, path: str) -> Resource | None:
    if path == SESSION_SERVICE:
        return {
            "@odata.id": path,
            "@odata.type": "#SessionService.v1_2_0.SessionService",
            "Id": "SessionService",
            "Name": "Session Service",
            "Status": OK,
            "ServiceEnabled": True,
            "SessionTimeout": int(IDLE_SECONDS),
            "Sessions": link("SessionService/Sessions"),
        }
    if path == SESSIONS:
        members = [link(f"SessionService/Sessions/{name}") for name in device.sessions.ids]
        return {
            "@odata.id": path,
            "@odata.type": "#SessionCollection.SessionCollection",
            "Name": "Session Collection",
            "Members@odata.count": len(members),
            "Members": members,
        }
    session = device.sessions.get(path.removeprefix(f"{SESSIONS}/"))
    return _session(session) if session else None


def _session(session: Session) -> Resource:
    return {
        "@odata.id": f"{SESSIONS}/{session.id}",
        "@odata.type": "#Session.v1_8_0.Session",
        "Id": session.id,
        "Name": "User Session",
        "UserName": session.username,
    }


def _expand(device: Device, resource: Resource, query: str) -> Resource:
    """``$expand`` as DSP0266 has it: ``.`` without Links, ``*`` with them, ``($levels=n)``."""
    wanted = parse_qs(query).get("$expand")
    if not wanted:
        return resource
    match = _EXPAND.match(wanted[0])
    levels = int(match[2] or 1) if match else 0
    if match is None or not 1 <= levels <= MAX_EXPAND_LEVELS:
        raise _error(
            400, "QueryParameterValueFormatError", f"$expand={wanted[0]} is not supported."
        )
    return device.tree.expand(resource, levels, links=match[1] == "*")


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _error(413, "PayloadTooLarge", f"More than {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body"):
            return bytes(body)


def _unauthorised() -> Answer:
    answer = _error(401, "NoValidSession", "There is no valid session for this request.")
    answer.headers["WWW-Authenticate"] = 'Basic realm="Redfish"'
    return answer


def _error(code: int, message: str, text: str) -> Answer:
    message_id = f"Base.1.18.{message}"
    extended = {"MessageId": message_id, "Message": text, "MessageSeverity": "Critical"}
    return Answer(
        code,
        {"error": {"code": message_id, "message": text, "@Message.ExtendedInfo": [extended]}},
    )
