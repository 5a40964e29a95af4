"""A gNMI target for tests: a gRPC service with TLS, credentials, Capabilities and Subscribe."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pygnmi.spec.v080 import gnmi_pb2, gnmi_pb2_grpc

from fleetops_collectors.gnmi.paths import parse_path

JSON_IETF = 4


@dataclass(slots=True)
class TargetScript:
    """What a target answers, and what it saw."""

    values: Mapping[str, object] = field(default_factory=dict)
    """By path; a dictionary is a subtree in JSON_IETF, bytes and numbers are typed values."""
    time_ns: int | None = None
    """Of every message; now where it is None."""
    encodings: Sequence[int] = (JSON_IETF,)
    username: str = ""
    password: str = ""
    refuses_on_change: bool = False
    sends_sync: bool = True
    hangs: bool = False
    """Takes the subscription and never says anything."""
    ends_after: float | None = None
    """Seconds until the target ends the subscription."""
    later: list[Any] = field(default_factory=list)
    """Notifications that are sent after the first ones, once ``go_on`` is set."""
    go_on: threading.Event = field(default_factory=threading.Event)
    requests: list[Any] = field(default_factory=list)
    """The subscriptions that came."""


def notification(values: Mapping[str, object], time_ns: int, deletes: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """A ``Notification`` with the values of paths."""
    message = gnmi_pb2.Notification(timestamp=time_ns)
    for path, value in values.items():
        update = message.update.add()
        _fill(update.path, path)
        _set(update.val, value)
    for path in deletes:
        _fill(message.delete.add(), path)
    return message


def _fill(message: Any, path: str) -> None:  # noqa: ANN401
    for elem in parse_path(path):
        message.elem.add(name=elem.name, key=dict(elem.keys))


def _set(message: Any, value: object) -> None:  # noqa: ANN401
    match value:
        case bool():
            message.bool_val = value
        case int():
            message.uint_val = value
        case float():
            message.double_val = value
        case bytes():
            message.bytes_val = value
        case str():
            message.string_val = value
        case _:
            message.json_ietf_val = json.dumps(value).encode()


class _Servicer(gnmi_pb2_grpc.gNMIServicer):  # type: ignore[misc]
    def __init__(self, script: TargetScript, stopped: threading.Event) -> None:
        self._script = script
        self._stopped = stopped

    def Capabilities(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        self._check(context)
        return gnmi_pb2.CapabilityResponse(
            supported_encodings=self._script.encodings, gNMI_version="0.10.0"
        )

    def Subscribe(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: ANN401
        script = self._script
        self._check(context)
        request = next(requests)
        script.requests.append(request)
        modes = {one.mode for one in request.subscribe.subscription}
        if script.refuses_on_change and 1 in modes:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "ON_CHANGE is not supported")
        if script.hangs:
            self._wait(context, 60)
            return
        now = script.time_ns if script.time_ns is not None else time.time_ns()
        if script.values:
            yield gnmi_pb2.SubscribeResponse(update=notification(script.values, now))
        if script.sends_sync:
            yield gnmi_pb2.SubscribeResponse(sync_response=True)
        if script.ends_after is not None:
            self._wait(context, script.ends_after)
            return
        while context.is_active() and not self._stopped.is_set():
            if script.go_on.wait(0.02):
                while script.later:
                    yield gnmi_pb2.SubscribeResponse(update=script.later.pop(0))
                time.sleep(0.02)

    def _wait(self, context: Any, seconds: float) -> None:  # noqa: ANN401
        end = time.monotonic() + seconds
        while context.is_active() and not self._stopped.is_set() and time.monotonic() < end:
            time.sleep(0.02)

    def _check(self, context: Any) -> None:  # noqa: ANN401
        script = self._script
        said = dict(context.invocation_metadata())
        if script.username and (said.get("username"), said.get("password")) != (
            script.username,
            script.password,
        ):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authentication failed")


@contextmanager
def serving(
    script: TargetScript, certificate: tuple[Path, Path] | None = None, port: int = 0
) -> Iterator[int]:
    """The port at which the target listens, over TLS where a certificate and key are given."""
    stopped = threading.Event()
    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
    gnmi_pb2_grpc.add_gNMIServicer_to_server(_Servicer(script, stopped), server)
    address = f"127.0.0.1:{port}"
    if certificate is None:
        port = server.add_insecure_port(address)
    else:
        chain, key = (path.read_bytes() for path in certificate)
        port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, chain)]))
    server.start()
    try:
        yield port
    finally:
        stopped.set()
        server.stop(None).wait()
        pool.shutdown()


@contextmanager
def without_gnmi() -> Iterator[int]:
    """The port of a gRPC server that has no gNMI."""
    pool = ThreadPoolExecutor(2)
    server = grpc.server(pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
        pool.shutdown()
