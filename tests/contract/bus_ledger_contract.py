"""What the fenced producer of every bus must do: the ledger is written by it."""

from __future__ import annotations

import threading
import time

import pytest

from fleetops.bus.base import EPOCH_HEADER, Bus
from fleetops.core.errors import FencedError
from fleetops_schemas.topics import Topic
from tests.contract.bus_messages import PATIENCE_SECONDS, new_topic


class LedgerContract:
    """Inherited by the bus's contract, which has the fixtures ``bus`` and ``topic``."""

    def test_a_fenced_record_is_there_with_its_epoch(self, bus: Bus, topic: Topic) -> None:
        with bus.fenced_producer(f"{topic.name}.ledger") as ledger:
            ledger.append(topic.name, "a1", b"approved")
            ledger.append(topic.name, "a1", b"done")
            with bus.reader([topic.name]) as reader:
                messages = reader.catch_up(PATIENCE_SECONDS)
        assert [m.value for m in messages] == [b"approved", b"done"]
        assert {m.headers[EPOCH_HEADER] for m in messages} == {str(ledger.epoch)}

    @pytest.mark.parametrize("used_before", [False, True])
    def test_an_earlier_holder_is_fenced(self, bus: Bus, topic: Topic, used_before: bool) -> None:
        name = f"{topic.name}.ledger"
        with bus.fenced_producer(name) as old:
            if used_before:
                old.append(topic.name, "key", b"old")
            with bus.fenced_producer(f"{name}.other") as other, bus.fenced_producer(name) as new:
                assert new.epoch > old.epoch
                for _ in range(2):
                    with pytest.raises(FencedError):
                        old.append(topic.name, "key", b"too late")
                new.append(topic.name, "key", b"new")
                other.append(topic.name, "key", b"other")
                with bus.reader([topic.name]) as reader:
                    values = [m.value for m in reader.catch_up(PATIENCE_SECONDS)]
        assert values == [b"old"] * used_before + [b"new", b"other"]

    def test_fencing_in_the_midst_of_writing_loses_nothing(self, bus: Bus) -> None:
        topic = new_topic(partitions=1)
        bus.ensure_topics([topic])
        name = f"{topic.name}.ledger"
        acknowledged: list[bytes] = []
        ended: list[Exception] = []

        def write() -> None:
            try:
                for number in range(1_000_000):
                    value = str(number).encode()
                    old.append(topic.name, "key", value)
                    acknowledged.append(value)
            except Exception as error:  # noqa: BLE001  judged below
                ended.append(error)

        with bus.fenced_producer(name) as old:
            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(0.5)
            with bus.fenced_producer(name) as new:
                new.append(topic.name, "key", b"new")
                writer.join(PATIENCE_SECONDS)
                with bus.reader([topic.name]) as reader:
                    values = [m.value for m in reader.catch_up(PATIENCE_SECONDS)]
        assert [type(error) for error in ended] == [FencedError]
        assert acknowledged
        assert values[: len(acknowledged)] == acknowledged
        # One more may have been committed without an answer; after the new holder's there is none.
        assert len(values) <= len(acknowledged) + 2
        assert values[-1] == b"new"
