"""The contract of collectors, kept by ``ethernet`` on this machine's own kernel."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Collector, Scrape, Target
from fleetops_collectors.ethernet import (
    EthernetCollector,
    EthernetConfig,
    EthernetTarget,
    EthtoolSocket,
)
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.support import unavailable
from tests.unit.collectors.sysfs_tree import write

LOOPBACK = "lo"


class TestEthernetCollector(CollectorContract, RefusesGarbage):
    collector_class = EthernetCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"interfaces": [LOOPBACK], "optics_interval_seconds": 0}

    @override
    @pytest.fixture
    def target(self) -> Target:
        return EthernetTarget(name="net-node001", host="node001")

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return EthernetTarget(name="net-gone", host="node002", url=str(tmp_path / "absent"))

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Target:
        write(tmp_path / "notes.txt", "no interface")
        return EthernetTarget(name="net-other", url=str(tmp_path))


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two interfaces of this machine, joined by a cable that is none (veth)."""
    names = (f"fo{os.getpid() % 100_000}a", f"fo{os.getpid() % 100_000}b")
    if shutil.which("ip") is None or os.geteuid() != 0:
        unavailable("veth", "needs the ip command and root")
    add = ["ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1]]
    made = subprocess.run(add, capture_output=True, check=False, text=True)
    if made.returncode != 0:
        unavailable("veth", made.stderr.strip())
    try:
        for name in names:
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield names
    finally:
        subprocess.run(["ip", "link", "del", names[0]], check=True)


def collect(*steps: Callable[[], object], **options: object) -> list[Scrape]:
    """One scrape before the first and one after each step, by one collector."""

    async def act() -> list[Scrape]:
        config = EthernetConfig.model_validate({"name": "net", **options})
        collector: Collector = EthernetCollector.create(config, ManualClock())
        target = EthernetTarget(name="net", host="node001")
        scrapes = [await collector.collect(target)]
        for step in steps:
            step()
            scrapes.append(await collector.collect(target))
        await collector.close()
        return scrapes

    return asyncio.run(act())


def test_the_kernel_gives_a_driver_s_counters(pair: tuple[str, str]) -> None:
    with EthtoolSocket() as ethtool:
        assert ethtool.driver(pair[0]).driver == "veth"
        counters = ethtool.statistics(pair[0])
        assert counters["peer_ifindex"] > 0
        assert len(counters) >= 10
        assert ethtool.statistics(LOOPBACK) == {}
        with pytest.raises(OSError, match="No such device"):
            ethtool.statistics("nosuchdev")


def test_a_link_that_loses_its_peer_is_an_event(pair: tuple[str, str]) -> None:
    def unplug() -> None:
        subprocess.run(["ip", "link", "set", pair[1], "down"], check=True)

    def flap() -> None:
        for state in ("up", "down", "up"):
            subprocess.run(["ip", "link", "set", pair[1], state], check=True)

    options: dict[str, object] = {"interfaces": [pair[0]], "optics_interval_seconds": 0}
    first, second, third = collect(unplug, flap, **options)
    assert _value(first, "link_state") == 1
    assert not first.events
    assert _value(second, "link_state") == 0
    assert [event.kind for event in second.events] == ["link_down"]
    assert second.events[0].device == f"node001/{pair[0]}"
    assert _value(third, "link_state") == 1
    assert [event.attributes["occurrences"] for event in third.events] == [1]


def test_an_interface_that_was_taken_down_on_purpose_is_disabled(pair: tuple[str, str]) -> None:
    def disable() -> None:
        subprocess.run(["ip", "link", "set", pair[0], "down"], check=True)

    _, second = collect(disable, interfaces=[pair[0]], optics_interval_seconds=0)
    assert _value(second, "link_state") == 4
    assert not second.events


def test_octets_that_went_over_the_link_are_counted(pair: tuple[str, str]) -> None:
    def send() -> None:
        address = ["ip", "address", "add", "192.0.2.1/30", "dev", pair[0]]
        subprocess.run(address, check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            # to all on the link: nobody has to answer first
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(b"x" * 1000, ("192.0.2.3", 9))

    first, second = collect(send, interfaces=[pair[1]], optics_interval_seconds=0)
    assert _value(second, "receive_bytes_total") >= _value(first, "receive_bytes_total") + 1000


SCRIPT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *--show-fec*) printf 'FEC parameters for %s:\\nActive FEC encoding: RS\\nStatistics:\\n' lo
                printf '  corrected_blocks: 256\\n  uncorrectable_blocks: 1\\n';;
  *-m*) {module};;
