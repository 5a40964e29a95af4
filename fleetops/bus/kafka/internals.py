"""The places where the library has no public way, held in one file (kafka-python 3.0.12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from kafka import KafkaProducer
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaTimeoutError
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_EPOCH_BITS = 16
_Asked = Callable[[ConsumerCoordinator], bool]
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


def finish_joins() -> None:
    """Makes a member that began to join its group again go on until it has joined; safe to repeat.

    The library begins when it learns of new partitions, and asks for that alone in the next
    ``poll``. A join that outlasts one ``poll`` has taken them in by then: it is never completed,
    and the member is left without partitions, for good and without a word.
    """
    asked: _Asked = ConsumerCoordinator.need_rejoin
    if not hasattr(asked, "__wrapped__"):
        ConsumerCoordinator.need_rejoin = _until_joined(asked)  # type: ignore[method-assign,assignment]


def _until_joined(asked: _Asked) -> _Asked:
    @wraps(asked)
    def need_rejoin(coordinator: ConsumerCoordinator) -> bool:
        return bool(coordinator.rejoining) or asked(coordinator)

    return need_rejoin


def _data_first(receive: _Receive) -> _Receive:
    @wraps(receive)
    def data_first(transport: KafkaTCPTransport) -> tuple[bytes, Exception | None]:
        data, error = receive(transport)
        # The end is still there to be read the next time.
        return data, None if data else error

    return data_first
