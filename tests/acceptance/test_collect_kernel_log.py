"""Kernel logs through the command: a file, a real journal, this machine's own log, recordings."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import ROOT, unavailable
from tests.unit.collectors.journal_files import Journal

EXAMPLE = ROOT / "docs" / "examples" / "kernel_log.yaml"
FLAPPING = "".join(
    f"6,{n},{n}000000,-;mlx5_core 0000:18:00.0 ens3: Link {'down' if n % 2 else 'up'}\n"
    for n in range(1, 7)
)
LINES = f"""\
3,1,900000,-;NVRM: Xid (PCI:0000:43:00): 79, pid=812, name=python3, GPU has fallen off the bus.
12,2,910000,-;NVRM: Xid (PCI:0000:1b:00): 79, a test that wrote into the kernel's log
{FLAPPING}6,9,9000000,-;nothing of interest
"""


def collect(url: Path | str, start: str = "beginning") -> dict[str, Any]:
    environ = {"KERNEL_LOG_URL": str(url), "KERNEL_LOG_START": start}
    done = fleetops("collect", "once", "-o", "json", config=EXAMPLE, environ=environ)
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    assert isinstance(scrape, dict)
    return scrape


def told(scrape: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (event["device"], event["kind"], event["attributes"]["recommended_action"])
        for event in scrape["events"]
    ]


def test_the_documented_configuration_reads_a_file(tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    log.write_text(LINES)
    scrape = collect(log)
    assert told(scrape) == [
        ("local/gpu1", "accelerator_fallen_off_bus", "drain"),
        *[("local/nic0", "link_down", "watch"), ("local/nic0", "link_up", "none")] * 2,
        ("local/nic0", "link_flapping", "inspect"),
        ("local/nic0", "link_up", "none"),
    ]
    assert scrape["events"][-2]["attributes"]["downs"] == 3


def test_the_documented_configuration_reads_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "node007.journal")
    xid = "NVRM: Xid (PCI:0000:43:00): 48, pid=812, name=python3, DBE"
    journal.write(xid, "nothing of interest", seconds=10, host="node007")
    journal.write(xid, transport="stdout", seconds=20, host="node007")
    scrape = collect(f"journal://{journal.path}")
    assert told(scrape) == [("node007/gpu1", "accelerator_memory_uncorrectable", "drain_and_reset")]
    assert scrape["events"][0]["time"] == "2026-03-01T00:00:10Z"


def test_the_documented_configuration_reads_this_machines_own_log() -> None:
    if not os.access("/dev/kmsg", os.R_OK):
        unavailable("kmsg", "/dev/kmsg is not readable; run as root or in the group that may")
    scrape = collect("/dev/kmsg", "lookback")
    assert {event["host"] for event in scrape["events"]} <= {platform.node()}


def test_a_log_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    environ = {"KERNEL_LOG_URL": str(tmp_path / "absent")}
    done = fleetops("collect", "once", config=EXAMPLE, environ=environ)
    one_error(done, 1, "kernel_log local", "cannot read", "No such file")


@pytest.mark.parametrize("host", [None, "node009"])
def test_a_recording_of_the_journal_is_decoded(host: str | None) -> None:
    entries = [
        {
            "_TRANSPORT": transport,
            "_HOSTNAME": "node007",
            "__REALTIME_TIMESTAMP": "1795190658250000",
            "MESSAGE": message,
        }
        for transport, message in (
            ("kernel", "nvme nvme3: Removing after probe failure status: -19"),
            ("syslog", "NVRM: Xid (PCI:0000:43:00): 48, quoted"),
            ("kernel", [*b"Memory cgroup out of memory: Killed process 7 (a)", 255]),
        )
    ]
    text = "\n".join(map(json.dumps, entries)).encode()
    found = answer("decode", "kernel-log", "-", *(("--host", host) if host else ()), stdin=text)
    assert [(one["line"], one["device"], one["kind"], one["severity"]) for one in found] == [
        (1, f"{host or 'node007'}/nvme3", "storage_error", "critical"),
        (3, host or "node007", "job_memory_exhausted", "info"),
    ]
    assert found[0]["time"] == "2026-11-20T16:04:18.250000+00:00"
