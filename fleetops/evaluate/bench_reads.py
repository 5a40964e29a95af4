"""Rates of reading over real sockets; the targets answer from a process of their own."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from fleetops.core import metrics
from fleetops.core.clock import SystemClock
from fleetops.core.errors import FleetOpsError
from fleetops.evaluate.bench_targets import REGISTERS, UNITS
from fleetops.evaluate.emulated_fleet import EmulatedFleet
from fleetops.evaluate.meter import Counted, Rate, rate, repeat_async
from fleetops_collectors.collector_config import parse_collector
from fleetops_collectors.rackmon.address import parse_address
from fleetops_collectors.rackmon.modbus import Line, ReadOnlyBus
from fleetops_collectors.redfish import RedfishCollector
from fleetops_schemas.register_maps import Parity

LINE = Line(19_200, Parity.EVEN)
SPAN_WORDS = 64
"""Registers that one read asks for; the shipped maps' spans are about as long."""
NICO = "NICo crates/health, example configuration: a request in 35 ms (28.6/s), sensors a minute"
SERIAL = "a 19,200 baud line, 11 bits a byte, carries 1,745 bytes/s: some 800 registers"
SETTLING_ROUNDS = 3


@contextmanager
def targets() -> Iterator[dict[str, int]]:
    """The HTTP and Modbus targets; their ports.

    Raises:
        FleetOpsError: they did not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "fleetops.evaluate.bench_targets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            said = process.stdout.readline()
            if not said:
                raise FleetOpsError("the benchmark's targets did not start")
            yield json.loads(said)
        finally:
            process.stdin.close()


def redfish_reading(seconds: float) -> list[Rate]:
    """Management controllers of the emulated fleet: one GET a sensor, then collections whole."""
    with (
        TemporaryDirectory(prefix="fleetops-bench-") as folder,
        EmulatedFleet(Path(folder), []) as fleet,
    ):
        collectors = fleet.start().collectors
        entry = next(one for one in collectors if one["kind"] == "redfish")
        singly = asyncio.run(_redfish({**entry, "expand": False}, seconds))
        whole = asyncio.run(_redfish(entry, seconds))
        plain = asyncio.run(_plain_gets(entry, seconds))
    base = "a new connection and json.loads a GET, without any meaning"
    return [
        rate("Redfish, a GET a sensor", "endpoint reads", singly[0], base, plain, NICO),
        rate("Redfish, collections whole", "readings", whole[1], base, plain, NICO),
    ]


def modbus_reading(seconds: float) -> Rate:
    """Registers of 32 devices over Modbus TCP in spans, against one register a read."""
    with targets() as ports:
        spans = asyncio.run(_modbus(ports["modbus"], SPAN_WORDS, seconds))
        single = asyncio.run(_modbus(ports["modbus"], 1, seconds))
    return rate("Modbus TCP", "registers", spans, "one register a read", single, SERIAL)


async def _redfish(entry: dict[str, Any], seconds: float) -> tuple[Counted, Counted]:
    """(GETs, readings) of rounds over all targets."""
    options = {**entry, "log_interval_seconds": 3600.0, "deadline_seconds": 60.0}
    configured = parse_collector(0, options)
    collector = RedfishCollector.create(configured.config, SystemClock())
    found = 0

    async def round_() -> int:
        nonlocal found
        before = _requests()
        scrapes = await asyncio.gather(*map(collector.collect, configured.config.targets))
        found += sum(len(scrape.readings) for scrape in scrapes)
        return _requests() - before

    try:
        for _ in range(SETTLING_ROUNDS):  # discovery is no reading
            await round_()
        found = 0
        requests, cpu = await repeat_async(round_, seconds)
        return (requests, cpu), (found, cpu)
    finally:
        await collector.close()


async def _plain_gets(entry: dict[str, Any], seconds: float) -> Counted:
    urls = [f"{target['url']}/redfish/v1" for target in entry["targets"]]

    tls = ssl.create_default_context()

    async def get(url: str) -> int:
        async with httpx.AsyncClient(trust_env=False, verify=tls) as client:
            answer = await client.get(url)
        json.loads(answer.content)
        return 1

    async def round_() -> int:
        return sum(await asyncio.gather(*map(get, urls)))

    return await repeat_async(round_, seconds)


async def _modbus(port: int, words: int, seconds: float) -> Counted:
    address = parse_address(f"tcp://127.0.0.1:{port}")
    bus = ReadOnlyBus(address, timeout_seconds=5.0, min_delay_seconds=0.0)

    async def round_() -> int:
        read = 0
        for unit in range(1, UNITS + 1):
            for register in range(0, REGISTERS, max(words, REGISTERS // 4)):
                read += len(await bus.read(unit, register, words, LINE))
        return read

    try:
        return await repeat_async(round_, seconds)
    finally:
        await bus.close()


def _requests() -> int:
    return int(metrics.REGISTRY.get_sample_value("fleetops_collect_http_requests_total") or 0)
