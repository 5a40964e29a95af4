"""The operate role on a real Kafka: one drain, one holder of the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import OperateConfig
from fleetops.core.errors import FencedError
from fleetops_schemas.records import IntentKind
from fleetops_schemas.topics import all_topics
from tests.integration.operate_bench import OperateBench, http_scheduler
from tests.integration.operate_process import CONFIG
from tests.kafka_testbed import (
    MAY_LEAK_SOCKETS,
    KafkaBroker,
    _collected_sockets,
    kafka_broker,
)
from tests.scheduler_server import SchedulerServer
from tests.unit.operate.builders import an_incident

__all__ = ["_collected_sockets", "kafka_broker"]

pytestmark = [pytest.mark.kafka, *MAY_LEAK_SOCKETS]

PATIENCE_SECONDS = 60.0


@pytest.fixture
def server() -> Iterator[SchedulerServer]:
    server = SchedulerServer([f"node{n:03}" for n in range(1, 21)]).start()
    yield server
    server.stop()


@pytest.fixture
def bench(kafka_broker: KafkaBroker) -> Iterator[OperateBench]:
    bus = open_bus(kafka_broker.config(), SystemClock())
    bus.ensure_topics(all_topics())
    bench = OperateBench(bus, OperateConfig.model_validate(CONFIG))
    yield bench
    bench.close()


def test_an_incident_and_a_person_end_in_one_drain_each_and_a_second_instance_takes_over(
    bench: OperateBench, server: SchedulerServer
) -> None:
    bench.serve(http_scheduler(server.url))
    bench.publish(an_incident("inc-1", ("node001",), opened_at=SystemClock().now()))
    bench.ask(IntentKind.DRAIN, "int-1", "node002")
    bench.until(lambda: bench.state_of("node001") == "done", PATIENCE_SECONDS)
    bench.until(lambda: bench.state_of("node002") == "done", PATIENCE_SECONDS)
    action = bench.action_of("node001")
    assert action is not None
    assert bench.history_of(action.id) == ["approved", "executing", "done"]

    older = bench.services[0]
    newer = bench.serve(http_scheduler(server.url))
    newer.turn()
    bench.publish(an_incident("inc-3", ("node003",), opened_at=SystemClock().now()))
    until = time.monotonic() + PATIENCE_SECONDS
    with pytest.raises(FencedError):  # noqa: PT012
        while time.monotonic() < until:
            older.turn()
    bench.until(lambda: bench.state_of("node003") == "done", PATIENCE_SECONDS)
    assert [server.drains_of(f"node{n:03}") for n in (1, 2, 3)] == [1, 1, 1]
