"""Following kernel logs: positions, rotation, restarts, storms, and the machine's own /dev/kmsg."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Collector, Resuming, Scrape
from fleetops_collectors.kernel_log import KernelLogCollector, KernelLogConfig
from fleetops_collectors.kernel_log.position import Position
from fleetops_collectors.kernel_log.reader import read_log, read_records
from fleetops_collectors.kernel_log.storm import MAX_KEYS, RateLimit, coalesce
from fleetops_schemas.records import Event, Severity

BOOT = datetime(2026, 1, 1, tzinfo=UTC)


def xid(code: int, seconds: float = 0.0, pci: str = "0000:1b:00") -> str:
    return (
        f"3,{int(seconds)},{int(seconds * 1e6)},-;NVRM: Xid (PCI:{pci}): {code}, detail {seconds}\n"
    )


class Log:
    """A log file with a collector that follows it."""

    def __init__(self, path: Path, **options: object) -> None:
        self.path = path
        self.clock = ManualClock(BOOT)
        self.options = {"start": "beginning", **options}
        self.collector = self.open()

    def open(self) -> KernelLogCollector:
        target = {"name": "n1", "host": "n1", "url": str(self.path), "boot_time": BOOT}
        config = KernelLogConfig.model_validate(
            {"name": "klog", "targets": [target], **self.options}
        )
        return KernelLogCollector.create(config, self.clock)

    def append(self, *lines: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def collect(self) -> Scrape:
        (target,) = self.collector._config.targets
        return asyncio.run(self.collector.collect(target))

    def codes(self) -> list[int | None]:
        return [event.code for event in self.collect().events]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "n1.log")


def test_it_is_a_collector_that_resumes(log: Log) -> None:
    assert isinstance(log.collector, Collector)
    assert isinstance(log.collector, Resuming)


def test_every_line_is_read_once(log: Log) -> None:
    log.append(xid(79), "6,2,2,-;nothing\n")
    assert log.codes() == [79]
    assert log.codes() == []
    log.append(xid(48, 3))
    (event,) = log.collect().events
    assert (event.code, event.device, event.host) == (48, "n1/pci-0000:1b:00.0", "n1")
    assert event.time == BOOT + timedelta(seconds=3)
    assert event.source == "kernel_log"
    assert event.attributes["recommended_action"] == "drain_and_reset"
    assert event.attributes["log_source"] == "xid"


def test_a_line_is_taken_when_it_is_whole(log: Log) -> None:
    whole = xid(79)
    log.append(whole[:20])
    assert log.codes() == []
    log.append(whole[20:])
    assert log.codes() == [79]


def test_after_a_restart_it_goes_on_at_its_cursor(log: Log) -> None:
    log.append(xid(79))
    cursor = log.collect().cursor
    assert cursor is not None
    log.append(xid(48, 2))
    log.collector = log.open()
    log.collector.resume({"n1": cursor, "other": "{}"})
    assert log.codes() == [48]


def test_a_line_read_twice_is_the_same_event(log: Log) -> None:
    log.append(xid(79), xid(79), xid(48, 1))
    first = [event.id for event in log.collect().events]
    log.collector = log.open()
    assert [event.id for event in log.collect().events] == first
    assert len(set(first)) == 3


def test_a_broken_cursor_counts_as_none(log: Log) -> None:
    log.append(xid(79))
    log.collector.resume({"n1": "no position"})
    assert log.codes() == [79]


def test_rotation_by_renaming_loses_nothing(log: Log) -> None:
    log.append(xid(79))
    log.collect()
    log.append(xid(48, 2))
    log.path.rename(log.path.with_name("n1.log.1"))
    log.append(xid(64, 3))
    scrape = log.collect()
    assert [event.code for event in scrape.events] == [48, 64]
    assert scrape.warnings == []


def test_rotation_with_the_old_file_gone_says_so(log: Log, tmp_path: Path) -> None:
    log.append(xid(79))
    log.collect()
    new = tmp_path / "new"
    new.write_text(xid(64, 3))
    new.replace(log.path)
    scrape = log.collect()
    assert [event.code for event in scrape.events] == [64]
    assert "the old file is gone" in scrape.warnings[0]


@pytest.mark.parametrize("refill", [1, 50])
def test_truncation_in_place_is_noticed_whatever_the_new_size(log: Log, refill: int) -> None:
    log.append(*(xid(31, second) for second in range(10)))
    log.collect()
    log.path.write_text("".join(xid(79, 100 + second) for second in range(refill)))
    scrape = log.collect()
    assert scrape.events[0].code == 79
    assert "truncated" in scrape.warnings[0]


def test_a_log_that_was_never_read_gives_only_what_is_recent(tmp_path: Path) -> None:
    log = Log(tmp_path / "n1.log", start="lookback", lookback_seconds=60)
    log.clock.advance(1000)
    log.append(xid(79, 10), xid(48, 970), "NVRM: Xid (PCI:0000:1b:00): 64, undated\n")
    scrape = log.collect()
    assert [event.code for event in scrape.events] == [48]
    assert "2 findings from before the start passed over" in scrape.warnings[0]
    log.append("NVRM: Xid (PCI:0000:1b:00): 95, undated\n")
    (event,) = log.collect().events
    assert (event.code, event.time) == (95, log.clock.now())


def test_start_at_the_end_passes_everything_over(tmp_path: Path) -> None:
    log = Log(tmp_path / "n1.log", start="end")
    log.append(xid(79))
    assert log.codes() == []
    log.append(xid(48, 1))
    assert log.codes() == [48]


def test_uptimes_of_this_machine_are_dated_by_its_boot(tmp_path: Path) -> None:
    path = tmp_path / "n1.log"
    target = {"name": "n1", "url": str(path), "boot_time": "local"}
    config = KernelLogConfig.model_validate({"name": "klog", "targets": [target]})
    clock = ManualClock(BOOT)
    clock.advance(500)
    collector = KernelLogCollector.create(config, clock)
    path.write_text(xid(79, 499.5))
    (event,) = asyncio.run(collector.collect(config.targets[0])).events
    assert event.time == BOOT + timedelta(seconds=499.5)
    assert event.host == "n1"


def test_what_cannot_be_read_is_one_clear_error(log: Log, tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match=r"n1: cannot read .*n1\.log: No such file"):
        log.collect()
    with pytest.raises(InputError, match="is neither a file nor"):
        read_log(tmp_path, None)


def test_garbage_in_a_log_is_passed_over(log: Log) -> None:
    log.path.write_bytes(os.urandom(20_000) + b"\n\x00\xff\n" + b"a" * 100_000 + b"\n")
    log.append(xid(79))
    assert log.codes() == [79]


def test_a_line_that_never_ends_does_not_stop_the_reading(log: Log) -> None:
    log.path.write_bytes(b"a" * 50_000)
    assert log.codes() == []
    log.append("\n", xid(79))
    assert log.codes() == [79]


def test_a_storm_of_one_line_is_counted(log: Log) -> None:
    log.append(*(xid(45, second) for second in range(1000)), xid(79, 1001))
    events = log.collect().events
    assert [event.code for event in events] == [45, 45, 45, 79, 45]
    counted = events[-1].attributes
    assert counted["occurrences"] == 997
    assert counted["first_at"] == (BOOT + timedelta(seconds=3)).isoformat()
    assert counted["last_at"] == (BOOT + timedelta(seconds=999)).isoformat()


def test_a_storm_that_lasts_is_counted_in_one_event_a_round(log: Log) -> None:
    second = 0
    rounds = []
    for _ in range(3):
        log.append(*(xid(45, second + number) for number in range(100)))
        second += 100
        log.clock.advance(2)
        rounds.append([event.attributes.get("occurrences") for event in log.collect().events])
    assert rounds == [[None, None, None, 97], [100], [100]]
    log.clock.advance(180)
    log.append(xid(45, second), xid(79, second + 1))
    assert [event.attributes.get("occurrences") for event in log.collect().events] == [None, None]


def test_what_earlier_rounds_learned_is_known_in_later_ones(log: Log) -> None:
    link = "6,1,{},-;mlx5_core 0000:5e:00.0 ens3: Link down\n"
    log.append("6,1,1,-;NVRM: GPU at PCI:0000:1b:00: GPU-509665ad-b600-ac93-3616-d754b23d636d\n")
    log.append(link.format(1_000_000), link.format(2_000_000))
    assert [event.kind for event in log.collect().events] == ["link_down", "link_down"]
    log.append(xid(48, 3), link.format(4_000_000))
    first, flapping = log.collect().events
    assert first.attributes["gpu_uuid"] == "GPU-509665ad-b600-ac93-3616-d754b23d636d"
    assert (flapping.kind, flapping.attributes["downs"]) == ("link_flapping", 3)


def test_a_round_that_is_given_up_leaves_everything_as_it_was(log: Log) -> None:
    log.append(*(xid(45, second) for second in range(10)), xid(79, 11))
    (target,) = log.collector._config.targets

    async def given_up_and_repeated() -> Scrape:
        task = asyncio.ensure_future(log.collector.collect(target))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await log.collector.collect(target)

    events = asyncio.run(given_up_and_repeated()).events
    assert [event.attributes.get("occurrences") for event in events] == [*[None] * 4, 7]


def test_buckets_fill_again_and_are_bounded() -> None:
    allowed = RateLimit(burst=2, refill_seconds=10)
    assert [allowed.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert not allowed.take("a", 9.0)
    assert allowed.take("a", 10.5)
    assert [allowed.take("a", 1e6) for _ in range(3)] == [True, True, False]
    assert not allowed.take("a", 0.0), "a clock that goes back gives nothing"
    for number in range(MAX_KEYS + 5):
        allowed.take(number, 0.0)
    assert len(allowed._buckets) == MAX_KEYS


def test_more_kinds_than_allowed_are_counted_and_named(tmp_path: Path) -> None:
    log = Log(tmp_path / "n1.log", max_events=10)
    log.append(*(xid(79, n, pci=f"0000:{n:02x}:00") for n in range(40)))
    scrape = log.collect()
    assert len(scrape.events) == 10
    assert "30 events over max_events left out" in scrape.warnings[0]


def test_the_installations_own_severities_hold(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("xid: {160: {severity: critical}}")
    log = Log(tmp_path / "n1.log", faults_file=str(faults))
    log.append(xid(160))
    assert log.collect().events[0].severity is Severity.CRITICAL
    faults.write_text("xid: {160: {severity: dreadful}}")
    with pytest.raises(ConfigError, match=r"klog: faults_file: .*severity"):
        log.open()


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="no time zone 'Mars/Olympus'"):
        KernelLogConfig(name="klog", timezone="Mars/Olympus")


def _event(number: int, device: str) -> Event:
    return Event(
        id=str(number), time=BOOT + timedelta(seconds=number), observed_at=BOOT, host="n1",
        device=device, device_class="accelerator", source="kernel_log", kind="unclassified",
        severity=Severity.INFO, text="x",
    )  # fmt: skip


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_no_occurrence_goes_uncounted(devices: list[str], burst: int, limit: int) -> None:
    events = [_event(number, device) for number, device in enumerate(devices)]
    allowed = RateLimit(burst, refill_seconds=60)
    taken, skipped = coalesce(events, allowed=allowed, limit=limit, seconds=0.0)
    counted = sum(int(str(event.attributes.get("occurrences", 1))) for event in taken)
    assert counted + skipped == len(events)
    assert len(taken) <= limit


def test_records_of_a_device_are_read_one_by_one() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        for record in (
            b"6,7,100,-;seven\n",
            b"6,8,200,-;eight\n SUBSYSTEM=pci\n",
            b"6,11,300,c;x\n",
        ):
            theirs.send(record)
        chunk = read_records(ours.fileno(), last=7)
    assert chunk.marks == ["8", "11"]
    assert chunk.lines[0].startswith(b"6,8,")
    assert chunk.warnings == ["2 records were lost before they were read"]


def test_records_that_were_overwritten_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device says EPIPE once and goes on with the oldest record it has."""
    answers: list[bytes | OSError] = [
        b"6,7,100,-;seven\n",
        OSError(errno.EPIPE, "Broken pipe"),
        b"6,90,200,-;ninety\n",
        OSError(errno.EINVAL, "Invalid argument"),
        b"6,92,300,-;ninety-two\n",
        BlockingIOError(),
    ]

    def read(_descriptor: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr("fleetops_collectors.kernel_log.reader.os.read", read)
    chunk = read_records(0, last=6)
    assert chunk.marks == ["7", "90", "92"]
    assert chunk.lost == 83
    assert chunk.warnings == ["83 records were lost before they were read"]


def test_a_device_that_only_fails_does_not_hold_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_descriptor: int, _size: int) -> bytes:
        raise OSError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("fleetops_collectors.kernel_log.reader.os.read", read)
    assert read_records(0, last=6).lines == []


def test_the_machines_own_kernel_log() -> None:
    device = Path("/dev/kmsg")
    if not os.access(device, os.R_OK):
        pytest.skip("/dev/kmsg is not readable here; run as root or set kernel.dmesg_restrict=0")
    first = read_log(device, None)
    assert first.lines
    assert all(line.split(b",")[1].isdigit() for line in first.lines)
    again = read_log(device, first.end)
    assert len(again.lines) < len(first.lines)
    assert Position.from_cursor(first.end.model_dump_json()) == first.end
    target = {"name": "me", "url": str(device)}
    config = KernelLogConfig.model_validate({"name": "klog", "targets": [target]})
    scrape = asyncio.run(
        KernelLogCollector.create(config, SystemClock()).collect(config.targets[0])
    )
    assert scrape.cursor is not None
