"""Collectors while half of the world does not answer, loses requests, or the bus is away."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from fleetops.bus.base import Producer
from fleetops.bus.local import LocalBus
from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.runner.batcher import Batcher
from fleetops_collectors.runner.outbox import Outbox
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_collectors.runner.spool import Spool
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import CollectorReport
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topics import COLLECTORS, all_topics, telemetry_topic
from fleetops_schemas.topology import HostPlacement, Topology
from tests.conftest import Figure
from tests.unit.collectors.http_server import Reply, Request, serving

TEXT = 'DCGM_FI_DEV_GPU_TEMP{gpu="0",Hostname="x"} 61\n'
SECONDS = 12.0
INTERVAL = 1.0


class Switch:
    """A producer of a real bus that can be away."""

    def __init__(self, inner: Producer) -> None:
        self._inner = inner
        self.away = False

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        if self.away:
            raise BusUnavailableError("away")
        self._inner.send(topic, key, value, headers)

    def flush(self, timeout_seconds: float) -> None:
        if self.away:
            raise BusUnavailableError("away")
        self._inner.flush(timeout_seconds)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[LocalBus]:
    with LocalBus(BusConfig(path=tmp_path / "bus.sqlite"), SystemClock()) as opened:
        opened.ensure_topics(all_topics())
        yield opened


def arrivals(bus: LocalBus) -> dict[str, list[datetime]]:
    """By device, the times of its rows in the order of arrival."""
    found: dict[str, list[datetime]] = {}
    with bus.reader([telemetry_topic("accelerator").name]) as reader:
        for message in reader.catch_up(30):
            batch = decode_batch(message.value, message.headers)[1]
            pairs = zip(
                batch.column("device").to_pylist(), batch.column("ts").to_pylist(), strict=True
            )
            for device, moment in pairs:
                found.setdefault(device, []).append(moment)
    return found


def last_words(bus: LocalBus) -> dict[str, str]:
    """By target that is not up in the collector's last report, its error."""
    with bus.reader([COLLECTORS.name]) as reader:
        *_, last = reader.catch_up(30)
    report = CollectorReport.decode(last.value)
    return {target.target: target.error for target in report.targets if not target.up}


def collect(bus: LocalBus, folder: Path, urls: Mapping[str, str]) -> dict[str, list[datetime]]:
    entry = {
        "kind": "prometheus",
        "name": "dcgm",
        "interval_seconds": INTERVAL,
        "deadline_seconds": 0.8,
        "targets": [
            {"name": host, "url": url, "host": host, "rack": "r01"} for host, url in urls.items()
        ],
    }
    producer = bus.producer()
    runner = CollectorRunner(
        parse_collectors([entry]),
        publisher=producer,
        topology=Topology(HostPlacement(host=host, rack="r01") for host in urls),
        clock=SystemClock(),
        settings=RunnerSettings(folder / "collect", "here", batch_seconds=0.3),
    )

    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(SECONDS, stop.set)
        await runner.run(stop)

    asyncio.run(main())
    producer.close()
    return arrivals(bus)


def test_half_of_the_targets_hang_and_the_others_keep_their_cadence(
    bus: LocalBus, tmp_path: Path, figure: Figure
) -> None:
    """100 targets of which 50 take the connection and never answer."""
    with ExitStack() as opened:
        silent = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        dead = f"http://127.0.0.1:{silent.getsockname()[1]}/metrics"
        alive = opened.enter_context(serving(lambda _: Reply(body=TEXT.encode())))
        urls = {f"n{n:03}": dead if n % 2 else f"{alive}/metrics" for n in range(100)}
        rows = collect(bus, tmp_path, urls)
    assert set(rows) == {f"n{n:03}/gpu0" for n in range(0, 100, 2)}
    gaps = [
        (later - earlier).total_seconds()
        for times in rows.values()
        for earlier, later in pairwise(times)
    ]
    rounds = [len(times) for times in rows.values()]
    late = sum(gap > 1.5 * INTERVAL for gap in gaps)
    figure(f"rounds a target {min(rounds)}-{max(rounds)} of {SECONDS:g}, late {late}/{len(gaps)}")
    assert min(rounds) >= 0.8 * SECONDS / INTERVAL
    assert late <= 0.05 * len(gaps)


def test_a_tenth_of_the_requests_is_lost_and_no_target_is_given_up(
    bus: LocalBus, tmp_path: Path, figure: Figure
) -> None:
    # each target has dice of its own, so that what is lost does not hang on who asks first: of
    # these seeds a tenth is lost, and one target loses three in a row, so that its breaker opens
    dice = {f"/{n}": random.Random(f"1/{n}") for n in range(40)}  # noqa: S311
    asked: Counter[str] = Counter()

    def answer(request: Request) -> Reply:
        asked[request.path] += 1
        if dice[request.path].random() < 0.1:
            return Reply(body=b"", declared_length=len(TEXT))  # closed before the body came
        return Reply(body=TEXT.encode())

    with serving(answer) as url:
        rows = collect(bus, tmp_path, {f"n{n:03}": f"{url}/{n}" for n in range(40)})
    got, wanted = sum(map(len, rows.values())), asked.total()
    figure(f"{got} of {wanted} rounds of 40 targets arrived")
    missing = {f"n{n:03}": asked[f"/{n}"] for n in range(40) if f"n{n:03}/gpu0" not in rows}
    assert not missing, f"asked so often: {missing}; not up: {last_words(bus)}"
    assert 0.8 * wanted <= got < wanted
    assert min(map(len, rows.values())) >= 0.5 * SECONDS / INTERVAL


def test_ten_minutes_without_a_bus_lose_nothing(
    bus: LocalBus, tmp_path: Path, figure: Figure
) -> None:
    """64 hosts of 8 accelerators every 10 s; the clock is turned, spool and bus are real."""
    clock = ManualClock(datetime(2026, 11, 21, tzinfo=UTC))
    hosts = [f"n{n:02}" for n in range(64)]
    targets = [Target(name=host, host=host, rack=f"r{n // 8}") for n, host in enumerate(hosts)]
    placements = Topology(HostPlacement(host=one.name, rack=one.rack) for one in targets)
    producer = bus.producer()
    switch = Switch(producer)
    spool = Spool(tmp_path / "spool", 64 * 1024**2)
    outbox = Outbox(switch, spool, clock, "here")
    batcher = Batcher("dcgm", targets, placements, clock, 1.0)
    sent: dict[str, list[datetime]] = {}
    for second in range(0, 800, 10):
        switch.away = 60 <= second < 660
        messages = []
        for target in targets:
            readings = [
                Reading("accelerator", f"{target.name}/gpu{gpu}", "temperature_celsius",
                        60.0 + gpu, "Cel", Quality.GOOD)
                for gpu in range(8)
            ]  # fmt: skip
            messages += batcher.add(Scrape(target, clock.now(), readings=readings))
            for reading in readings:
                sent.setdefault(reading.device, []).append(clock.now())
        outbox.deliver(messages)
        if second == 650:
            kept = sum(file.stat().st_size for file in (tmp_path / "spool").rglob("*"))
            figure(f"{spool.messages} messages on disk, {kept / 1024:.0f} KiB")
            assert spool.messages == 60 * 8
        clock.advance(10)
    began = time.monotonic()
    while outbox.spooled_messages and time.monotonic() - began < 30:
        outbox.deliver([])
    assert (outbox.spooled_messages, outbox.dropped_messages) == (0, 0)
    outbox.close()
    producer.close()
    assert arrivals(bus) == sent
