"""What counts as fencing. (The producer itself is tested on a real broker.)"""

from __future__ import annotations

import pytest
from kafka.errors import (
    InvalidProducerEpochError,
    InvalidProducerIdMappingError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumberError,
    ProducerFencedError,
)

from fleetops.bus.kafka.fenced import _is_fencing


@pytest.mark.parametrize(
    "error",
    [
        ProducerFencedError(),
        InvalidProducerEpochError(),
        KafkaError("Cannot execute transactional method, error state: ProducerFencedError"),
    ],
)
def test_a_later_holder_is_recognised(error: KafkaError) -> None:
    assert _is_fencing(error)


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeoutError("no answer"),
        OutOfOrderSequenceNumberError(),
        # The name's epochs expired on the broker: nobody else holds it.
        InvalidProducerIdMappingError(),
    ],
)
def test_other_failures_are_not_taken_for_one(error: KafkaError) -> None:
    assert not _is_fencing(error)
