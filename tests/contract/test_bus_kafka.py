"""The Kafka bus keeps the contract, on a real broker."""

from __future__ import annotations

import pytest
from typing_extensions import override

from fleetops.core.config import BusConfig
from tests.contract.bus_contract import BusContract, Stall
from tests.kafka_testbed import KafkaBroker, kafka_broker

__all__ = ["kafka_broker"]


@pytest.mark.kafka
class TestKafkaBus(BusContract):
    @override
    @pytest.fixture
    def config(self, kafka_broker: KafkaBroker) -> BusConfig:
        return kafka_broker.config()

    @override
    @pytest.fixture
    def stall(self, kafka_broker: KafkaBroker) -> Stall:
        return kafka_broker.paused
