"""Topics stand on the broker as they are declared."""

from __future__ import annotations

from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES
from fleetops_schemas.topics import ACTIONS, EVENTS, all_topics
from tests.kafka_testbed import KafkaBroker, kafka_broker

__all__ = ["kafka_broker"]


@pytest.mark.kafka
def test_topics_stand_as_declared(kafka_broker: KafkaBroker) -> None:
    assert EVENTS.retention_seconds is not None
    with open_bus(kafka_broker.config(), SystemClock()) as bus:
        bus.ensure_topics(all_topics())
        assert {topic.name for topic in all_topics()} <= set(bus.topics())
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)) as admin:
        described = admin.describe_topics([topic.name for topic in all_topics()])
        partitions = {topic["name"]: len(topic["partitions"]) for topic in described}
        wanted = [ConfigResource("topic", topic.name) for topic in (ACTIONS, EVENTS)]
        configs = admin.describe_configs(wanted)["topic"]
    assert partitions == {topic.name: topic.partitions for topic in all_topics()}
    values = {
        name: {key: config["value"] for key, config in found.items()}
        for name, found in configs.items()
    }
    assert values[ACTIONS.name]["cleanup.policy"] == "compact"
    assert values[EVENTS.name]["retention.ms"] == str(EVENTS.retention_seconds * 1000)
    assert int(values[EVENTS.name]["max.message.bytes"]) > MAX_MESSAGE_BYTES
