from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from fleetops.alerts.base import AlertSink, RefreshingSink
from fleetops.alerts.changes import Told
from fleetops.alerts.sinks.alertmanager import AlertmanagerConfig, AlertmanagerSink
from fleetops.core.clock import ManualClock
from fleetops.core.errors import TemporaryError
from fleetops_schemas.records import Incident, IncidentStatus, Severity
from tests.contract.alert_sink_contract import (
    OPENED_AT,
    AlertSinkContract,
    HttpReceiver,
    make_incident,
    opened,
)


def sink_for(url: str, clock: ManualClock, **more: object) -> AlertmanagerSink:
    given_ = {"url": url, "timeout_seconds": 0.5, "expires_seconds": 300, **more}
    return AlertmanagerSink.create(AlertmanagerConfig.model_validate(given_), clock)


def active(posts: list[list[dict[str, Any]]], now: datetime) -> list[dict[str, str]]:
    """Label sets that Alertmanager would still show: the last post of a label set counts."""
    last: dict[tuple[tuple[str, str], ...], datetime] = {}
    for alerts in posts:
        for alert in alerts:
            identity = tuple(sorted(alert["labels"].items()))
            last[identity] = datetime.fromisoformat(alert["endsAt"])
    return [dict(identity) for identity, ends_at in last.items() if ends_at > now]


class TestAlertmanager(AlertSinkContract):
    @override
    def make(self, url: str, clock: ManualClock) -> AlertSink:
        return sink_for(url, clock)

    def test_the_shape_is_that_of_api_v2(self, sink: AlertSink, receiver: HttpReceiver) -> None:
        sink.deliver(opened())
        got = receiver.received[0]
        assert got.path == "/api/v2/alerts"
        [alert] = got.json
        assert alert["labels"] == {
            "alertname": "accelerator_hot",
            "incident_id": "inc-1",
            "device": "node001/gpu0",
            "device_class": "accelerator",
            "verdict": "hardware",
            "severity": "critical",
        }
        assert alert["annotations"]["summary"] == "node001/gpu0 is hot"
        assert alert["annotations"]["suspect_hosts"] == "node001"
        assert datetime.fromisoformat(alert["startsAt"]) == OPENED_AT
        ends_at = datetime.fromisoformat(alert["endsAt"])
        assert ends_at == ManualClock().now() + timedelta(seconds=300)

    def test_it_is_sent_again_before_it_ends_and_resolved_when_it_is_over(
        self, receiver: HttpReceiver
    ) -> None:
        clock = ManualClock()
        sink = sink_for(receiver.url, clock)
        assert isinstance(sink, RefreshingSink)
        told = Told()
        notification = told.incident(make_incident())
        assert notification is not None
        sink.deliver(notification)
        for _ in range(20):
            clock.advance(60)
            sink.refresh()
            assert len(active([one.json for one in receiver.received], clock.now())) == 1
        assert 5 <= len(receiver.received) <= 11  # every 150 s to 180 s, not every turn
        over = told.incident(make_incident(status=IncidentStatus.RESOLVED))
        assert over is not None
        sink.deliver(over)
        assert active([one.json for one in receiver.received], clock.now()) == []
        count = len(receiver.received)
        clock.advance(400)
        sink.refresh()
        sink.close()
        assert len(receiver.received) == count

    def test_after_a_restart_the_open_ones_are_sent_at_once(self, receiver: HttpReceiver) -> None:
        sink = sink_for(receiver.url, ManualClock())
        sink.restore([make_incident()])
        receiver.statuses = [503]
        with pytest.raises(TemporaryError):
            sink.refresh()
        sink.refresh()
        sink.close()
        assert [alert["labels"]["incident_id"] for alert in receiver.received[-1].json] == ["inc-1"]

    def test_a_token_is_sent(self, receiver: HttpReceiver) -> None:
        sink = sink_for(receiver.url, ManualClock(), token="t")  # noqa: S106
        sink.deliver(opened())
        sink.close()
        assert receiver.received[0].headers["authorization"] == "Bearer t"


STATES = st.lists(
    st.tuples(st.sampled_from(Severity), st.sampled_from(["accelerator_hot", "host_hot"])),
    min_size=1,
    max_size=6,
)


@given(STATES)
def test_whatever_an_incident_goes_through_one_alert_is_active_and_none_in_the_end(
    states: list[tuple[Severity, str]],
) -> None:
    clock, told = ManualClock(), Told()
    posts: list[list[dict[str, Any]]] = []

    class Recorder(AlertmanagerSink):
        @override
        def _post(self, alerts: list[dict[str, Any]]) -> None:
            posts.append(alerts)

    sink = Recorder(AlertmanagerConfig(url="http://127.0.0.1:9"), clock)

    def tell(incident: Incident) -> None:
        notification = told.incident(incident)
        if notification is not None:
            sink.deliver(notification)

    for severity, kind in states:
        clock.advance(10)
        tell(make_incident(severity=severity, kind=kind))
        assert [one["severity"] for one in active(posts, clock.now())] == [severity.value]
    severity, kind = states[-1]
    clock.advance(10)
    tell(make_incident(severity=severity, kind=kind, status=IncidentStatus.RESOLVED))
    assert active(posts, clock.now()) == []
    sink.close()
