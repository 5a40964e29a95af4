"""Reading real Modbus servers: what is asked, what is never sent, and what devices do wrong."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import InputError, RefusedError, TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.rackmon import RackmonCollector, RackmonTarget
from fleetops_collectors.rackmon.address import Transport, parse_address
from fleetops_collectors.rackmon.modbus import (
    GarbledError,
    NoAnswerError,
    ReadOnlyBus,
    check_is_read,
)
from fleetops_collectors.rackmon.spans import spans_of
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, load_register_maps
from tests.unit.collectors.modbus_server import ModbusBench, answering, serving_rtu, serving_tcp
from tests.unit.collectors.rackmon_data import words_of
from tests.unit.collectors.rackmon_rounds import LINE, function_codes, psu, run, scrape, target

SERVERS = [serving_tcp, serving_rtu]


@pytest.fixture(params=SERVERS, ids=["tcp", "rtu"])
def bench(request: pytest.FixtureRequest) -> Iterator[ModbusBench]:
    with request.param({200: words_of("orv3_psu", r79=51200, r69=128 * 25)}) as served:
        yield served


def test_a_round_over_the_wire(bench: ModbusBench) -> None:
    found = scrape(target(bench.url, psu()))
    values = {reading.metric: reading.value for reading in found.readings}
    assert values["output_voltage_volts"] == 50.0
    assert values["inlet_temperature_celsius"] == 25.0
    assert values["health"] == 0
    assert len(found.readings) == 15
    (identity,) = found.identities
    assert (identity.serial, identity.device) == ("serial", "r012/shelf1/psu1")
    assert identity.address == f"{parse_address(bench.url).port_name}:200@19200"
    assert found.warnings == []


def test_nothing_but_reads_of_holding_registers_goes_over_the_wire(bench: ModbusBench) -> None:
    bench.refused = {(200, 61)}
    described = target(bench.url, psu(), psu(9, "gone"), discover=["orv3_rpu", "orv3_power_tether"])

    async def rounds(collector: RackmonCollector, one: RackmonTarget) -> None:
        for _ in range(3):
            await collector.collect(one)

    run(rounds, described)
    assert len(bench.frames) > 20
    assert function_codes(bench) == {3}


def test_a_frame_with_any_other_function_is_kept_back() -> None:
    for code in set(range(256)) - {3}:
        for transport, frame in (
            (Transport.TCP, bytes([0, 1, 0, 0, 0, 6, 200, code, 0, 79, 0, 1])),
            (Transport.RTU, bytes([200, code, 0, 79, 0, 1, 0, 0])),
        ):
            with pytest.raises(RefusedError, match="kept back"):
                check_is_read(transport, frame)


def test_the_guard_stands_before_the_wire_and_the_module_offers_no_write() -> None:
    """Even a write that somebody squeezes through the library's own client does not leave."""
    with serving_tcp({200: {79: 1}}) as bench:

        async def act() -> None:
            bus = ReadOnlyBus(parse_address(bench.url), timeout_seconds=0.5, min_delay_seconds=0.0)
            await bus.read(200, 79, 1, LINE)
            client = bus._client
            assert client is not None
            with pytest.raises(RefusedError):
                await client.write_register(79, 7, device_id=200)
            assert await bus.read(200, 79, 1, LINE) == [1]
            await bus.close()

        asyncio.run(act())
        assert function_codes(bench) == {3}
    public = [name for name in dir(ReadOnlyBus) if not name.startswith("_")]
    assert public == ["close", "read"]


def test_neighbours_share_a_read_and_nothing_between_registers_is_asked() -> None:
    registers = load_register_maps()["orv3_psu"].registers
    spans = spans_of(registers, 120)
    wanted = {at for register in registers for at in range(register.address, register.end)}
    asked = {at for span in spans for at in range(span.address, span.end)}
    assert asked == wanted
    assert len(spans) == 9
    assert max(span.words for span in spans_of(registers, 16)) == 16


