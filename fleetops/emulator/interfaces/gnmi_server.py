"""gNMI of one emulated switch: Capabilities, Get, and Subscribe in all its modes.

The paths of a subscription are serialised once; at a tick values are put beside them. A subscriber
that is slow gets the newest values when it is ready, never a queue of old ones.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NoReturn

import grpc
from pygnmi.spec.v080 import gnmi_pb2, gnmi_pb2_grpc
from typing_extensions import override

from fleetops.core.clock import Clock
from fleetops.emulator.interfaces.gnmi_lists import Elem, Path, Selected, Tables, select
from fleetops.emulator.interfaces.gnmi_tree import lists_of
from fleetops.emulator.interfaces.switches import SwitchRows
from fleetops.emulator.model.fleet import Fleet

VERSION = "0.8.0"
JSON_IETF = 4
STREAM, ONCE, POLL = range(3)
"""Of SubscriptionList."""
ON_CHANGE = 1
"""Of SubscriptionMode; TARGET_DEFINED is taken as SAMPLE."""
MODELS = ("openconfig-interfaces", "openconfig-platform", "openconfig-qos")
UPDATES_A_MESSAGE = 1000
"""Some 300 bytes each: far below the 4 MiB that clients of gRPC take by default."""
NANOSECONDS = 1_000_000_000


class Account:
    """Who may ask."""

    def __init__(self, username: str, password: str) -> None:
        """Both come with every call, as metadata."""
        self._expected = (username.encode(), password.encode())

    def admits(self, context: Any) -> bool:  # noqa: ANN401  (grpc ships no types)
        """Whether a call brings the right ones."""
        said = dict(context.invocation_metadata() or ())
        given = (str(said.get("username", "")), str(said.get("password", "")))
        return all(
            secrets.compare_digest(one.encode(), right)
            for one, right in zip(given, self._expected, strict=True)
        )


class Ticks:
    """Tells whoever waits that the fleet has moved on."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._moved = asyncio.Event()

    def advance(self) -> None:
        """The tables have new values."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def next(self) -> None:
        """Returns at the next tick."""
        await self._moved.wait()


class Told:
    """What one path of a request is told. Paths are serialised once; only values change."""

    def __init__(self, selected: Selected, target: str, *, watched: bool = False) -> None:
        """``target`` is the client's own name for the switch, which is said back to it."""
        self._selected = selected
        self._watched = watched
        self._last: list[str] = []
        self._paths = []
        for path in selected.paths():
            one = gnmi_pb2.SubscribeResponse()
            _fill(one.update.update.add().path, path)
            self._paths.append(one.SerializeToString())
        named = gnmi_pb2.SubscribeResponse()
        named.update.prefix.target = target
        self._head = named.SerializeToString()

    def all(self, tables: Tables, nanoseconds: int) -> Iterator[Any]:
        """Every value."""
        texts = self._selected.values(tables)
        if self._watched:
            self._last = texts
        yield from self._messages(range(len(texts)), texts, nanoseconds)

    def changed(self, tables: Tables, nanoseconds: int) -> Iterator[Any]:
        """The values that are other than when they were told last; it must be watched."""
        texts, last = self._selected.values(tables), self._last
        found = [at for at, text in enumerate(texts) if text != last[at]]
        self._last = texts
        yield from self._messages(found, texts, nanoseconds)

    def _messages(
        self, places: Sequence[int], texts: Sequence[str], nanoseconds: int
    ) -> Iterator[Any]:
        """Messages of some entries; protobuf adds up what is merged into a message."""
        for first in range(0, len(places), UPDATES_A_MESSAGE):
            some = places[first : first + UPDATES_A_MESSAGE]
            data = b"".join((self._head, *(self._paths[at] for at in some)))
            message = gnmi_pb2.SubscribeResponse.FromString(data)
            message.update.timestamp = nanoseconds
            for update, at in zip(message.update.update, some, strict=True):
                update.val.json_ietf_val = texts[at].encode()
            yield message


class Subscribed:
    """One subscription of a stream: when it is told what."""

    def __init__(self, told: Sequence[Told], one: Any, seconds: float) -> None:  # noqa: ANN401
        """``one`` is the request's; ``seconds`` the fleet's time at which all was told."""
        self._told = told
        self._on_change = one.mode == ON_CHANGE
        every = one.heartbeat_interval if self._on_change else one.sample_interval
        self._every_seconds = every / NANOSECONDS
        self._never = self._on_change and not every
        self._sparse = bool(one.suppress_redundant)
        self._last_seconds = seconds

    def messages(self, tables: Tables, seconds: float, nanoseconds: int) -> Iterator[Any]:
        """What is to be said at a tick."""
        due = not self._never and seconds >= self._last_seconds + self._every_seconds
        if due:
            self._last_seconds = seconds
        for told in self._told:
            if due and not self._sparse:
                yield from told.all(tables, nanoseconds)
            elif due or self._on_change:
                yield from told.changed(tables, nanoseconds)


