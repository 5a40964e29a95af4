"""The places where the library has no public way, held in one file (kafka-python 3.0.12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_EPOCH_BITS = 16
_Receive = Callable[[KafkaTCPTransport], tuple[bytes, Exception | None]]


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


def hear_last_words() -> None:
    """Makes the library read what a broker says just before it hangs up; safe to call twice.

    Its transports drop data that arrive together with the end of the connection. On a busy machine
    that is where the reason for a refused password is lost.
    """
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        receive: _Receive = transport._sock_recv  # type: ignore[attr-defined]
        if not hasattr(receive, "__wrapped__"):
            transport._sock_recv = _data_first(receive)  # type: ignore[attr-defined]


def _data_first(receive: _Receive) -> _Receive:
    @wraps(receive)
    def data_first(transport: KafkaTCPTransport) -> tuple[bytes, Exception | None]:
        data, error = receive(transport)
        # The end is still there to be read the next time.
        return data, None if data else error

    return data_first
