"""The API and the alerts over a real Kafka broker: the same code by configuration alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.alerts.service import AlertService
from fleetops.core.clock import SystemClock
from fleetops.core.config import AlertsConfig
from fleetops.core.service import run
from fleetops_schemas import topics
from fleetops_schemas.records import ActionKind, IncidentStatus
from tests.contract.alert_sink_contract import HttpReceiver, make_incident
from tests.integration.api_server import ApiRig, api_rig, eventually, node_state, placement
from tests.kafka_testbed import KafkaBroker, kafka_broker

__all__ = ["kafka_broker"]
pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def rig(kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    with api_rig(tmp_path_factory.mktemp("api"), bus_config=kafka_broker.config()) as made:
        yield made


def test_state_comes_from_kafka_and_requests_go_there(rig: ApiRig) -> None:
    rig.publish(topics.INVENTORY, placement("node001"))
    rig.publish(topics.NODES, ("node001", node_state("node001")))
    with rig.client() as client:
        eventually(
            lambda: any(one.scheduler and one.placement for one in client.all_nodes()), "node001"
        )
        receipts = {
            client.request_action(ActionKind.DRAIN, "node001", "check", key="k").intent_id
            for _ in range(2)
        }
    assert [intent.id for intent in rig.intents()] == [*receipts]


def test_a_restarted_alert_role_neither_repeats_nor_forgets(rig: ApiRig, tmp_path: Path) -> None:
    with HttpReceiver() as receiver:
        sink = {"kind": "webhook", "url": receiver.url, "secret": "s", "allow_private": True}
        config = AlertsConfig(sinks=(sink,))
        records = (
            make_incident(),
            make_incident(),
            make_incident(status=IncidentStatus.RESOLVED),
        )
        for number, record in enumerate(records):
            clock, stop = SystemClock(), threading.Event()
            service = AlertService(rig.bus, config, clock)
            loop = threading.Thread(target=run, args=(service, stop, clock))
            loop.start()
            rig.publish(topics.INCIDENTS, (record.id, record))
            expected = (1, 1, 2)[number]
            eventually(lambda n=expected: len(receiver.received) >= n, "the notification")  # type: ignore[misc]
            stop.set()
            loop.join(20)
        types = [one.json["type"] for one in receiver.received]
    assert types == ["org.fleetops.incident.opened.v1", "org.fleetops.incident.resolved.v1"]
