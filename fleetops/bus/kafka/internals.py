"""The three places where the library has no public way, held in one file (kafka-python 3.0.12)."""

from __future__ import annotations

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

_EPOCH_BITS = 16


def end(producer: KafkaProducer, timeout_seconds: float) -> None:
    """Closes a producer in time.

    Its own ``close`` leaves the thread running, and sending, after a flush that timed out.
    """
    try:
        producer.close(timeout=timeout_seconds)
    except KafkaTimeoutError:
        sender = producer._sender  # type: ignore[attr-defined]
        sender.force_close()
        sender.join(timeout_seconds)


def fencing_epoch(producer: KafkaProducer) -> int:
    """What the broker gave a transactional producer, as one number that only grows.

    An epoch is 16 bits wide; a name whose epochs ran out or expired gets a higher producer id.
    """
    held = producer._transaction_manager.producer_id_and_epoch  # type: ignore[attr-defined]
    return int(held.producer_id) << _EPOCH_BITS | int(held.epoch)