esac
"""
MODULE = r"printf '\tIdentifier : 0x11\n\tModule temperature : 38.10 degrees C / 100 F\n'"


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """An ``ethtool`` that prints what the real one would for a port that has a module."""

    def make(module: str = MODULE) -> str:
        path = tmp_path / "ethtool"
        path.write_text(SCRIPT.format(log=tmp_path / "log", module=module))
        path.chmod(0o755)
        return str(path)

    return make


def test_fec_and_module_are_asked_for_now_and_then(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    first, second = collect(lambda: None, interfaces=[LOOPBACK], ethtool=script(MODULE))
    assert _value(first, "fec_corrected_total") == 256
    assert _value(first, "optics_temperature_celsius") == pytest.approx(38.1)
    metrics = {reading.metric for reading in second.readings}
    assert "optics_temperature_celsius" not in metrics  # not due: no old value for a new one
    assert (tmp_path / "log").read_text().split("\n")[:2] == ["-I --show-fec lo", "-m lo"]
    assert len((tmp_path / "log").read_text().splitlines()) == 2


def test_a_module_that_hangs_costs_its_deadline_and_nothing_else(
    script: Callable[[str], str],
) -> None:
    options: dict[str, object] = {
        "ethtool": script("exec sleep 60"),
        "ethtool_timeout_seconds": 0.3,
    }
    [scrape] = collect(interfaces=[LOOPBACK], **options)
    assert any("lo: ethtool -m: no answer within 0.3 s" in text for text in scrape.warnings)
    assert _value(scrape, "fec_corrected_total") == 256
    assert _value(scrape, "link_state") == 1


@pytest.mark.parametrize("module", ["echo garbage", "exit 1", "yes x", "kill -9 $$"])
def test_a_module_without_an_answer_is_no_problem(
    script: Callable[[str], str], module: str
) -> None:
    [scrape] = collect(interfaces=[LOOPBACK], ethtool=script(module))
    assert _value(scrape, "fec_corrected_total") == 256
    assert not [text for text in scrape.warnings if "ethtool" in text]


def test_a_command_that_cannot_be_ended_costs_its_share_of_the_deadline(
    script: Callable[[str], str],
) -> None:
    """Its child keeps the pipe open, as a process in the kernel's hands would."""
    options: dict[str, object] = {
        **{"ethtool": script("sleep 1 &"), "deadline_seconds": 0.5},
        "ethtool_timeout_seconds": 0.2,
    }
    [scrape] = collect(interfaces=[LOOPBACK], **options)
    assert any("ethtool hangs" in text for text in scrape.warnings)
    assert _value(scrape, "link_state") == 1


def test_without_the_command_everything_else_is_read() -> None:
    [scrape] = collect(interfaces=[LOOPBACK], ethtool="no-such-ethtool")
    assert any("no ethtool command" in text for text in scrape.warnings)
    assert _value(scrape, "link_state") == 1


def test_the_real_ethtool_on_an_interface_without_a_module() -> None:
    if shutil.which("ethtool") is None:
        unavailable("ethtool", "not installed")
    [scrape] = collect(interfaces=[LOOPBACK])
    assert _value(scrape, "link_state") == 1
    assert not [text for text in scrape.warnings if "ethtool" in text]


def test_no_interface_is_a_temporary_error() -> None:
    with pytest.raises(TemporaryError, match="net: /sys has no interface that is nosuch"):
        collect(interfaces=["nosuch*"])


def _value(scrape: Scrape, metric: str) -> float:
    [reading] = [one for one in scrape.readings if one.metric == metric]
    assert reading.quality is Quality.GOOD, reading
    assert reading.value is not None
    return reading.value
