"""The event stream over a real connection, and the real collector at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from fleetops.core.clock import SystemClock
from fleetops.emulator.interfaces.redfish import RedfishInterface
from fleetops.emulator.interfaces.redfish.events import UnknownFilterError, wanted_formats
from fleetops.emulator.interfaces.redfish.interface import PASSWORD_FILE_NAME, USERNAME
from fleetops.emulator.interfaces.redfish.log import MAX_ENTRIES, ManagementLog
from fleetops_schemas.records import Event
from tests.contract.interface_contract import Stand, Strike

STREAM = "/redfish/v1/EventService/SSE"
SECONDS = 10.0
ROUND_SECONDS = 0.02
LEAK = "Environmental.1.4.LeakDetectedCritical"


class Feed:
    """The messages of one stream, as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Id and payload of the next message."""
        message_id = ""
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    message_id = value
                elif name == "data":
                    return message_id, orjson.loads(value)
        raise EOFError

    async def next_event(self) -> dict[str, Any]:
        """The record of the next message, which is an event."""
        _, payload = await self.next()
        (record,) = payload["Events"]
        return dict(record)


@pytest.fixture
def use(tmp_path: Path) -> Callable[[Callable[[Stand], Awaitable[None]]], None]:
    """Runs a coroutine function with a small fleet's Redfish served."""

    def run(act: Callable[[Stand], Awaitable[None]]) -> None:
        async def session() -> None:
            made = Stand("demo", 2)
            async with made.served(RedfishInterface, tmp_path, SystemClock()) as stand:
                await act(stand)

        asyncio.run(session())

    return run


@asynccontextmanager
async def listening(stand: Stand, query: str = "", **headers: str) -> AsyncIterator[Feed]:
    """Listens to the first host's controller."""
    password = (stand.folder / PASSWORD_FILE_NAME).read_text()
    url = stand.interface.collectors()[0]["targets"][0]["url"]
    async with (
        httpx.AsyncClient(base_url=url, auth=(USERNAME, password)) as client,
        client.stream("GET", f"{STREAM}{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Feed(answer)


def log_of(stand: Stand) -> ManagementLog:
    assert isinstance(stand.interface, RedfishInterface)
    return stand.interface.controllers[0].log


def test_what_happens_is_sent_as_it_happens(use: Callable[..., None]) -> None:
    async def act(stand: Stand) -> None:
        async with listening(stand) as feed:
            stand.strikes.append(Strike("leak", 0, 2.0))
            await stand.tick()
            record = await feed.next_event()
            assert record["MessageId"] == LEAK
            assert record["LogEntry"]["@odata.id"].endswith("/Log/Entries/1")
            assert record["OriginOfCondition"]["@odata.id"].endswith("/LeakDetectors/leak0")

    use(act)


def test_who_comes_again_is_sent_what_was_missed(use: Callable[..., None]) -> None:
    async def act(stand: Stand) -> None:
        for level in (1.0, 2.0, 0.0):
            stand.strikes[:] = [Strike("leak", 0, level)]
            await stand.tick()
        async with listening(stand, **{"Last-Event-ID": "1"}) as feed:
            assert [(await feed.next())[0] for _ in range(2)] == ["2", "3"]
        async with listening(stand) as feed:
            stand.strikes[:] = [Strike("leak", 0, 1.0)]
            await stand.tick()
            assert (await feed.next())[0] == "4", "without an id only what is new"

    use(act)


def test_what_can_no_longer_be_sent_is_said_to_be_lost(use: Callable[..., None]) -> None:
    async def act(stand: Stand) -> None:
        log, now = log_of(stand), SystemClock().now()
        for number in range(MAX_ENTRIES + 10):
            log.write(now, "OK", "Base.1.18.Success", str(number))
        async with listening(stand, **{"Last-Event-ID": "3"}) as feed:
            assert (await feed.next_event())["MessageId"].endswith(".EventBufferExceeded")
            assert (await feed.next_event())["EventId"] == "11", "1 to 10 have gone"

    use(act)


def test_reports_come_to_whoever_asks_for_them(use: Callable[..., None]) -> None:
    async def act(stand: Stand) -> None:
        query = "?$filter=EventFormatType eq 'Event' or EventFormatType eq 'MetricReport'"
        async with listening(stand, query) as feed:
            await stand.tick()
            names = {(await feed.next())[1]["Name"] for _ in range(3)}
            assert names == {"PlatformEnvironmentMetrics", "ProcessorMetrics", "MemoryMetrics"}

    use(act)


def test_a_filter_names_formats() -> None:
    assert wanted_formats("") == {"Event"}
    assert wanted_formats("$filter=EventFormatType eq 'MetricReport'") == {"MetricReport"}
    with pytest.raises(UnknownFilterError):
        wanted_formats("$filter=OriginResource eq 'x'")


def test_a_stream_ends_with_its_controller(use: Callable[..., None]) -> None:
    async def act(stand: Stand) -> None:
        async with listening(stand) as feed:
            stand.strikes.append(Strike("controller_down", 0))
            await stand.tick()
            with pytest.raises(EOFError):
                await feed.next()

    use(act)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the collectors further options."""
    entries = RedfishInterface.collectors

    def configure(**options: object) -> None:
        monkeypatch.setattr(
            RedfishInterface,
            "collectors",
            lambda self: [{**one, **options} for one in entries(self)],
        )

    return configure


async def wait_for_streams(stand: Stand) -> None:
    """Until the collectors listen; they begin to with their second round."""
    assert isinstance(stand.interface, RedfishInterface)
    await stand.read()
    await stand.read()
    async with asyncio.timeout(SECONDS):
        while not all(one.log.is_watched for one in stand.interface.controllers):
            await asyncio.sleep(ROUND_SECONDS)


@pytest.mark.parametrize("way", ["sse", "log", "both"])
def test_the_collector_tells_a_leak_once(
    use: Callable[..., None], configured: Callable[..., None], way: str
) -> None:
    configured(events=way, log_interval_seconds=0)

    async def act(stand: Stand) -> None:
        found: list[Event] = []

        async def rounds(count: int) -> None:
            for _ in range(count):
                await stand.read()
                found.extend(event for scrape in stand.scrapes for event in scrape.events)
                await asyncio.sleep(ROUND_SECONDS)

        await (stand.read() if way == "log" else wait_for_streams(stand))
        stand.strikes.append(Strike("leak", 1, 2.0))
        await stand.tick()
        async with asyncio.timeout(SECONDS):
            while not found:
                await rounds(1)
        await rounds(10)  # and not again
        (event,) = found
        assert (event.kind, event.device) == ("coolant_leak", "node002/leak0")
        assert event.host == "node002"

    use(act)


def test_streamed_reports_bring_the_same_readings(
    use: Callable[..., None], configured: Callable[..., None]
) -> None:
    configured(metric_reports="stream")

    async def act(stand: Stand) -> None:
        await wait_for_streams(stand)
        await stand.tick()
        await asyncio.sleep(10 * ROUND_SECONDS)  # the reports are on their way
        stand.check(await stand.read(), stand.expected())

    use(act)
