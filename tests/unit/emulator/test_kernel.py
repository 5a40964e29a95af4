from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fleetops.core.clock import ManualClock
from fleetops.emulator.kernel import ERROR, KernelLogs, pci_address
from tests.unit.emulator.fleets import advance, make_fleet, strike

RECORD = re.compile(r"^(\d+),(\d+),(\d+),-;(.+)$")


def records(path: Path) -> list[tuple[int, int, int, str]]:
    lines = path.read_text().splitlines()
    matches = [RECORD.match(line) for line in lines]
    assert all(matches)
    return [(int(m[1]), int(m[2]), int(m[3]), m[4]) for m in matches if m]


def test_records_are_numbered_and_stamped_in_microseconds(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.advance(12.5)
    logs = KernelLogs(tmp_path, ["node001"], clock, np.random.default_rng(1))
    clock.advance(1.0)
    logs.write(0, ERROR, "something")
    written = records(logs.path(0))
    assert [record[1] for record in written] == list(range(len(written)))
    assert written[-1] == (ERROR, len(written) - 1, 13_500_000, "something")
    assert written[0][2] == 12_500_000


def test_xid_79_is_written_as_the_driver_writes_it(tmp_path: Path) -> None:
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=4)
    strike(fleet, "xid", {"host_index": 1, "accelerator": 4})
    advance(fleet, 2)
    text = fleet.kernel.path(1).read_text()
    assert "NVRM: Xid (PCI:0000:9d:00): 79, pid='<unknown>', name=<unknown>, GPU has" in text
    assert "NVRM: GPU 0000:9d:00.0: GPU has fallen off the bus." in text
    assert text.count("Xid") == 1
    assert "Xid" not in fleet.kernel.path(0).read_text()


def test_healthy_hosts_log_only_what_means_nothing(tmp_path: Path) -> None:
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=4)
    advance(fleet, 120)
    texts = [fleet.kernel.path(host).read_text() for host in range(4)]
    assert not any(word in text for text in texts for word in ("Xid", "MCE", "error", "fail"))
    assert any(len(text.splitlines()) > 10 for text in texts)


@pytest.mark.parametrize(("accelerator", "address"), [(0, "0000:1b:00"), (7, "0000:df:00")])
def test_pci_addresses(accelerator: int, address: str) -> None:
    assert pci_address(accelerator) == address
