"""Reading real Modbus servers: what is asked, what is never sent, and what devices do wrong."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError, RefusedError, TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.rackmon import (
    RackmonCollector,
    RackmonConfig,
    RackmonTarget,
    read_live,
)
from fleetops_collectors.rackmon.address import BusAddress, Transport, parse_address
from fleetops_collectors.rackmon.discovery import candidates_of
from fleetops_collectors.rackmon.modbus import (
    GarbledError,
    Line,
    NoAnswerError,
    ReadOnlyBus,
    check_is_read,
)
from fleetops_collectors.rackmon.spans import spans_of
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Parity, Register, load_register_maps
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.modbus_server import ModbusBench, answering, serving_rtu, serving_tcp
from tests.unit.collectors.rackmon_data import (
    dumped,
    entry,
    framed,
    serving_rackmond,
    words_of,
)

T = TypeVar("T")
LINE = Line(19_200, Parity.EVEN)
SERVERS = [serving_tcp, serving_rtu]


@pytest.fixture(params=SERVERS, ids=["tcp", "rtu"])
def bench(request: pytest.FixtureRequest) -> Iterator[ModbusBench]:
    with request.param({200: words_of("orv3_psu", r79=51200, r69=128 * 25)}) as served:
        yield served


def psu(address: int = 200, name: str = "r012/shelf1/psu1") -> dict[str, Any]:
    return {"address": address, "map": "orv3_psu", "name": name}


def target(url: str, *devices: dict[str, Any], **options: object) -> dict[str, Any]:
    return {"name": "rack12", "rack": "r012", "url": url, "devices": list(devices), **options}


def run(
    act: Callable[[RackmonCollector, RackmonTarget], Awaitable[T]],
    described: dict[str, Any],
    clock: ManualClock | None = None,
    **options: object,
) -> T:
    config = RackmonConfig.model_validate(
        {"name": "test", "timeout_seconds": 0.3, "targets": [described], **options}
    )

    async def session() -> T:
        collector = RackmonCollector.create(config, clock or ManualClock())
        try:
            return await act(collector, config.targets[0])
        finally:
            await collector.close()

    return asyncio.run(session())


def scrape(described: dict[str, Any], **options: object) -> Scrape:
    found = run(lambda collector, one: collector.collect(one), described, None, **options)
    check_readings(found.readings)
    return found


def function_codes(bench: ModbusBench) -> set[int]:
    at = 7 if bench.url.startswith("tcp") else 1
    return {frame[at] for frame in bench.frames}


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
