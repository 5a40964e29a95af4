# ruff: noqa: E501  (lines as journald and dmesg write them)
"""Formats of a kernel's lines beyond the common ones, and lines that only claim to be its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fleetops_collectors.kernel_log.journal_entry import cursor_of, line_of_entry
from fleetops_collectors.kernel_log.lines import LineReader
from fleetops_collectors.kernel_log.record import KernelLine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOOT = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = "NVRM: Xid (PCI:0000:43:00): 79, GPU has fallen off the bus."


def read(line: str) -> KernelLine | None:
    return LineReader(now=NOW, boot_time=BOOT, timezone=ZoneInfo("Europe/Berlin")).parse(line)


def at(hour: int, minute: int, second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 2, 23, hour, minute, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "host", "time", "uptime"),
    [
        (f"[Feb23 16:24] {TEXT}", None, None, None),
        (f"[  +0.000003] {TEXT}", None, None, None),
        (f"[    5.000000 <    0.250000>] {TEXT}", None, BOOT.replace(second=5), 5.0),
        (f"[    5.000000][   T12] {TEXT}", None, BOOT.replace(second=5), 5.0),
        (f"[Mon Feb 23 16:24:18 2026] [   C7] {TEXT}", None, at(15, 24, 18), None),
        (f"Mon 2026-02-23 16:24:18 UTC n7 kernel: {TEXT}", "n7", at(16, 24, 18), None),
        (f"Mon 2026-02-23 16:24:18.250000 CET n7 kernel: {TEXT}", "n7", at(15, 24, 18, 250000), None),
        (f"1771863858.250000 n7 kernel: {TEXT}", "n7", at(16, 24, 18, 250000), None),
        (f"Feb 23 16:24:18.250000 n7 kernel: {TEXT}", "n7", at(15, 24, 18), None),
        (f"Feb 23 16:24:18 n7 kernel: [ 12.500000] {TEXT}", "n7", at(15, 24, 18), 12.5),
        (f"<3>1 2026-02-23T16:24:18.250000+00:00 n7 kernel - - - {TEXT}", "n7", at(16, 24, 18, 250000), None),
        (f'<3>1 2026-02-23T16:24:18Z n7 kernel - - [meta@1 seq="4"] [ 12.5] {TEXT}', "n7", at(16, 24, 18), 12.5),
        (f"<3>Feb 23 16:24:18 n7 kernel: {TEXT}", "n7", at(15, 24, 18), None),
        (f"kern  :err   : 2026-02-23T16:24:18,250000+00:00 {TEXT}", None, at(16, 24, 18, 250000), None),
        (f"kernel: [ 12.500000] {TEXT}", None, None, 12.5),
        (f"2026-02-23 16:24:18 kernel: {TEXT}", None, at(15, 24, 18), None),
        (f"Feb 23 16:24:18 n7 kern.err kernel: [ 12.5] {TEXT}", "n7", at(15, 24, 18), 12.5),
        (f"\x1b[32m[    5.000000] \x1b[0m\x1b[31m{TEXT}\x1b[0m", None, BOOT.replace(second=5), 5.0),
        (f"   [    5.000000] {TEXT}", None, BOOT.replace(second=5), 5.0),
    ],
)  # fmt: skip
def test_formats(line: str, host: str | None, time: datetime | None, uptime: float | None) -> None:
    found = read(line)
    assert found is not None
    assert (found.host, found.time, found.uptime) == (host, time, uptime)
    assert found.text == TEXT


def test_an_error_of_firmware_without_any_stamp_is_no_json() -> None:
    found = read("{1}[Hardware Error]: event severity: fatal")
    assert found is not None
    assert found.text == "{1}[Hardware Error]: event severity: fatal"


def test_a_record_of_the_device_with_its_properties() -> None:
    found = read(f"3,814,12500000,-;{TEXT}\n SUBSYSTEM=pci\n DEVICE=+pci:0000:43:00.0\n")
    assert found == KernelLine(
        None, BOOT.replace(second=12, microsecond=500000), TEXT, 1, 12.5, "0000:43:00.0"
    )
    disk = read("4,815,13000000,-,caller=T812;nvme nvme0: x\n SUBSYSTEM=block\n DEVICE=b259:0")
    assert disk is not None
    assert (disk.text, disk.pci) == ("nvme nvme0: x", "")


@pytest.mark.parametrize(
    "line",
    [
        f"12,814,12500000,-;{TEXT}",  # user.warning: echo ... > /dev/kmsg
        f"30,814,12500000,-;systemd[1]: {TEXT}",
        f"<12>[    5.0] {TEXT}",
        f"user  :warn  : [    5.0] {TEXT}",
        f"daemon:info  : [    5.0] {TEXT}",
        f"<14>1 2026-02-23T16:24:18Z n7 python3 812 - - {TEXT}",
        f"1771863858.250000 n7 python3[812]: {TEXT}",
        f"Mon 2026-02-23 16:24:18 UTC n7 python3[812]: {TEXT}",
        json.dumps({"MESSAGE": TEXT, "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "kernel"}),
        json.dumps({"MESSAGE": TEXT, "_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "trainer"}),
        json.dumps({"MESSAGE": TEXT, "SYSLOG_IDENTIFIER": "trainer"}),
        json.dumps({"MESSAGE": TEXT, "_TRANSPORT": ["kernel", "syslog"]}),
    ],
)
def test_what_somebody_else_wrote_is_no_line_of_the_kernel(line: str) -> None:
    assert read(line) is None


def entry(**fields: Any) -> KernelLine | None:  # noqa: ANN401  (JSON)
    return line_of_entry(json.dumps({"_TRANSPORT": "kernel", "MESSAGE": TEXT, **fields}))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (TEXT, TEXT),
        ([*TEXT.encode(), 0xFF], f"{TEXT}\ufffd"),
        ([TEXT, "a second field of the same name"], TEXT),
        ([[*TEXT.encode()], "b"], TEXT),
        ("NVRM: first\nNVRM: second", "NVRM: first NVRM: second"),
    ],
)
def test_every_shape_of_a_message(message: object, text: str) -> None:
    found = entry(MESSAGE=message)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("message", [None, [], 7, {}, [None], [{}], True])
def test_a_message_that_is_none(message: object) -> None:
    assert entry(MESSAGE=message) is None


def test_an_entry_with_everything() -> None:
    found = entry(
        _HOSTNAME="n9",
        __REALTIME_TIMESTAMP="1772366400000000",
        __MONOTONIC_TIMESTAMP="90000000000",
        _SOURCE_MONOTONIC_TIMESTAMP="89999000000",
        _KERNEL_DEVICE="+pci:0000:43:00.0",
        PRIORITY="3",
    )
    assert found == KernelLine("n9", NOW, TEXT, 1, 89999.0, "0000:43:00.0")


def test_what_the_kernel_said_before_journald_ran_is_dated_by_its_own_clock() -> None:
    found = entry(
        __REALTIME_TIMESTAMP="1772366400000000",
        __MONOTONIC_TIMESTAMP="20000000",
        _SOURCE_MONOTONIC_TIMESTAMP="2500000",
    )
    assert found is not None
    assert found.time == datetime(2026, 3, 1, 11, 59, 42, 500000, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp", ["", "soon", "-5", "0", "9" * 30, "1e9", [1], None, {}, 9223372036854775807, True]
)
def test_a_stamp_that_is_none_costs_the_time_alone(stamp: object) -> None:
    found = entry(__REALTIME_TIMESTAMP=stamp, _SOURCE_MONOTONIC_TIMESTAMP=stamp)
    assert found is not None
    assert (found.time, found.text) == (None, TEXT)


def test_a_record_separator_before_an_entry() -> None:
    found = read("\x1e" + json.dumps({"_TRANSPORT": "kernel", "MESSAGE": TEXT}))
    assert found is not None
    assert found.text == TEXT


@pytest.mark.parametrize(
    ("line", "cursor"),
    [
        (b'{"__CURSOR":"s=1;i=2","MESSAGE":"x"}', "s=1;i=2"),
        (b'{ "MESSAGE" : "x", "__CURSOR" : "s=1;i=2" }', "s=1;i=2"),
        (b'{"MESSAGE":"\\"__CURSOR\\":\\"s=9\\"","__CURSOR":"s=1;i=2"}', "s=1;i=2"),
        (b'{"MESSAGE":"x"}', ""),
        (b"", ""),
    ],
)
def test_the_cursor_of_an_entry(line: bytes, cursor: str) -> None:
    assert cursor_of(line) == cursor
