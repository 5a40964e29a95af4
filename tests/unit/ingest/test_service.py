"""The ingester on a real bus and a real store: nothing lost, nothing twice, poison put aside."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from fleetops.bus.base import Bus
from fleetops.bus.dead_letter import list_dead_letters, replay_dead_letters
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig, IngestConfig, StoreConfig
from fleetops.core.errors import BusUnavailableError, PermanentError
from fleetops.ingest.service import IngestService
from fleetops.ingest.validate import FUTURE
from fleetops.store.base import Store
from fleetops.store.factory import open_store
from fleetops_schemas.records import Event, Severity
from fleetops_schemas.telemetry import TelemetryHeader, encode_batch
from fleetops_schemas.topics import EVENTS, all_topics, telemetry_topic
from tests.contract.store_data import telemetry, unique

CLOCK = SystemClock()
CONFIG = IngestConfig(batch_seconds=0.01)
HEADER = TelemetryHeader(device_class="host", collector="test", sequence=0).to_headers()
TOPIC = telemetry_topic("host").name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(StoreConfig(path=tmp_path_factory.mktemp("store")), CLOCK) as store:
        store.migrate()
        yield store


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with open_bus(BusConfig(path=tmp_path / "bus.sqlite"), CLOCK) as bus:
        bus.ensure_topics(all_topics())
        yield bus


@pytest.fixture
def ingest(bus: Bus, store: Store) -> Iterator[IngestService]:
    service = IngestService(bus, store, CONFIG, CLOCK)
    yield service
    service.close()


def send(bus: Bus, *values: bytes, topic: str = TOPIC, headers: Mapping[str, str] = HEADER) -> None:
    with bus.producer() as producer:
        for value in values:
            producer.send(topic, "r01", value, headers)
        producer.flush(5.0)


def one_row(device: str, ahead: timedelta = timedelta()) -> bytes:
    table = telemetry("host", [device], ts=CLOCK.now() + ahead)
    (batch,) = table.combine_chunks().to_batches()
    return encode_batch(batch)


def an_event(ident: str, **changes: object) -> bytes:
    now = CLOCK.now()
    event = Event(
        id=ident,
        time=now,
        observed_at=now,
        host="node001",
        device="node001",
        device_class="host",
        source="test",
        kind="unclassified",
        severity=Severity.INFO,
        text="something",
    )
    return event.model_copy(update=changes).encode()


def work(ingest: IngestService) -> None:
    """Turns it until nothing is left, what waits for its batch included."""
    idle = 0
    while idle < 3:
        idle = 0 if ingest.turn() else idle + 1


def rows(store: Store, device: str, final: str = "FINAL") -> int:
    sql = f"SELECT count() AS n FROM host {final} WHERE device = {{device:String}}"  # noqa: S608
    return int(store.query(sql, {"device": device}).column("n")[0].as_py())


def test_an_end_between_insert_and_commit_inserts_again_into_the_same_rows(
    bus: Bus, store: Store
) -> None:
    device = unique()
    send(bus, one_row(device))
    first = IngestService(bus, store, CONFIG, CLOCK)

    def killed() -> None:
        raise BusUnavailableError("the process ended here")

    first._consumer.commit = killed  # type: ignore[method-assign]
    with pytest.raises(BusUnavailableError):
        work(first)
    with pytest.raises(BusUnavailableError):
        first.close()
    assert rows(store, device) == 1
    second = IngestService(bus, store, CONFIG, CLOCK)
    work(second)
    second.close()
    assert rows(store, device) == 1
    store.query("OPTIMIZE TABLE host FINAL")
    assert rows(store, device, final="") == 1


def test_poison_is_put_aside_with_its_reason_and_the_rest_goes_on(
    bus: Bus, store: Store, ingest: IngestService
) -> None:
    device = unique()
    send(bus, b"no arrow", one_row(device))
    events = [b"{", an_event("big", code=2**70), an_event(device)]
    send(bus, *events, topic=EVENTS.name, headers={})
    work(ingest)
    letters = {letter.value: letter.reason for letter in list_dead_letters(bus)}
    assert letters.keys() == {b"no arrow", *events[:2]}
    assert letters[b"no arrow"].startswith("bad_telemetry: not an Arrow IPC stream")
    assert letters[events[1]].startswith("bad_record: Python int too large")
    assert rows(store, device) == 1
    found = store.query("SELECT id FROM events WHERE id = {id:String}", {"id": device})
    assert found.num_rows == 1


def test_while_the_dead_letter_cannot_be_written_nothing_behind_it_is_lost(
    bus: Bus, store: Store, ingest: IngestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = unique()
    send(bus, b"no arrow", one_row(device))

    def away(*_: object) -> None:
        raise BusUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(ingest._producer, "send", away)
        for _ in range(3):
            with pytest.raises(BusUnavailableError):
                work(ingest)
    work(ingest)
    assert [letter.value for letter in list_dead_letters(bus)] == [b"no arrow"]
    assert rows(store, device) == 1


def test_what_stands_behind_nothing_but_poison_is_there_after_a_restart(
    bus: Bus, store: Store
) -> None:
    device = unique()
    send(bus, *[b"no arrow"] * 100, one_row(device))
    first = IngestService(bus, store, CONFIG, CLOCK)
    with pytest.raises(PermanentError, match="all poison"):
        work(first)
    first.close()
    second = IngestService(bus, store, CONFIG, CLOCK)
    second._poison._window = 1000  # somebody mended it
    work(second)
    second.close()
    assert rows(store, device) == 1


def test_a_dead_letter_that_is_good_by_now_is_taken_once(
    bus: Bus, store: Store, ingest: IngestService
) -> None:
    device = unique()
    send(bus, one_row(device, ahead=FUTURE + timedelta(seconds=1)))
    work(ingest)
    (letter,) = list_dead_letters(bus)
    assert "in the future" in letter.reason
    assert rows(store, device) == 0
    time.sleep(1.1)
    replay_dead_letters(bus, [letter.id])
    work(ingest)
    assert rows(store, device) == 1
    assert len(list_dead_letters(bus)) == 1