def test_a_register_longer_than_a_read_is_read_in_pieces() -> None:
    long = Register(address=10, words=250, name="log", format="raw")
    assert [(span.address, span.words) for span in spans_of([long], 120)] == [
        (10, 120),
        (130, 120),
        (250, 10),
    ]


def test_a_refused_register_costs_itself_and_is_not_asked_again_until_later() -> None:
    clock = ManualClock()
    with serving_tcp({200: words_of("orv3_psu", r79=51200)}) as bench:
        bench.refused = {(200, 80)}

        async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[Any]:
            asked, found = [], []
            for seconds in (0, 30, 4000):
                clock.advance(seconds)
                bench.reads.clear()
                found.append(await collector.collect(one))
                asked.append([read for read in bench.reads if read[1] <= 80 < read[1] + read[2]])
            return [asked, found]

        asked, found = run(rounds, target(bench.url, psu()), clock)
    assert [len(reads) for reads in asked] == [2, 0, 2]
    values = {reading.metric: reading for reading in found[0].readings}
    assert values["output_current_amperes"].quality is Quality.ABSENT
    assert values["output_voltage_volts"].value == 50.0


def test_slow_registers_are_read_less_often(bench: ModbusBench) -> None:
    clock = ManualClock()

    async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[tuple[int, int]]:
        found = []
        for _ in range(2):
            bench.reads.clear()
            scraped = await collector.collect(one)
            found.append((sum(read[2] for read in bench.reads), len(scraped.identities)))
            clock.advance(30)
        return found

    assert run(rounds, target(bench.url, psu()), clock) == [(36 + 17, 1), (17, 0)]


def test_a_dead_device_does_not_take_the_others_along(bench: ModbusBench) -> None:
    found = scrape(target(bench.url, psu(201, "r012/shelf1/psu2"), psu()))
    assert {reading.device for reading in found.readings} == {"r012/shelf1/psu1"}
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("r012/shelf1/psu2: device 201:")


def test_silence_is_temporary_and_costs_one_retry() -> None:
    with serving_tcp({200: words_of("orv3_psu")}) as bench:
        bench.silent = {200}
        with pytest.raises(TemporaryError, match=r"rack12: tcp:.*none of 1 devices answers"):
            scrape(target(bench.url, psu()), timeout_seconds=0.1)
        assert len(bench.reads) == 2


def test_a_late_answer_never_passes_for_another_ones() -> None:
    """Serial frames carry no number: what comes too late must not be taken for a value."""
    with serving_rtu({200: {79: 111, 80: 222}}) as bench:
        bench.delay_seconds = 0.15

        async def act() -> list[int]:
            bus = ReadOnlyBus(
                parse_address(bench.url), timeout_seconds=0.1, min_delay_seconds=0.2, retries=0
            )
            with pytest.raises(NoAnswerError):
                await bus.read(200, 79, 1, LINE)
            bench.delay_seconds = 0.0
            try:
                return await bus.read(200, 80, 1, LINE)
            finally:
                await bus.close()

        assert asyncio.run(act()) == [222]


def test_a_wrong_checksum_is_counted_retried_and_forgiven() -> None:
    with serving_rtu({200: {79: 51200}}) as bench:
        spoiled = iter([True])
        bench.spoil = lambda answer: (
            answer[:-1] + bytes([answer[-1] ^ 1]) if next(spoiled, False) else answer
        )

        async def act() -> tuple[list[int], Any]:
            bus = ReadOnlyBus(parse_address(bench.url), timeout_seconds=0.3, min_delay_seconds=0.0)
            try:
                return await bus.read(200, 79, 1, LINE), bus.counts
            finally:
                await bus.close()

        words, counts = asyncio.run(act())
    assert words == [51200]
    assert (counts.garbled, counts.retries, counts.timeouts) == (1, 1, 0)
    assert counts.errors == {200: 1}


