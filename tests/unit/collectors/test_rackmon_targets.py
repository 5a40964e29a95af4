"""What is read: addresses of buses, targets and their maps, rackmond behind its socket."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError
from fleetops_collectors.rackmon import RackmonCollector, RackmonConfig, RackmonTarget
from fleetops_collectors.rackmon.address import BusAddress, Transport, parse_address
from fleetops_schemas.register_maps import Parity
from tests.unit.collectors.rackmon_data import dumped, entry, framed, serving_rackmond
from tests.unit.collectors.rackmon_rounds import psu, run, scrape, target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://10.0.0.1", BusAddress(Transport.TCP, "10.0.0.1", 502)),
        ("tcp://[::1]:1502", BusAddress(Transport.TCP, "::1", 1502)),
        (
            "rtu:///dev/ttyS3?baudrate=115200&parity=E",
            BusAddress(Transport.RTU, path="/dev/ttyS3", baud_rate=115200, parity=Parity.EVEN),
        ),
        (
            "unix:///var/run/rackmond.sock",
            BusAddress(Transport.UNIX, path="/var/run/rackmond.sock"),
        ),
    ],
)
def test_addresses(url: str, expected: BusAddress) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x", "no address of a bus"),
        ("10.0.0.1:502", "no address of a bus"),
        ("tcp://", "names no host"),
        ("tcp://h:99999", "no address of a bus"),
        ("rtu://", "names no path"),
        ("rtu:///dev/ttyS3?baud=1", "unknown option baud"),
        ("rtu:///dev/ttyS3?baudrate=fast", "no number such as 19200"),
        ("rtu:///dev/ttyS3?parity=X", "none of E, O, N"),
    ],
)
def test_what_is_no_address_says_so(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_address(url)


def test_a_target_needs_devices_and_a_bus_one_reader() -> None:
    with pytest.raises(ValidationError, match="nothing to read"):
        RackmonConfig.model_validate({"name": "t", "targets": [target("tcp://h")]})
    with pytest.raises(ValidationError, match="named twice: a"):
        RackmonConfig.model_validate(
            {"name": "t", "targets": [target("tcp://h", psu(1, "a"), psu(2, "a"))]}
        )
    two = [target("tcp://h", psu()), {**target("tcp://h:502", psu()), "name": "other"}]
    with pytest.raises(ValidationError, match="are the same bus, h:502"):
        RackmonConfig.model_validate({"name": "t", "targets": two})


def test_a_map_must_be_there_and_suit_the_line() -> None:
    for described, words in (
        (target("tcp://h", {**psu(), "map": "orv9"}), "no register map 'orv9'; there are: orv2"),
        (target("tcp://h?baudrate=115200", psu()), "speak at 19200 baud, the line at 115200"),
    ):
        config = RackmonConfig.model_validate({"name": "t", "targets": [described]})
        with pytest.raises(ConfigError, match=words):
            RackmonCollector.create(config, ManualClock())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (framed({"status": "ERR_TIMEOUT"}), "rackmond answers ERR_TIMEOUT"),
        (framed({"status": "SUCCESS", "data": []})[:-3], "broke off after"),
        (b"\xff" * 8, "bytes long, more than"),
        (b"", "broke off after 0 bytes"),
        (framed([{"devInfo": 1}]), "devInfo: is no object"),
    ],
)
def test_answers_of_rackmond_that_are_none(tmp_path: Path, answer: bytes, words: str) -> None:
    expected = pytest.raises(InputError, match=f"rack12.*{words}")
    with serving_rackmond(tmp_path, lambda _: answer) as url, expected:
        scrape(target(url), length_bytes=8)


def test_a_rackmond_of_a_32_bit_controller(tmp_path: Path) -> None:
    device = dumped("ORV3_PSU", 200, {(79, "V"): [entry(1_000_000_000, "floatValue", 50.0)]})
    answer = framed({"status": "SUCCESS", "data": [device]}, "=I")
    with serving_rackmond(tmp_path, lambda _: answer, length="=I") as url:
        named = target(url, psu(name="shelf1/psu1"))
        found = scrape(named, length_bytes=4, stale_after_seconds=604_800)
    assert {reading.device for reading in found.readings} == {"shelf1/psu1"}


def test_a_rackmond_that_hangs_is_cut_off(tmp_path: Path) -> None:
    def hang(_: object) -> bytes:
        time.sleep(0.5)
        return b""

    async def act(collector: RackmonCollector, one: RackmonTarget) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await collector.collect(one)

    with serving_rackmond(tmp_path, hang) as url:
        run(act, target(url), length_bytes=8)
