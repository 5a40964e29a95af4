"""Topics stand on the broker as they are declared, and members find what was added to them."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ConfigResource

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES
from fleetops_schemas.topics import ACTIONS, EVENTS, all_topics
from tests.contract.bus_messages import new_topic
from tests.kafka_testbed import KafkaBroker, kafka_broker

__all__ = ["kafka_broker"]

JOIN_SECONDS = 20.0


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


@pytest.mark.kafka
def test_a_member_whose_polls_are_shorter_than_a_join_gets_the_partitions_that_were_added(
    kafka_broker: KafkaBroker,
) -> None:
    """The library's own consumer, which here looks for new partitions more often."""
    topic = new_topic(partitions=1)
    with open_bus(kafka_broker.config(), SystemClock()) as bus:
        bus.ensure_topics([topic])
    member = KafkaConsumer(
        topic.name,
        bootstrap_servers=kafka_broker.bootstrap,
        group_id=topic.name,
        metadata_max_age_ms=200,
    )
    with closing(member), closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)) as it:
        _poll_until_assigned(member, 1)
        it.create_partitions({topic.name: 8})
        _poll_until_assigned(member, 8)
        assert len(member.assignment()) == 8


def _poll_until_assigned(member: KafkaConsumer, partitions: int) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while len(member.assignment()) < partitions and time.monotonic() < deadline:
        member.poll(timeout_ms=1)
