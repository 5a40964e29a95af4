"""The ledger's writer on Kafka: one record a transaction, one answer to every failure.

What the library raises depends on where the producer stood (see docs/bus.md), so the answer is
made from three facts alone: was it fenced, was a commit asked for, and did it answer in time.
After any failure the producer is spent: a commit that is late may land in a later transaction
of the same epoch (closed by KIP-890, which kafka-python 3.0 does not speak).
"""

from __future__ import annotations

import threading
from enum import Enum, auto

from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError
from typing_extensions import override

from fleetops.bus.base import EPOCH_HEADER
from fleetops.bus.kafka.connection import ClientSettings, connect, errors, milliseconds
from fleetops.bus.kafka.internals import end, fencing_epoch
from fleetops.bus.kafka.producer import (
    MAX_REQUEST_BYTES,
    Topics,
    encode_headers,
    tombstone_or,
)
from fleetops.bus.room import check_size
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.config import BusConfig
from fleetops.core.errors import AmbiguousWriteError, BusUnavailableError, FencedError


class _Stage(Enum):
    """How far a transaction has come."""

    BEFORE_COMMIT = auto()
    COMMITTING = auto()
    COMMITTED = auto()


class _Transaction:
    """One record on its way, in a thread of its own: ``commit_transaction`` takes no timeout."""

    def __init__(self, producer: KafkaProducer, deadline_seconds: float) -> None:
        self._producer = producer
        self._deadline_seconds = deadline_seconds
        self.stage = _Stage.BEFORE_COMMIT
        self.error: KafkaError | None = None

    def write(
        self, topic: str, key: str, value: bytes, headers: dict[str, str], time_ms: int
    ) -> bool:
        """Whether it ended in time; ``stage`` and ``error`` say how."""
        thread = threading.Thread(
            target=self._run,
            args=(topic, key, value, headers, time_ms),
            name="bus-transaction",
            daemon=True,
        )
        thread.start()
        thread.join(self._deadline_seconds)
        return not thread.is_alive()

    def _run(
        self, topic: str, key: str, value: bytes, headers: dict[str, str], time_ms: int
    ) -> None:
        try:
            self._producer.begin_transaction()
            sent = self._producer.send(
                topic,
                key=key.encode(),
                value=tombstone_or(value),
                headers=encode_headers(headers),
                timestamp_ms=time_ms,
            )
            # Half the time, so that a commit is only asked for while there is time to hear of it.
            sent.get(timeout=self._deadline_seconds / 2)  # type: ignore[no-untyped-call]
            self.stage = _Stage.COMMITTING
            self._producer.commit_transaction()
            self.stage = _Stage.COMMITTED
        except KafkaError as error:
            self.error = error


class KafkaFencedProducer(Closing):
    """Writes until it is fenced, or until a write fails."""

    def __init__(
        self,
        settings: ClientSettings,
        config: BusConfig,
        clock: Clock,
        topics: Topics,
        name: str,
    ) -> None:
        self._clock = clock
        self._topics = topics
        self._name = name
        self._deadline_seconds = config.deadline_seconds
        self._spent = ""
        self._fenced = False
        self._closed = False
        self._producer = connect(
            config.bootstrap_servers,
            lambda network: KafkaProducer(
                **settings,
                kafka_client=network,
                transactional_id=name,
                # Longer than a write may take, so that only a later holder ever fences this one.
                transaction_timeout_ms=milliseconds(3 * config.deadline_seconds),
                delivery_timeout_ms=milliseconds(config.deadline_seconds),
                request_timeout_ms=milliseconds(config.deadline_seconds),
                max_block_ms=milliseconds(config.deadline_seconds),
                allow_auto_create_topics=False,
                max_request_size=MAX_REQUEST_BYTES,
            ),
        )
        try:
            with errors(f"{name}: cannot take over the ledger"):
                self._producer.init_transactions()
        except BusUnavailableError:
            end(self._producer, timeout_seconds=1.0)
            raise
        self._epoch = fencing_epoch(self._producer)

    @property
    def epoch(self) -> int:
        """Grows with every opening of the name."""
        return self._epoch

    def append(self, topic: str, key: str, value: bytes) -> None:
        """Writes one record in one transaction."""
        check_size(topic, value)
        self._refuse_if_spent()
        self._topics.check(topic)
        transaction = _Transaction(self._producer, self._deadline_seconds)
        headers = {EPOCH_HEADER: str(self._epoch)}
        time_ms = milliseconds(self._clock.now().timestamp())
        in_time = transaction.write(topic, key, value, headers, time_ms)
        if transaction.stage is not _Stage.COMMITTED:
            self._fail(transaction, in_time)

    @override
    def close(self) -> None:
        """Ends the producer; an open transaction is left to the next holder to abort."""
        if not self._closed:
            self._closed = True
            end(self._producer, timeout_seconds=1.0)

    def _refuse_if_spent(self) -> None:
        if self._fenced:
            raise FencedError(self._spent)
        if self._spent or self._closed:
            raise BusUnavailableError(
                f"{self._name}: this producer is spent, open a new one. {self._spent}".rstrip()
            )

    def _fail(self, transaction: _Transaction, in_time: bool) -> None:
        error = transaction.error
        what = f"{type(error).__name__}: {error}" if error else "no answer in time"
        self._spent = f"{self._name}, epoch {self._epoch}: {what}"
        if error is not None and _is_fencing(error):
            self._fenced = True
            self._spent = (
                f"{self._name}: epoch {self._epoch} was fenced by a later one; another instance "
                "writes now, stop this one"
            )
            raise FencedError(self._spent) from error
        if transaction.stage is _Stage.BEFORE_COMMIT and in_time:
            raise BusUnavailableError(self._spent) from error
        raise AmbiguousWriteError(self._spent) from error


def _is_fencing(error: KafkaError) -> bool:
    """A later holder exists: told by type the first time, and by text only from then on."""
    if isinstance(error, ProducerFencedError | InvalidProducerEpochError):
        return True
    return "ProducerFencedError" in str(error) or "InvalidProducerEpochError" in str(error)
