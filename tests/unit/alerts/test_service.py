"""The role over a real local bus and real HTTP receivers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from fleetops.alerts.base import AlertSink, Notification, SinkConfig
from fleetops.alerts.delivery import Delivery
from fleetops.alerts.service import AlertService, make_sinks
from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core import metrics
from fleetops.core.clock import SystemClock
from fleetops.core.config import AlertsConfig, BusConfig
from fleetops.core.errors import ConfigError
from fleetops.core.service import run
from fleetops_schemas.records import IncidentStatus, Severity
from fleetops_schemas.topics import INCIDENTS, all_topics
from tests.contract.alert_sink_contract import HttpReceiver, make_incident

PATIENCE_SECONDS = 15.0


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with open_bus(BusConfig(path=tmp_path / "bus.sqlite"), SystemClock()) as bus:
        bus.ensure_topics(all_topics())
        yield bus


def publish(bus: Bus, *records: BaseModel | bytes) -> None:
    with bus.producer() as producer:
        for record in records:
            value = record if isinstance(record, bytes) else record.model_dump_json().encode()
            producer.send(INCIDENTS.name, "inc-1", value)
        producer.flush(10)


@contextmanager
def serving(bus: Bus, *receivers: HttpReceiver, retry_seconds: float = 60) -> Iterator[None]:
    sinks = tuple(
        {
            "kind": "webhook",
            "name": f"hook{number}",
            "url": receiver.url,
            "secret": "s",
            "allow_private": True,
        }
        for number, receiver in enumerate(receivers)
    )
    config = AlertsConfig(sinks=sinks, retry_seconds=retry_seconds)
    stop, clock = threading.Event(), SystemClock()
    service = AlertService(bus, config, clock)
    thread = threading.Thread(target=run, args=(service, stop, clock))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def told(receiver: HttpReceiver) -> list[str]:
    return [one.json["type"].split(".", 2)[2] for one in receiver.received]


def count(sink: str, outcome: str) -> float:
    labels = {"sink": sink, "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("fleetops_alerts_total", labels) or 0.0


def test_an_incidents_story_is_told_in_order_and_unreadable_records_are_passed_over(
    bus: Bus,
) -> None:
    with HttpReceiver() as receiver, serving(bus, receiver):
        publish(
            bus,
            make_incident(severity=Severity.WARNING),
            b"not json",
            make_incident(severity=Severity.CRITICAL),
            make_incident(status=IncidentStatus.RESOLVED),
        )
        eventually(lambda: len(receiver.received) == 3)
    assert told(receiver) == ["incident.opened.v1", "incident.updated.v1", "incident.resolved.v1"]


def test_a_restart_neither_repeats_nor_forgets(bus: Bus) -> None:
    with HttpReceiver() as receiver:
        with serving(bus, receiver):
            publish(bus, make_incident())
            eventually(lambda: len(receiver.received) == 1)
        publish(bus, make_incident())  # nothing new, while it is down
        publish(bus, make_incident(status=IncidentStatus.RESOLVED))
        with serving(bus, receiver):
            eventually(lambda: len(receiver.received) == 2)
            time.sleep(0.3)
        assert told(receiver) == ["incident.opened.v1", "incident.resolved.v1"]


def test_a_failing_receiver_is_tried_again_with_the_same_id_and_delays_only_itself(
    bus: Bus,
) -> None:
    with HttpReceiver(statuses=[503, 503]) as failing, HttpReceiver() as well:
        with serving(bus, failing, well):
            publish(bus, make_incident())
            eventually(lambda: len(well.received) == 1)
            assert len(failing.received) < 3
            eventually(lambda: len(failing.received) == 3)
        assert len({one.headers["webhook-id"] for one in failing.received}) == 1
        assert len(well.received) == 1


def test_after_the_limit_it_is_given_up_counted_and_the_next_is_told(bus: Bus) -> None:
    before = count("hook0", "dropped")
    with HttpReceiver(statuses=[503] * 2) as receiver, serving(bus, receiver, retry_seconds=0.3):
        publish(bus, make_incident(), make_incident(status=IncidentStatus.RESOLVED))
        eventually(lambda: told(receiver)[-1:] == ["incident.resolved.v1"])
    assert count("hook0", "dropped") == before + 1


def test_what_was_not_told_when_it_stopped_is_told_at_the_next_start(bus: Bus) -> None:
    with HttpReceiver(statuses=[503] * 1000) as receiver:
        with serving(bus, receiver):
            publish(bus, make_incident())
            eventually(lambda: len(receiver.received) >= 1)
        receiver.statuses = []
        receiver.received.clear()
        with serving(bus, receiver):
            eventually(lambda: told(receiver) == ["incident.opened.v1"])


def test_a_sink_that_breaks_its_promise_cannot_block_the_rest(bus: Bus) -> None:
    class Broken:
        name = "broken"
        config_model = SinkConfig
        told: ClassVar[list[str]] = []

        @classmethod
        def create(cls, config: SinkConfig, clock: object) -> Broken:
            return cls()

        def deliver(self, notification: Notification) -> None:
            if notification.type == "incident.opened":
                raise ValueError("a bug")
            self.told.append(notification.type)

        def close(self) -> None:
            pass

    sink = Broken()
    assert isinstance(sink, AlertSink)
    publish(bus, make_incident(), make_incident(status=IncidentStatus.RESOLVED))
    delivery = Delivery(bus, sink, "broken", 1.0, threading.Event())
    failures = 0
    for _ in range(20):
        try:
            delivery.turn()
        except ValueError:
            failures += 1
    delivery.close()
    assert (failures, sink.told) == (3, ["incident.resolved"])
    assert count("broken", "dropped") == 1


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        (({"name": "x"},), "alerts.sinks.0.kind: is missing"),
        (({"kind": "pigeon"},), "no alert_sink named 'pigeon'; installed: alertmanager, webhook"),
        (({"kind": "webhook"},), "alerts.sinks.0: url: Field required"),
        (({"kind": "webhook", "url": "https://a.example", "ulr": 1},), "ulr: unknown key"),
        (({"kind": "webhook", "url": "https://a.example"},), "secret_file is missing"),
        (({"kind": "alertmanager", "url": "http://a"},) * 2, "two sinks are named 'alertmanager'"),
    ],
)
def test_wrong_settings_name_the_sink(sinks: tuple[dict[str, object], ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_sinks(sinks, SystemClock())
