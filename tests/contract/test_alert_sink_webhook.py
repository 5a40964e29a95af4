from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from pathlib import Path

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import SecretStr
from typing_extensions import override

from fleetops.alerts.base import AlertSink, Notification
from fleetops.alerts.signature import key_of, sign, verify
from fleetops.alerts.sinks.webhook import WebhookConfig, WebhookSink
from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError
from fleetops_schemas.records import Action, ActionKind, ActionState
from tests.contract.alert_sink_contract import (
    OPENED_AT,
    AlertSinkContract,
    HttpReceiver,
    make_incident,
    opened,
)

SECRET = "correct horse"  # noqa: S105


def webhook(url: str, clock: ManualClock | None = None, **more: object) -> WebhookSink:
    given = {"secret": SecretStr(SECRET), "timeout_seconds": 0.5, "url": url, **more}
    return WebhookSink.create(WebhookConfig.model_validate(given), clock or ManualClock())


class TestWebhook(AlertSinkContract):
    @override
    def make(self, url: str, clock: ManualClock) -> AlertSink:
        return webhook(url, clock, allow_private=True)

    def test_a_delivery_is_a_cloud_event(self, sink: AlertSink, receiver: HttpReceiver) -> None:
        notification = opened()
        sink.deliver(notification)
        got = receiver.received[0]
        assert got.headers["content-type"].startswith("application/cloudevents+json")
        event = JSONFormat().read(None, got.body)
        assert isinstance(event, CloudEvent)
        assert event.get_specversion() == "1.0"
        assert event.get_type() == "org.fleetops.incident.opened.v1"
        assert event.get_id() == notification.id
        assert event.get_subject() == "node001/gpu0"
        assert event.get_time() == OPENED_AT
        assert event.get_data() == make_incident().model_dump(mode="json")

    def test_a_drained_node_has_its_own_type(self, sink: AlertSink, receiver: HttpReceiver) -> None:
        action = Action(
            id="act-1",
            intent_id="i",
            kind=ActionKind.DRAIN,
            target="node001",
            nodes=("node001",),
            state=ActionState.DONE,
            reason="hot",
            requested_by="fleetops:planner",
            created_at=OPENED_AT,
            updated_at=OPENED_AT,
        )
        sink.deliver(Notification(id="n", type="node.drained", action=action))
        event = receiver.received[0].json
        assert (event["type"], event["subject"]) == ("org.fleetops.node.drained.v1", "node001")
        assert event["data"]["nodes"] == ["node001"]

    def test_the_signature_is_what_a_receiver_computes_by_the_standard(
        self, sink: AlertSink, receiver: HttpReceiver
    ) -> None:
        sink.deliver(opened())
        got = receiver.received[0]
        identity, timestamp = got.headers["webhook-id"], got.headers["webhook-timestamp"]
        content = f"{identity}.{timestamp}.".encode() + got.body
        digest = hmac.new(SECRET.encode(), content, hashlib.sha256).digest()
        assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert int(timestamp) == int(ManualClock().now().timestamp())

    def test_a_repeated_delivery_has_the_same_id_and_a_new_time(
        self, receiver: HttpReceiver
    ) -> None:
        clock = ManualClock()
        sink = webhook(receiver.url, clock, allow_private=True)
        sink.deliver(opened())
        clock.advance(7)
        sink.deliver(opened())
        sink.close()
        first, second = receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert (
            int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 7
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://10.1.2.3/hook",
        "https://192.168.0.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/hook",
        "https://0.0.0.0/hook",
        "https://[::1]/hook",
        "https://[fe80::1]/hook",
        "https://[fd00::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://[64:ff9b::a00:1]/hook",
        "https://[2002:a00:1::]/hook",
        "ftp://example.com/hook",
        "example.com/hook",
    ],
)
def test_private_addresses_and_plain_http_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        webhook(url)


def test_a_public_address_is_accepted() -> None:
    webhook("https://93.184.216.34/hook").close()


def test_a_secret_is_needed_and_may_come_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="secret_file is missing"):
        webhook("https://93.184.216.34/hook", secret=None)
    with pytest.raises(ConfigError, match="cannot read"):
        webhook("https://93.184.216.34/", secret=None, secret_file=tmp_path / "none")
    file = tmp_path / "secret"
    file.write_text("whsec_!!!\n", "utf-8")
    with pytest.raises(ConfigError, match="not base64"):
        webhook("https://93.184.216.34/", secret=None, secret_file=file)
    assert key_of("whsec_" + base64.b64encode(b"bytes").decode()) == b"bytes"


def test_a_receiver_can_verify() -> None:
    now, body = OPENED_AT, b'{"a": 1}'
    headers = sign(b"key", "id-1", now, body)
    verify(b"key", {name.title(): value for name, value in headers.items()}, body, now)
    late = now + timedelta(minutes=6)
    for key, changed, content, at in (
        (b"other", headers, body, now),
        (b"key", headers, body + b" ", now),
        (b"key", {**headers, "webhook-id": "id-2"}, body, now),
        (b"key", {**headers, "webhook-timestamp": "1"}, body, None),
        (b"key", {**headers, "webhook-timestamp": "soon"}, body, now),
        (b"key", {"webhook-id": "id-1"}, body, now),
        (b"key", headers, body, late),
    ):
        with pytest.raises(InputError, match="webhook"):
            verify(key, changed, content, at)
