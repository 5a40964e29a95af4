"""The Redfish protocol over HTTP: the port says which controller is asked.

Plain ASGI, since hundreds of small requests a second go through here.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from fleetops.emulator.interfaces.redfish.common import EVENTS
from fleetops.emulator.interfaces.redfish.controller import Controller
from fleetops.emulator.interfaces.redfish.events import (
    UnknownFilterError,
    stream,
    wanted_formats,
)
from fleetops.emulator.interfaces.redfish.sessions import IDLE_SECONDS, Session
from fleetops.emulator.interfaces.redfish.tree import MAX_EXPAND_LEVELS, OK, ROOT, Resource, link

MAX_BODY_BYTES = 64 * 1024
MAX_DIGITS = 9
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
        """``body`` becomes JSON."""
        super().__init__(code)
        self.code = code
        self.body = body
        self.headers = dict(headers or {})


class Account:
    """The one account of all controllers."""

    def __init__(self, username: str, password: str) -> None:
        """Kept as bytes, to be compared in constant time."""
        self.username = username
        self._username = username.encode()
        self._password = password.encode()

    def is_right(self, username: str, password: str) -> bool:
        """Whether name and password are both right."""
        right = secrets.compare_digest(username.encode(), self._username)
        return secrets.compare_digest(password.encode(), self._password) and right

    def is_basic(self, value: bytes) -> bool:
        """Whether an ``Authorization`` header holds them."""
        scheme, _, encoded = value.partition(b" ")
        try:
            text = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return False
        username, _, password = text.partition(":")
        return scheme.lower() == b"basic" and self.is_right(username, password)


class RedfishService:
    """ASGI application of all management controllers."""

    def __init__(self, controllers: Mapping[int, Controller], account: Account) -> None:
        """``controllers`` by the port they listen on."""
        self._controllers = controllers
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        controller = self._controllers[scope["server"][1]]
        try:
            if scope["path"].rstrip("/") == EVENTS:
                await self._stream(controller, scope, receive, send)
                return
            answer = await self._answer(controller, scope, receive)
        except Answer as early:
            answer = early
        payload = b"" if answer.body is None else orjson.dumps(answer.body)
        headers = [
            (b"content-length", b"%d" % len(payload)),
            (b"odata-version", b"4.0"),
            (b"cache-control", b"no-cache"),
            *((name.encode(), value.encode()) for name, value in answer.headers.items()),
        ]
        if payload:
            headers.append((b"content-type", b"application/json;charset=utf-8"))
        code = answer.code
        if code == 200:  # noqa: PLR2004
            etag = b'"%08x"' % zlib.crc32(payload)
            headers.append((b"etag", etag))
            if (b"if-none-match", etag) in scope["headers"]:
                code, payload = 304, b""
                headers[0] = (b"content-length", b"0")
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    async def _stream(
        self, controller: Controller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if not controller.answers:
            raise _unavailable()
        self._authorise(controller, scope["headers"])
        if scope["method"] != "GET":
            raise _error(405, "OperationNotAllowed", f"{scope['method']} is not allowed here.")
        query = scope["query_string"].decode("latin-1")
        try:
            formats = wanted_formats(query)
        except UnknownFilterError as error:
            raise _unsupported("$filter", str(error)) from None
        last_id = dict(scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
        seen = _number("Last-Event-ID", last_id) if last_id else None
        await stream(controller, formats, seen, receive, send)

    async def _answer(self, controller: Controller, scope: Scope, receive: Receive) -> Answer:
        if not controller.answers:
            raise _unavailable()
        method, path = scope["method"], scope["path"].rstrip("/")
        if method == "POST" and path == SESSIONS:
            return self._log_in(controller, await _read_body(receive))
        if path not in OPEN_PATHS:
            self._authorise(controller, scope["headers"])
        if method == "DELETE" and path.startswith(f"{SESSIONS}/"):
            if not controller.sessions.close(path.removeprefix(f"{SESSIONS}/")):
                raise _missing(path)
            return Answer(204)
        if method != "GET":
            raise _error(405, "OperationNotAllowed", f"{method} is not allowed on '{path}'.")
        resource = _resource(controller, path)
        if resource is None:
            raise _missing(path)
        if scope["query_string"]:
            resource = _queried(controller, resource, scope["query_string"].decode("latin-1"))
        return Answer(200, resource)

    def _log_in(self, controller: Controller, body: bytes) -> Answer:
        try:
            given: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise _error(400, "MalformedJSON", "The body is not JSON.") from None
        fields = given if isinstance(given, dict) else {}
        if not self._account.is_right(str(fields.get("UserName")), str(fields.get("Password"))):
            raise _unauthorised()
        session = controller.sessions.open(self._account.username)
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

    def _authorise(self, controller: Controller, headers: Headers) -> None:
        for name, value in headers:
            if name == b"x-auth-token" and controller.sessions.is_open(value.decode("latin-1")):
                return
            if name == b"authorization" and self._account.is_basic(value):
                return
        raise _unauthorised()


def _resource(controller: Controller, path: str) -> Resource | None:
    if path == "/redfish":
        return {"v1": f"{ROOT}/"}
    if path == f"{ROOT}/odata":
        return {
            "@odata.context": f"{ROOT}/$metadata",
            "value": [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}],
        }
    if path.startswith(SESSION_SERVICE):
        return _session_resource(controller, path)
    return controller.tree.get(path, controller)


def _session_resource(controller: Controller, path: str) -> Resource | None:
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
        members = [link(f"SessionService/Sessions/{name}") for name in controller.sessions.ids]
        return {
            "@odata.id": path,
            "@odata.type": "#SessionCollection.SessionCollection",
            "Name": "Session Collection",
            "Members@odata.count": len(members),
            "Members": members,
        }
    session = controller.sessions.get(path.removeprefix(f"{SESSIONS}/"))
    return _session(session) if session else None


def _session(session: Session) -> Resource:
    return {
        "@odata.id": f"{SESSIONS}/{session.id}",
        "@odata.type": "#Session.v1_8_0.Session",
        "Id": session.id,
        "Name": "User Session",
        "UserName": session.username,
    }


def _queried(controller: Controller, resource: Resource, query: str) -> Resource:
    """``$skip`` and ``$top`` of a collection, then ``$expand``: as DSP0266, 7.3, has them."""
    wanted = parse_qs(query)
    if "Members" in resource and ("$skip" in wanted or "$top" in wanted):
        skip = _number("$skip", wanted.get("$skip", ["0"])[0])
        top = _number("$top", wanted.get("$top", [str(len(resource["Members"]))])[0])
        resource = {**resource, "Members": resource["Members"][skip : skip + top]}
    if "$expand" not in wanted:
        return resource
    match = _EXPAND.match(wanted["$expand"][0])
    levels = int(match[2] or 1) if match else 0
    if match is None or not 1 <= levels <= MAX_EXPAND_LEVELS:
        raise _unsupported("$expand", wanted["$expand"][0])
    return controller.tree.expand(resource, levels, controller, links=match[1] == "*")


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise _unsupported(name, text)
    return int(text)


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _error(413, "PayloadTooLarge", f"More than {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body"):
            return bytes(body)


def _unavailable() -> Answer:
    return _error(503, "ServiceTemporarilyUnavailable", "The controller is not available.")


def _missing(path: str) -> Answer:
    return _error(404, "ResourceMissingAtURI", f"There is no resource at '{path}'.")


def _unsupported(name: str, value: str) -> Answer:
    return _error(400, "QueryParameterValueFormatError", f"{name}={value} is not supported.")


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
