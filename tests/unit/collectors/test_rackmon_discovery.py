"""Who is on a bus: devices that are found by asking, at which rate and for how long."""

from __future__ import annotations

import asyncio

import pytest

from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.rackmon import RackmonCollector, RackmonTarget, read_live
from fleetops_collectors.rackmon.address import parse_address
from fleetops_collectors.rackmon.bus_scan import BusScan
from fleetops_collectors.rackmon.discovery import candidates_of
from fleetops_collectors.rackmon.modbus import Line, NotReachedError
from fleetops_schemas.register_maps import load_register_maps
from tests.unit.collectors.modbus_server import serving_rtu, serving_tcp
from tests.unit.collectors.rackmon_data import words_of
from tests.unit.collectors.rackmon_rounds import psu, run, scrape, target


def test_a_device_on_a_quiet_line_is_found_behind_silent_addresses() -> None:
    one = load_register_maps()["orv3_psu"]
    with serving_rtu({194: words_of("orv3_psu", r79=51200)}) as bench:
        real = bench.spoil
        bench.spoil = lambda answer: b"" if answer[1] & 0x80 else real(answer)
        found = asyncio.run(read_live(parse_address(bench.url), one, None, 0.3))
    assert found.problems == ["device 194 answered; name another by --address"]
    assert {row.name: row.value.value for row in found.rows}["PSU_Output_Voltage"] == 50.0


def test_a_line_on_which_nobody_answers_says_how_many_were_asked() -> None:
    tether = load_register_maps()["orv3_power_tether"]
    with serving_rtu({}) as bench:
        bench.spoil = lambda _: b""
        with pytest.raises(TemporaryError, match="orv3_power_tether answers at 2 addresses"):
            asyncio.run(read_live(parse_address(bench.url), tether, None, 0.3))


def test_devices_are_found_by_asking_and_read_at_once() -> None:
    devices = {193: words_of("orv3_psu", r79=51200), 12: words_of("orv3_rpu", r36864=505)}
    with serving_tcp(devices) as bench:
        described = target(f"{bench.url}?baudrate=19200", discover=["orv3_rpu", "orv3_psu"])

        async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[Scrape]:
            return [await collector.collect(one) for _ in range(2)]

        first, second = run(rounds, described, probes_per_round=4)
        probes = [read for read in bench.reads if read[1:] == (8, 1)]
    assert {r.device for r in first.readings if "/" not in r.device[5:]} == {
        "r012/orv3-rpu-12",
        "r012/orv3-psu-193",
    }
    assert {r.device for r in first.readings} == {r.device for r in second.readings}
    assert len(probes) <= 8


def test_a_serial_line_is_asked_at_the_rate_of_each_map() -> None:
    maps = [load_register_maps()[name] for name in ("orv2_psu", "orv3_hpr_psu")]
    serial, gateway = parse_address("rtu:///dev/ttyS3"), parse_address("tcp://h")
    pairs, ambiguous = candidates_of(maps, serial, {(19_200, 160)})
    at_160 = [one.name for one, at in pairs if at == 160]
    assert (at_160, len(pairs), ambiguous) == (["orv3_hpr_psu"], 31 + 48, [])
    pairs, ambiguous = candidates_of(maps, gateway, set())
    assert (len(pairs), len(ambiguous)) == (8 + 24, 24)
    assert ambiguous[0] == 160


def test_after_one_sweep_the_search_is_slow() -> None:
    with serving_tcp({200: words_of("orv3_psu")}) as bench:
        described = target(bench.url, psu(), discover=["orv3_bbu"])

        async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[int]:
            asked = []
            for _ in range(6):
                bench.frames.clear()
                await collector.collect(one)
                asked.append(len([frame for frame in bench.frames if frame[6] != 200]))
            return asked

        assert run(rounds, described) == [16, 16, 16, 16, 1, 1]


def test_addresses_that_two_maps_claim_are_left_alone() -> None:
    """Behind a gateway the line's rate is unknown, and address 160 is of two kinds of supplies."""
    with serving_tcp({160: words_of("orv2_psu")}) as bench:
        described = target(bench.url, psu(200, "x"), discover=["orv2_psu", "orv3_hpr_psu"])
        with pytest.raises(TemporaryError):
            scrape(described, probes_per_round=256, probe_timeout_seconds=0.1)
        assert 160 not in {read[0] for read in bench.reads}
        found = scrape(
            target(f"{bench.url}?baudrate=19200", discover=["orv2_psu", "orv3_hpr_psu"]),
            probes_per_round=256,
        )
    assert {reading.device for reading in found.readings} == {"r012/orv2-psu-160"}


def test_the_search_ends_where_the_round_does() -> None:
    """A silent address costs its timeout; what was read must be told before the deadline."""
    quiet = range(64, 80)
    with serving_tcp(
        {200: words_of("orv3_psu"), **{at: words_of("orv3_bbu") for at in quiet}}
    ) as bench:
        bench.silent = set(quiet)
        described = target(bench.url, psu(), discover=["orv3_bbu"])
        found = scrape(described, deadline_seconds=1.0, probe_timeout_seconds=0.3)
        asked = {device for device, _, _ in bench.reads} - {200}
    assert {reading.device for reading in found.readings} == {"r012/shelf1/psu1"}
    assert 1 <= len(asked) <= 4


def test_a_device_that_was_found_before_the_bus_was_lost_is_kept() -> None:
    async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[set[str]]:
        scan = collector._sources[one.name] = collector._source(one)
        assert isinstance(scan, BusScan)
        read = scan._bus.read

        async def lost_at_194(
            device: int, register: int, words: int, line: Line, *, timeout: float | None = None
        ) -> list[int]:
            if device == 194:
                raise NotReachedError("the line is gone")
            return await read(device, register, words, line, timeout=timeout)

        found = []
        for reads in (lost_at_194, read):
            scan._bus.read = reads  # type: ignore[method-assign]
            scraped = await collector.collect(one)
            found.append({reading.device for reading in scraped.readings})
        return found

    with serving_tcp({193: words_of("orv3_psu")}) as bench:
        described = target(f"{bench.url}?baudrate=19200", discover=["orv3_psu"])
        first, second = run(rounds, described)
    assert first == second == {"r012/orv3-psu-193"}
