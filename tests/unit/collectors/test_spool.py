"""The spool: in order, bounded, and readable after any crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.segments import SegmentLog
from fleetops_collectors.runner.spool import Spool

MEGABYTE = 1024 * 1024


def message(number: int, lane: Lane = Lane.TELEMETRY, size: int = 10) -> Outgoing:
    value = number.to_bytes(8, "big") + b"x" * size
    return Outgoing(f"topic.{lane}", f"r{number}", value, lane, {"sequence": str(number)})


@pytest.fixture
def opened() -> Iterator[Callable[..., Spool]]:
    spools: list[Spool] = []

    def open_one(folder: Path, max_bytes: int = MEGABYTE, segment_bytes: int = MEGABYTE) -> Spool:
        spools.append(Spool(folder, max_bytes, segment_bytes))
        return spools[-1]

    yield open_one
    for spool in spools:
        spool.close()


def drain(spool: Spool, limit: int = 7) -> list[Outgoing]:
    taken: list[Outgoing] = []
    while waiting := spool.peek(limit):
        taken += waiting
        spool.commit()
    return taken


def test_the_disk_has_every_segment_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    log = SegmentLog(tmp_path, segment_bytes=100)
    log.append([b"x" * 60] * 5)
    log.close()
    written = {path.stat().st_ino for path in tmp_path.glob("*.seg")}
    assert len(written) > 1
    assert synced == written


def test_what_went_in_comes_out_in_order_and_whole(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    spool = opened(tmp_path, MEGABYTE, segment_bytes=300)
    messages = [message(number) for number in range(50)]
    spool.append(messages[:30])
    spool.append(messages[30:])
    assert spool.messages == 50
    assert drain(spool) == messages
    assert (spool.messages, spool.size_bytes, spool.dropped) == (0, 0, 0)


def test_events_leave_before_telemetry_and_heartbeats_are_not_kept(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    spool = opened(tmp_path, MEGABYTE)
    spool.append([message(1), message(2, Lane.EVENTS), message(3, Lane.VOLATILE), message(4)])
    assert [taken.key for taken in drain(spool)] == ["r2", "r1", "r4"]


def test_what_is_not_committed_comes_again(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, MEGABYTE)
    spool.append([message(number) for number in range(10)])
    assert len(spool.peek(4)) == 4
    assert [taken.key for taken in spool.peek(4)] == ["r0", "r1", "r2", "r3"]
    spool.commit()
    spool.commit()
    assert spool.messages == 6
    assert spool.peek(1)[0].key == "r4"


def test_a_restart_goes_on_where_it_was(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, MEGABYTE, segment_bytes=300)
    spool.append([message(number) for number in range(20)])
    spool.peek(3)
    spool.commit()
    spool.close()
    again = opened(tmp_path, MEGABYTE, segment_bytes=300)
    assert again.messages == 17
    again.append([message(99)])
    assert [taken.key for taken in drain(again)] == [f"r{n}" for n in (*range(3, 20), 99)]
    again.close()
    assert opened(tmp_path, MEGABYTE).messages == 0


@pytest.mark.parametrize("torn_bytes", range(1, 40, 3))
def test_a_crash_in_the_middle_of_a_write_leaves_a_readable_spool(
    tmp_path: Path, opened: Callable[..., Spool], torn_bytes: int
) -> None:
    spool = opened(tmp_path, MEGABYTE)
    spool.append([message(number) for number in range(5)])
    spool.close()
    (segment,) = (tmp_path / "telemetry").glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-torn_bytes])
    again = opened(tmp_path, MEGABYTE)
    assert again.messages == 4
    assert again.dropped == 1
    again.append([message(7)])
    assert [taken.key for taken in drain(again)] == ["r0", "r1", "r2", "r3", "r7"]


def test_a_flipped_bit_costs_its_segment_only(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, MEGABYTE, segment_bytes=120)
    spool.append([message(number) for number in range(12)])
    spool.close()
    first = min((tmp_path / "telemetry").glob("*.seg"))
    data = bytearray(first.read_bytes())
    data[15] ^= 0xFF
    first.write_bytes(data)
    kept = [taken.key for taken in drain(opened(tmp_path, MEGABYTE, segment_bytes=120))]
    assert kept
    assert kept == [f"r{n}" for n in range(12 - len(kept), 12)]


def test_damage_while_it_is_open_is_counted_and_passed_over(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 100)
    log.append([bytes([number]) * 60 for number in range(4)])
    first = min(tmp_path.glob("*.seg"))
    first.write_bytes(b"\0" * first.stat().st_size)
    assert log.peek(1) == [bytes([2]) * 60]
    assert (log.records, log.damaged) == (2, 2)
    log.close()


def test_when_the_budget_is_spent_the_oldest_telemetry_goes_first(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    spool = opened(tmp_path, 40_000, segment_bytes=4_000)
    spool.append([message(number, Lane.EVENTS, size=500) for number in range(10)])
    for number in range(200):
        spool.append([message(number, size=500)])
    assert spool.size_bytes <= 40_000
    taken = drain(spool)
    assert [each.key for each in taken[:10]] == [f"r{number}" for number in range(10)]
    kept = [each.key for each in taken[10:]]
    assert kept == [f"r{number}" for number in range(200 - len(kept), 200)]
    assert spool.dropped == 200 - len(kept)


def test_events_are_dropped_when_nothing_else_is_left(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    spool = opened(tmp_path, 20_000, segment_bytes=4_000)
    spool.append([message(number, Lane.EVENTS, size=500) for number in range(100)])
    assert spool.size_bytes <= 20_000
    assert spool.messages + spool.dropped == 100
    assert drain(spool)[-1].key == "r99"


def test_dropping_what_is_being_delivered_delivers_nothing_twice_over(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    spool = opened(tmp_path, 6_000, segment_bytes=1_000)
    spool.append([message(number, size=300) for number in range(8)])
    spool.peek(2)
    spool.append([message(number, size=300) for number in range(8, 30)])
    spool.commit()
    assert spool.messages + spool.dropped == 30
    assert len(drain(spool)) + spool.dropped == 30


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.one_of(st.integers(1, 9), st.sampled_from(["take", "reopen"])), max_size=25)
)
def test_any_order_of_writing_reading_and_restarting_keeps_the_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, MEGABYTE, segment_bytes=150)
    written: list[str] = []
    read: list[str] = []
    for step in steps:
        if isinstance(step, int):
            fresh = [message(len(written) + extra) for extra in range(step)]
            spool.append(fresh)
            written += [each.key for each in fresh]
        elif step == "take":
            read += [each.key for each in spool.peek(3)]
            spool.commit()
        else:
            spool.close()
            spool = Spool(folder, MEGABYTE, segment_bytes=150)
        assert spool.messages == len(written) - len(read)
    read += [each.key for each in drain(spool)]
    spool.close()
    assert read == written


def test_a_full_disk_keeps_what_was_there(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource  # noqa: PLC0415  POSIX only
    import signal  # noqa: PLC0415

    spool = opened(tmp_path, MEGABYTE)
    spool.append([message(1)])
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too large|part of the record"):
            spool.append([message(2, size=1000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    spool.append([message(3)])
    assert [taken.key for taken in drain(spool)] == ["r1", "r3"]
