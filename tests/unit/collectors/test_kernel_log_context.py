"""What earlier lines of a log tell of later ones: names of GPUs, the driver, links that flap."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fleetops_collectors.kernel_log import KernelFinding, decode_kernel_log
from fleetops_collectors.kernel_log.links import FLAP_DOWNS, FLAP_WINDOW_SECONDS, LinkHistory
from fleetops_collectors.kernel_log.memory import MAX_HOSTS, LogMemory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDRESS = "0000:9b:00"
UUID = "GPU-509665ad-b600-ac93-3616-d754b23d636d"


def decode(*lines: str, host: str | None = "n1") -> list[KernelFinding]:
    return list(decode_kernel_log(lines, host=host, now=NOW))


def link(second: float, way: str, interface: str = "ens3", pci: str = "0000:5e:00.0") -> str:
    return f"6,1,{int(second * 1e6)},-;mlx5_core {pci} {interface}: Link {way}"


def test_the_driver_introduces_a_gpu_before_its_first_error() -> None:
    (found,) = decode(
        "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build",
        f"NVRM: GPU at PCI:{ADDRESS}: {UUID}",
        "NVRM: GPU Board Serial Number: 1650124014249",
        f"NVRM: Xid (PCI:{ADDRESS}): 48, pid=1, name=x, DBE",
    )
    assert found.attributes["gpu_uuid"] == UUID
    assert found.attributes["board_serial"] == "1650124014249"
    assert found.attributes["driver_version"] == "575.57.08"


def test_the_proprietary_driver_names_its_version_too() -> None:
    (found,) = decode(
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05  Mon Sep 8 14:37:37 UTC 2025",
        f"NVRM: Xid (PCI:{ADDRESS}): 48, DBE",
    )
    assert found.attributes["driver_version"] == "580.95.05"


def test_a_message_over_several_lines_is_of_the_gpu_that_its_first_names() -> None:
    (found,) = decode(
        "[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0",
        "               NVRM: (PCI ID: 10de:2330) installed in this system has",
        "               NVRM: fallen off the bus and is not responding to commands.",
    )
    assert (found.line, found.device) == (3, "n1/pci-0000:b3:00.0")
    assert found.kind == "accelerator_fallen_off_bus"


def test_the_lines_of_one_message_share_host_and_time() -> None:
    lost = "NVRM: fallen off the bus and is not responding to commands."
    (found,) = decode(
        "Feb 23 16:24:18 n7 kernel: NVRM: The NVIDIA GPU 0000:b3:00.0",
        "                           NVRM: (PCI ID: 10de:2330) installed in this system has",
        f"                           {lost}",
        host=None,
    )
    assert (found.host, found.device) == ("n7", "n7/pci-0000:b3:00.0")
    assert found.time == datetime(2026, 2, 23, 16, 24, 18, tzinfo=UTC)
    assert decode("Feb 23 16:24:18 n7 trainer[812]: Traceback", f"    {lost}", host=None) == []


def test_hosts_of_one_log_are_kept_apart() -> None:
    (found,) = decode(
        f"Feb 23 16:24:18 n7 kernel: NVRM: GPU at PCI:{ADDRESS}: {UUID}",
        f"Feb 23 16:24:19 n8 kernel: NVRM: Xid (PCI:{ADDRESS}): 48, DBE",
        host=None,
    )
    assert found.device == "n8/pci-0000:9b:00.0"
    assert "gpu_uuid" not in found.attributes


def test_the_device_that_the_kernel_attached_is_named() -> None:
    (found,) = decode(
        "4,1,1,-;nvme nvme3: controller is down; will reset: CSTS=0x3, PCI_STATUS=0x10\n"
        " SUBSYSTEM=nvme\n DEVICE=+pci:0000:01:00.0\n"
    )
    assert found.attributes["pci"] == "0000:01:00.0"
    assert found.text.endswith("PCI_STATUS=0x10")


def test_one_loss_is_news_and_three_are_a_fault() -> None:
    lines = [link(second, way) for second in (10, 20, 30, 40) for way in ("down", "up")]
    found = decode(*lines)
    assert [one.kind for one in found] == [
        *("link_down", "link_up", "link_down", "link_up"),
        *("link_flapping", "link_up", "link_flapping", "link_up"),
    ]
    first, flapping = found[0], found[-2]
    assert (first.severity.value, first.recommended_action.value) == ("info", "watch")
    assert (flapping.severity.value, flapping.recommended_action.value) == ("warning", "inspect")
    assert flapping.attributes["downs"] == 4
    assert flapping.attributes["interface"] == "ens3"


def test_losses_far_apart_or_of_other_links_do_not_add_up() -> None:
    apart = [link(n * (FLAP_WINDOW_SECONDS / 2 + 1), "down") for n in range(8)]
    assert {one.kind for one in decode(*apart)} == {"link_down"}
    others = [link(n, "down", f"ens{n}", f"0000:5{n}:00.0") for n in range(8)]
    assert {one.kind for one in decode(*others)} == {"link_down"}


def test_a_restart_begins_counting_anew() -> None:
    found = decode(link(900, "down"), link(901, "down"), link(5, "down"), link(6, "down"))
    assert {one.kind for one in found} == {"link_down"}


def test_losses_without_any_time_are_not_counted() -> None:
    line = "mlx5_core 0000:5e:00.0 ens3: Link down"
    assert {one.kind for one in decode(*[line] * 8)} == {"link_down"}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2000)), max_size=40))
def test_losses_are_counted_within_the_window(losses: list[tuple[str, int]]) -> None:
    history = LinkHistory()
    seen: dict[str, list[int]] = {"a": [], "b": []}
    for name, moment in losses:
        mine = seen[name]
        if mine and moment < mine[-1]:
            mine.clear()
        mine.append(moment)
        counted = history.went_down(name, float(moment))
        assert counted == sum(1 for one in mine if one >= moment - FLAP_WINDOW_SECONDS)


def test_a_copy_is_apart() -> None:
    memory = LogMemory()
    memory.of("n1").links.went_down("a", 1.0)
    other = memory.copy()
    for moment in (2.0, 3.0):
        other.of("n1").links.went_down("a", moment)
    other.of("n1").learn(f"NVRM: GPU at PCI:{ADDRESS}: {UUID}")
    assert memory.of("n1").links.went_down("a", 4.0) == 2 < FLAP_DOWNS
    assert memory.of("n1").uuids == {}


def test_memory_is_bounded() -> None:
    memory = LogMemory()
    memory.of("first").announced = "0000:01:00.0"
    for number in range(MAX_HOSTS):
        memory.of(f"n{number}")
    assert memory.of("first").announced == ""
    known = memory.of("n1")
    for number in range(1000):
        known.learn(f"NVRM: GPU at PCI:{number:04x}:01:00: {UUID}")
        known.links.went_down(f"eth{number}", float(number))
    assert len(known.uuids) <= 64
    assert len(known.links._downs) <= 128