class GnmiSwitch(gnmi_pb2_grpc.gNMIServicer):  # type: ignore[misc]
    """The service of one switch."""

    def __init__(
        self, switch: SwitchRows, fleet: Fleet, clock: Clock, ticks: Ticks, account: Account
    ) -> None:
        """Answers as soon as a server has it."""
        self._switch = switch
        self._fleet = fleet
        self._clock = clock
        self._ticks = ticks
        self._account = account
        self._lists = lists_of(switch)

    @override
    async def Capabilities(self, request: Any, context: Any) -> Any:
        """What it has."""
        await self._admit(context)
        return gnmi_pb2.CapabilityResponse(
            supported_models=[gnmi_pb2.ModelData(name=name) for name in MODELS],
            supported_encodings=[JSON_IETF],
            gNMI_version=VERSION,
        )

    @override
    async def Get(self, request: Any, context: Any) -> Any:
        """The values of some paths."""
        await self._admit(context)
        await self._understand(request.encoding, context)
        answer = gnmi_pb2.GetResponse()
        for path in request.path:
            for told in self._select(request.prefix, path):
                for message in told.all(self._fleet.tables, self._now()):
                    answer.notification.append(message.update)
        return answer

    @override
    async def Subscribe(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Everything once, then a sync, then what the mode asks for."""
        await self._admit(context)
        first = await anext(requests, None)
        if first is None or not first.HasField("subscribe"):
            await _refuse(context, "INVALID_ARGUMENT", "the first message is no subscription")
        listed = first.subscribe
        await self._understand(listed.encoding, context)
        told = [
            list(self._select(listed.prefix, one.path, watched=_is_watched(one)))
            for one in listed.subscription
        ]
        for message in self._everything(told, silent=listed.updates_only):
            yield message
        yield gnmi_pb2.SubscribeResponse(sync_response=True)
        if listed.mode == POLL:
            async for _ in requests:
                await self._admit(context)
                for message in self._everything(told, silent=False):
                    yield message
                yield gnmi_pb2.SubscribeResponse(sync_response=True)
        if listed.mode != STREAM:
            return
        seconds, ticks = self._fleet.seconds, self._fleet.ticks
        streams = [
            Subscribed(some, one, seconds)
            for some, one in zip(told, listed.subscription, strict=True)
        ]
        while True:
            if self._fleet.ticks == ticks:
                await self._ticks.next()
            ticks = self._fleet.ticks
            await self._admit(context)
            for stream in streams:
                for message in stream.messages(
                    self._fleet.tables, self._fleet.seconds, self._now()
                ):
                    yield message

    def _everything(self, told: Sequence[Sequence[Told]], *, silent: bool) -> Iterator[Any]:
        tables, now = self._fleet.tables, self._now()
        for some in told:
            for one in some:
                messages = one.all(tables, now)
                if silent:
                    deque(messages, maxlen=0)  # so that changes are told against these
                else:
                    yield from messages

    def _select(
        self,
        prefix: Any,  # noqa: ANN401
        path: Any,  # noqa: ANN401
        *,
        watched: bool = False,
    ) -> Iterator[Told]:
        asked = tuple(_elem(one) for one in (*prefix.elem, *path.elem))
        for selected in select(self._lists, asked):
            yield Told(selected, prefix.target, watched=watched)

    async def _admit(self, context: Any) -> None:  # noqa: ANN401
        """Ends the call where the switch is down, or the caller is nobody that it knows."""
        if not self._switch.answers(self._fleet):
            await _refuse(context, "UNAVAILABLE", f"{self._switch.name} is down")
        if not self._account.admits(context):
            await _refuse(context, "UNAUTHENTICATED", "authentication failed")

    async def _understand(self, encoding: int, context: Any) -> None:  # noqa: ANN401
        if encoding != JSON_IETF:
            await _refuse(context, "UNIMPLEMENTED", "the encoding is JSON_IETF alone")

    def _now(self) -> int:
        """Nanoseconds since 1970."""
        return int(self._clock.now().timestamp() * NANOSECONDS)


async def _refuse(context: Any, code: str, details: str) -> NoReturn:  # noqa: ANN401
    await context.abort(getattr(grpc.StatusCode, code), details)
    raise AssertionError("abort raises")


def _is_watched(one: Any) -> bool:  # noqa: ANN401
    """Whether a subscription asks for changes."""
    return bool(one.mode == ON_CHANGE or one.suppress_redundant)


def _fill(message: Any, path: Path) -> None:  # noqa: ANN401
    for elem in path:
        message.elem.add(name=elem.name, key=dict(elem.keys))


def _elem(one: Any) -> Elem:  # noqa: ANN401
    """Without the module that a name may carry."""
    return Elem(one.name.rpartition(":")[2], dict(one.key))


def serve(service: GnmiSwitch, credentials: Any, host: str) -> tuple[Any, int]:  # noqa: ANN401
    """A server for a switch and the port that it listens at; it is to be started yet."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    gnmi_pb2_grpc.add_gNMIServicer_to_server(service, server)
    return server, server.add_secure_port(f"{host}:0", credentials)


def tls(certificate: bytes, key: bytes) -> Any:  # noqa: ANN401
    """Credentials of a server."""
    return grpc.ssl_server_credentials([(key, certificate)])
