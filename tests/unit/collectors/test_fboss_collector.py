"""Reading FBOSS' JSON over HTTP and from files: what may go wrong, and what is said of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.fboss import FbossCollector, FbossConfig
from fleetops_schemas.readings import Quality
from tests.unit.collectors.http_server import Reply, Request, serving

PORT = {"name": "eth1/1/1", "adminState": "Enabled", "linkState": "Up", "speed": "400G"}
STATS = {"hwPortStats": {"eth1/1/1": {"inBytes_": 81, "timestamp_": 1767225600}}}
"""As of 2026-01-01, which is where a manual clock stands."""


def scrape(
    url: str,
    *,
    rounds: int = 1,
    clock: ManualClock | None = None,
    **options: Any,  # noqa: ANN401
) -> Scrape:
    """The last of so many rounds."""
    config = FbossConfig.model_validate({"name": "test", **options})
    target = Target(name="leaf1-fboss", url=url, device="leaf1")

    async def run() -> Scrape:
        collector = FbossCollector.create(config, clock or ManualClock())
        try:
            for _ in range(rounds - 1):
                await collector.collect(target)
            return await collector.collect(target)
        finally:
            await collector.close()

    return asyncio.run(run())


def over_http(reply: Reply, **options: Any) -> Scrape:  # noqa: ANN401
    with serving(lambda _: reply) as url:
        return scrape(f"{url}/fsdb", **options)


def test_over_http() -> None:
    result = over_http(Reply(body=json.dumps(STATS).encode()))
    (reading,) = result.readings
    assert (reading.device, reading.value) == ("leaf1/eth1-1-1", 81)
    assert reading.time == result.observed_at


def test_values_of_an_exporter_that_stands_still_are_stale() -> None:
    clock = ManualClock()
    clock.advance(601)
    (reading,) = over_http(Reply(body=json.dumps(STATS).encode()), clock=clock).readings
    assert reading.quality is Quality.STALE


def test_a_link_that_went_down_is_an_event() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        state = "Up" if len(asked) == 1 else "Down"
        return Reply(body=json.dumps({"portEntries": [{**PORT, "linkState": state}]}).encode())

    with serving(answer) as url:
        (event,) = scrape(url, rounds=2).events
    assert (event.kind, event.device) == ("link_down", "leaf1/eth1-1-1")


@pytest.mark.parametrize(
    ("reply", "error", "why"),
    [
        (Reply(status=404, body=b"no"), InputError, "404"),
        (Reply(status=503, body=b"busy"), TemporaryError, "503"),
        (Reply(body=b"<html>login</html>"), InputError, "no JSON"),
        (Reply(body=b'{"hwPortStats": {"eth1/1/1": {"inBytes_": 8'), InputError, "no JSON"),
        (Reply(body=b"{}"), InputError, "no structure of FBOSS"),
        (Reply(body=b"{}", declared_length=500), InputError, "broke off"),
        (Reply(body=b" " * 5000), InputError, "longer than 2000"),
        (Reply(pieces=(b"{",), pause_seconds=5), TemporaryError, "no complete answer"),
    ],
)
def test_answers_that_are_none(reply: Reply, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=rf"leaf1-fboss.*{why}"):
        over_http(reply, max_body_bytes=2000, deadline_seconds=0.5)


def test_files_that_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / "leaf1.json"
    path.write_text(json.dumps(STATS))
    clock = ManualClock()
    now = clock.now().timestamp()
    os.utime(path, (now, now))
    for url in (str(path), f"file://{path}"):
        assert scrape(url, clock=clock).readings[0].value == 81
    os.utime(path, (now - 601, now - 601))
    with pytest.raises(TemporaryError, match=r"leaf1-fboss.*last written 601 seconds ago"):
        scrape(str(path), clock=clock)
    path.unlink()
    with pytest.raises(TemporaryError, match=r"leaf1-fboss.*No such file"):
        scrape(str(path), clock=clock)


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leaf1.json"
    path.write_text(" " * 5000)
    with pytest.raises(InputError, match=r"leaf1\.json.*longer than 2000"):
        scrape(str(path), max_body_bytes=2000)


def test_addresses_that_are_none() -> None:
    for url in ("leaf1", "thrift://leaf1:5909", "relative/file.json", ""):
        with pytest.raises(ValidationError, match="neither an http"):
            FbossConfig.model_validate({"name": "test", "targets": [{"name": "a", "url": url}]})
