from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetops.core.clock import ManualClock
from fleetops.emulator.kernel_lines import (
    AMD_TEXTS,
    NOISE,
    XID_TEXTS,
    KernelText,
    boot_lines,
    driver_lines,
)
from fleetops.emulator.kernel_logs import KernelLogs, device_names
from fleetops.emulator.pci import adapter_address, pci_address
from fleetops.emulator.site import build_site
from fleetops_collectors.kernel_log.decode import decode_kernel_log
from fleetops_schemas.faults import load_faults
from fleetops_schemas.fleet_profiles import cluster_of

RECORD = re.compile(r"^(\d+),(\d+),(\d+),-;(.+)$")
ADDRESSES = {f"{pci_address(2)}.0": "gpu2"}


def read(texts: list[KernelText]) -> list[tuple[str, str]]:
    """Device and kind of every line that means something to the collector."""
    lines = [f"{text.level},{number},1,-;{text.text}" for number, text in enumerate(texts)]
    return [(one.device, one.kind) for one in decode_kernel_log(lines, host="h", devices=ADDRESSES)]


def test_records_are_numbered_and_stamped_in_microseconds(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.advance(12.5)
    logs = KernelLogs(tmp_path, ["a", "b"], clock, 1)
    logs.write("a", boot_lines("a", 2))
    clock.advance(1.0)
    logs.write("a", [KernelText(3, "something")])
    records = [RECORD.match(line) for line in logs.path("a").read_text().splitlines()]
    found = [record.groups() for record in records if record]
    assert [int(sequence) for _, sequence, _, _ in found] == list(range(len(records)))
    assert found[0][2] == "12500000"
    assert found[-1] == ("3", str(len(records) - 1), "13500000", "something")
    assert logs.path("b").read_text() == ""


def test_noise_comes_by_chance_and_not_from_the_dead(tmp_path: Path) -> None:
    hosts = [f"h{number}" for number in range(50)]
    logs = KernelLogs(tmp_path, hosts, ManualClock(), 1)
    for _ in range(100):
        logs.tick(1.0, frozenset({"h7"}))
    lines = [logs.path(host).read_text().splitlines() for host in hosts]
    assert lines[7] == []
    assert sum(map(len, lines)) == pytest.approx(49 * 100 * 0.02, rel=0.25)
    assert {line.partition(";")[2] for some in lines for line in some} == set(NOISE)


@pytest.mark.parametrize("vendor", ["nvidia", "amd", "meta", ""])
def test_a_boot_and_noise_mean_nothing(vendor: str) -> None:
    assert read([*boot_lines("h", 8, vendor), *(KernelText(6, text) for text in NOISE)]) == []


@pytest.mark.parametrize("code", XID_TEXTS)
def test_a_code_of_nvidia_is_read_as_its_kind(code: int) -> None:
    found = read(list(driver_lines("nvidia", 2, code)))
    assert set(found) == {("h/gpu2", load_faults().xid(code).kind)}


@pytest.mark.parametrize("code", AMD_TEXTS)
def test_amd_says_it_in_its_own_words(code: int) -> None:
    (line,) = driver_lines("amd", 2, code)
    assert "Xid" not in line.text
    ((device, kind),) = read([line])
    assert device == "h/gpu2"
    serious = {48, 64, 79, 94, 95, 119}
    action = load_faults().kind(kind).action
    assert action.drains == (code in serious), kind


def test_nothing_is_made_up_for_other_vendors() -> None:
    assert list(driver_lines("meta", 0, 79)) == []


def test_hosts_of_a_platform_share_their_addresses() -> None:
    site = build_site(cluster_of("grand_teton"), 2)
    names = device_names(site, site.groups[0])
    assert names[f"{pci_address(4)}.0"] == "gpu4"
    assert names[adapter_address(0)] == "mlx5_0"
    assert len(names) == 8 + 10