def test_failed_reads_are_counted_by_device() -> None:
    with serving_rtu({200: words_of("orv3_psu")}) as bench:
        spoiled = iter([True, False, True])
        bench.spoil = lambda answer: answer[:-1] if next(spoiled, False) else answer
        found = scrape(target(bench.url, psu()), timeout_seconds=0.1)
    assert {r.metric: r.value for r in found.readings}["bus_errors_total"] == 2
    assert found.warnings == []


def test_a_line_full_of_noise_is_an_input_error() -> None:
    with serving_rtu({200: words_of("orv3_psu")}) as bench:
        bench.spoil = lambda answer: bytes(octet ^ 0x55 for octet in answer)
        with pytest.raises(GarbledError, match=r"rack12.*no Modbus answer"):
            scrape(target(bench.url, psu()), timeout_seconds=0.1)


def test_a_truncated_answer_is_none() -> None:
    with serving_rtu({200: words_of("orv3_psu")}) as bench:
        bench.spoil = lambda answer: answer[:4]
        with pytest.raises(InputError, match="4 bytes came"):
            scrape(target(bench.url, psu()), timeout_seconds=0.1)


@pytest.mark.parametrize(
    "body",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", b"\x00" * 8, b"\xff" * 300, b"x" * 1_000_000],
    ids=["html", "zeros", "ones", "huge"],
)
def test_another_protocol_is_an_input_error_or_silence(body: bytes) -> None:
    with answering(body) as url, pytest.raises((InputError, TemporaryError), match="rack12"):
        scrape(target(url, psu()), timeout_seconds=0.1)


def test_a_port_that_nobody_serves_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TemporaryError, match=f"rack12.*cannot open 127.0.0.1:{port}"):
        scrape(target(f"tcp://127.0.0.1:{port}", psu()))


def test_a_serial_line_that_is_not_there_is_temporary() -> None:
    with pytest.raises(TemporaryError, match=r"rack12.*cannot open /dev/none"):
        scrape(target("rtu:///dev/none", psu()))


def test_serial_frames_through_a_socket() -> None:
    with serving_tcp({200: words_of("orv3_psu", r79=51200)}, framer="rtu") as bench:
        found = scrape(target(bench.url, psu()))
        assert function_codes(bench) == {3}
    assert {r.metric: r.value for r in found.readings}["output_voltage_volts"] == 50.0


def test_who_was_not_reached_in_time_begins_the_next_round() -> None:
    with serving_tcp({at: words_of("orv3_psu") for at in (200, 201, 202)}) as bench:
        bench.delay_seconds = 0.05  # 9 reads a device: one alone outlasts the round
        described = target(bench.url, *(psu(at, f"psu{at}") for at in (200, 201, 202)))

        async def rounds(collector: RackmonCollector, one: RackmonTarget) -> list[set[str]]:
            return [
                {reading.device for reading in (await collector.collect(one)).readings}
                for _ in range(2)
            ]

        first, second = run(rounds, described, deadline_seconds=0.25)
    assert (first, second) == ({"psu200"}, {"psu201"})


def test_requests_keep_their_distance() -> None:
    with serving_tcp({200: {1: 1}}) as bench:

        async def act() -> float:
            bus = ReadOnlyBus(parse_address(bench.url), timeout_seconds=1, min_delay_seconds=0.05)
            start = time.monotonic()
            await asyncio.gather(*(bus.read(200, 1, 1, LINE) for _ in range(4)))
            await bus.close()
            return time.monotonic() - start

        assert asyncio.run(act()) >= 0.15


def test_a_bus_that_comes_back_is_read_again() -> None:
    async def rounds(collector: RackmonCollector, one: RackmonTarget) -> Scrape:
        with pytest.raises(TemporaryError):
            await collector.collect(one)
        with serving_tcp({200: words_of("orv3_psu")}, port=port):
            assert (await collector.collect(one)).readings
        with pytest.raises(TemporaryError):
            await collector.collect(one)
        with serving_tcp({200: words_of("orv3_psu")}, port=port):
            return await collector.collect(one)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert run(rounds, target(f"tcp://127.0.0.1:{port}", psu())).readings
