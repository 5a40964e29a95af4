"""What every alert sink does, told to a real HTTP receiver."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from fleetops.alerts.base import AlertSink, Notification
from fleetops.alerts.changes import Told
from fleetops.core.clock import ManualClock
from fleetops.core.errors import PermanentError, TemporaryError
from fleetops_schemas.records import (
    Incident,
    IncidentStatus,
    RecommendedAction,
    Severity,
    Verdict,
)

OPENED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Delivered:
    """One POST as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Answers with ``statuses`` one after the other, then with 200."""

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    received: list[Delivered] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> HttpReceiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Delivered(self.path, headers, body))
                time.sleep(receiver.delay_seconds)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def make_incident(
    *,
    status: IncidentStatus = IncidentStatus.OPEN,
    severity: Severity = Severity.CRITICAL,
    kind: str = "accelerator_hot",
) -> Incident:
    return Incident(
        id="inc-1",
        status=status,
        verdict=Verdict.HARDWARE,
        kind=kind,
        cause_device="node001/gpu0",
        cause_device_class="accelerator",
        severity=severity,
        title="node001/gpu0 is hot",
        explanation="96 Cel against a median of 61",
        action=RecommendedAction.DRAIN,
        suspect_hosts=("node001",),
        opened_at=OPENED_AT,
        updated_at=OPENED_AT,
        resolved_at=OPENED_AT if status is IncidentStatus.RESOLVED else None,
    )


def opened() -> Notification:
    notification = Told().incident(make_incident())
    assert notification is not None
    return notification


class AlertSinkContract(ABC):
    """Inherit, and say how the sink for a URL is made."""

    @abstractmethod
    def make(self, url: str, clock: ManualClock) -> AlertSink: ...

    @pytest.fixture
    def receiver(self) -> Iterator[HttpReceiver]:
        with HttpReceiver() as receiver:
            yield receiver

    @pytest.fixture
    def sink(self, receiver: HttpReceiver) -> Iterator[AlertSink]:
        sink = self.make(receiver.url, ManualClock())
        yield sink
        sink.close()

    def test_it_is_a_sink(self, sink: AlertSink) -> None:
        assert isinstance(sink, AlertSink)

    def test_it_connects_when_it_delivers_and_not_before(
        self, sink: AlertSink, receiver: HttpReceiver
    ) -> None:
        assert receiver.received == []
        sink.deliver(opened())
        assert len(receiver.received) == 1

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_a_receiver_in_trouble_is_tried_again_later(
        self, sink: AlertSink, receiver: HttpReceiver, status: int
    ) -> None:
        receiver.statuses = [status]
        with pytest.raises(TemporaryError, match=str(status)):
            sink.deliver(opened())
        sink.deliver(opened())
        assert len(receiver.received) == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
    def test_a_refusal_is_for_good(
        self, sink: AlertSink, receiver: HttpReceiver, status: int
    ) -> None:
        receiver.statuses = [status]
        with pytest.raises(PermanentError, match=str(status)):
            sink.deliver(opened())

    def test_a_redirect_is_not_followed(self, sink: AlertSink, receiver: HttpReceiver) -> None:
        receiver.statuses, receiver.headers = [307], {"Location": f"{receiver.url}/elsewhere"}
        with pytest.raises(PermanentError, match="redirects are not followed"):
            sink.deliver(opened())
        assert len(receiver.received) == 1

    def test_a_slow_receiver_is_given_up_in_time(
        self, sink: AlertSink, receiver: HttpReceiver
    ) -> None:
        receiver.delay_seconds = 0.8
        with pytest.raises(TemporaryError, match="no answer"):
            sink.deliver(opened())

    def test_nobody_there_is_temporary(self) -> None:
        sink = self.make("http://127.0.0.1:9", ManualClock())
        with pytest.raises(TemporaryError, match="no answer"):
            sink.deliver(opened())
        sink.close()

    def test_closing_twice_is_harmless(self, sink: AlertSink) -> None:
        sink.close()
        sink.close()
