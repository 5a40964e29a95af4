"""Following real journals with the real journalctl, and what happens when either fails."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.kernel_log import KernelLogCollector, KernelLogConfig
from fleetops_collectors.kernel_log.journal import read_journal
from fleetops_collectors.kernel_log.journalctl import Journalctl
from fleetops_collectors.kernel_log.position import MAX_ROUND_BYTES, Position
from tests.unit.collectors.journal_files import BOOT_AT, Journal


def xid(code: int, pci: str = "0000:1b:00") -> str:
    return f"NVRM: Xid (PCI:{pci}): {code}, pid=1, name=python3, detail"


class Follower:
    """A collector that follows a journal."""

    def __init__(self, path: Path | str, **options: object) -> None:
        self.path = path
        self.clock = ManualClock(BOOT_AT + timedelta(seconds=100))
        self.options: dict[str, object] = {"start": "beginning", **options}
        self.collector = self.open()

    def open(self) -> KernelLogCollector:
        target = {"name": "n1", "host": "node001", "url": f"journal://{self.path}"}
        config = KernelLogConfig.model_validate(
            {"name": "klog", "targets": [target], **self.options}
        )
        return KernelLogCollector.create(config, self.clock)

    def collect(self) -> Scrape:
        (target,) = self.collector._config.targets
        return asyncio.run(self.collector.collect(target))

    def codes(self) -> list[int | None]:
        return [event.code for event in self.collect().events]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "node001.journal")


def test_every_entry_of_the_kernel_is_read_once(journal: Journal) -> None:
    journal.write("nothing", xid(79), b"NVRM: \xff\xfe", seconds=10)
    journal.write(xid(48), transport="syslog", SYSLOG_IDENTIFIER="kernel")
    follower = Follower(journal.path)
    (event,) = follower.collect().events
    assert (event.code, event.host, event.device) == (79, "node001", "node001/pci-0000:1b:00.0")
    assert event.time == BOOT_AT + timedelta(seconds=11)
    assert follower.codes() == []
    journal.write(xid(64), seconds=20)
    assert follower.codes() == [64]


def test_after_a_restart_it_goes_on_at_its_cursor(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    follower = Follower(journal.path)
    cursor = follower.collect().cursor
    assert cursor is not None
    journal.write(xid(48), seconds=20)
    follower.collector = follower.open()
    follower.collector.resume({"n1": cursor})
    assert follower.codes() == [48]


def test_an_entry_read_twice_is_the_same_event(journal: Journal) -> None:
    journal.write(xid(79), xid(79), seconds=10)
    first = [event.id for event in Follower(journal.path).collect().events]
    assert [event.id for event in Follower(journal.path).collect().events] == first
    assert len(set(first)) == 2


def test_a_message_of_bytes_and_of_several_lines_is_understood(journal: Journal) -> None:
    lost = b"NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: fallen off the bus \xff"
    journal.write(lost, seconds=10)
    (event,) = Follower(journal.path).collect().events
    assert event.kind == "accelerator_fallen_off_bus"
    assert event.attributes["pci"] == "0000:b3:00.0"


def test_the_device_that_the_kernel_attached(journal: Journal) -> None:
    journal.write(
        "nvme nvme3: controller is down; will reset: CSTS=0x3, PCI_STATUS=0x10",
        _KERNEL_DEVICE="+pci:0000:01:00.0",
    )
    (event,) = Follower(journal.path).collect().events
    assert event.attributes["pci"] == "0000:01:00.0"


def test_a_journal_that_was_never_read_gives_what_is_recent(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    journal.write(xid(48), seconds=95)
    follower = Follower(journal.path, start="lookback", lookback_seconds=30)
    assert follower.codes() == [48]
    assert follower.codes() == []


def test_start_at_the_end(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    follower = Follower(journal.path, start="end")
    assert follower.codes() == []
    assert follower.codes() == []
    journal.write(xid(48), seconds=120)
    assert follower.codes() == [48]


def test_a_folder_of_journals(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    assert Follower(journal.path.parent).codes() == [79]


def test_a_journal_made_anew_is_read_on_and_the_gap_told(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    follower = Follower(journal.path)
    follower.collect()
    journal.path.unlink()
    journal.write(xid(48), seconds=20)
    scrape = follower.collect()
    assert [event.code for event in scrape.events] == [48]
    assert "the last entry read is gone" in scrape.warnings[0]
    assert follower.collect().warnings == []


def test_a_cursor_that_is_none_is_given_up_saying_so(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    position = Position(kind="journal", cursor="nonsense")
    since = BOOT_AT.timestamp()
    url = f"journal://{journal.path}"
    chunk = read_journal(url, position, since, Journalctl())
    assert len(chunk.lines) == 1
    assert "the last entry read is gone" in chunk.warnings[0]
    assert chunk.end.cursor == chunk.marks[0] != ""


def test_a_target_that_was_a_file_begins_as_a_journal(journal: Journal) -> None:
    journal.write(xid(79), seconds=10)
    journal.write(xid(48), seconds=95)
    follower = Follower(journal.path, start="lookback", lookback_seconds=30)
    follower.collector.resume({"n1": Position(inode=7, offset=90).model_dump_json()})
    assert follower.codes() == [48]


def test_a_journal_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match=r"n1: cannot read journal:///.*No such file"):
        Follower(tmp_path / "absent.journal").collect()
    with pytest.raises(ValidationError, match="journal:///PATH for others"):
        Follower("var/log/journal")


def test_a_journal_that_shows_nothing_is_no_healthy_host(journal: Journal) -> None:
    journal.write("started", transport="stdout")
    with pytest.raises(TemporaryError, match=r"n1: .* no line of a kernel at all.*systemd-journal"):
        Follower(journal.path).collect()


def test_what_journalctl_complains_of_is_told(tmp_path: Path) -> None:
    entry = f'{{"__CURSOR":"s=1","_TRANSPORT":"kernel","MESSAGE":"{xid(79)}"}}'
    script = f"echo 'Journal file x is truncated, ignoring file.' >&2; echo '{entry}'"
    scrape = Follower("", journalctl=command(tmp_path, script)).collect()
    assert len(scrape.events) == 1
    assert "is truncated, ignoring file" in scrape.warnings[0]


def command(folder: Path, script: str) -> str:
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_no_journalctl_is_one_clear_error_with_the_remedy(tmp_path: Path) -> None:
    follower = Follower("", journalctl=str(tmp_path / "journalctl"))
    with pytest.raises(TemporaryError, match=r"n1: cannot run .*journalctl.*read /dev/kmsg"):
        follower.collect()


def test_a_journalctl_that_fails_says_why(tmp_path: Path) -> None:
    failing = command(tmp_path, "echo 'Failed to open: Bad message' >&2; exit 1")
    with pytest.raises(TemporaryError, match=r"n1: .* failed: Failed to open: Bad message"):
        Follower("", journalctl=failing).collect()


def test_a_journalctl_that_hangs_is_ended(tmp_path: Path) -> None:
    hanging = command(tmp_path, "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(TemporaryError, match=r"gave nothing in 0\.2 s"):
        Follower("", journalctl=hanging, deadline_seconds=0.25).collect()
    assert time.monotonic() - began < 10


def test_what_came_before_it_hung_is_taken(tmp_path: Path) -> None:
    entry = f'{{"__CURSOR":"s=1","_TRANSPORT":"kernel","MESSAGE":"{xid(79)}"}}'
    slow = command(tmp_path, f"echo '{entry}'; printf '{{\"__CUR'; exec sleep 60")
    follower = Follower("", journalctl=slow, deadline_seconds=0.625)
    scrape = follower.collect()
    assert [event.code for event in scrape.events] == [79]
    assert "cut off after 0.5 s" in scrape.warnings[0]
    assert Position.from_cursor(scrape.cursor or "") == Position(kind="journal", cursor="s=1")


def test_what_came_before_it_hung_counts_within_the_rounds_deadline(tmp_path: Path) -> None:
    entry = f'{{"__CURSOR":"s=1","_TRANSPORT":"kernel","MESSAGE":"{xid(79)}"}}'
    slow = command(tmp_path, f"echo '{entry}'; exec sleep 60")
    follower = Follower("", journalctl=slow, deadline_seconds=5.0)
    (target,) = follower.collector._config.targets

    async def round_of_the_runner() -> Scrape:
        async with asyncio.timeout(5.0):
            return await follower.collector.collect(target)

    assert [event.code for event in asyncio.run(round_of_the_runner()).events] == [79]


def test_a_huge_backlog_is_read_in_bounded_rounds(tmp_path: Path) -> None:
    entry = f'{{"__CURSOR":"s=1","MESSAGE":"{"x" * 1000}"}}'
    endless = command(tmp_path, f"exec yes '{entry}'")
    chunk = read_journal("journal://", None, 0.0, Journalctl(endless, 20.0))
    assert MAX_ROUND_BYTES - 2000 < sum(map(len, chunk.lines)) <= MAX_ROUND_BYTES
    assert chunk.warnings == []
