"""Scraping over real HTTP: what a target may do wrong, and what is said of it."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.prometheus import PrometheusCollector, PrometheusConfig
from tests.unit.collectors.http_server import Reply, Request, serving

TEXT = b'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61\n'


def scrape(answer: Reply, **options: object) -> Scrape:
    config = PrometheusConfig.model_validate({"name": "test", **options})

    async def run(url: str) -> Scrape:
        collector = PrometheusCollector.create(config, ManualClock())
        try:
            return await collector.collect(Target(name="gpu-exporter", url=url, host="node001"))
        finally:
            await collector.close()

    with serving(lambda _: answer) as url:
        return asyncio.run(run(f"{url}/metrics"))


def test_a_scrape() -> None:
    result = scrape(Reply(body=TEXT))
    assert [(r.device, r.value) for r in result.readings] == [("node001/gpu0", 61)]
    assert result.warnings == []


@pytest.mark.parametrize("user", ["monitor:secret", "monitor", ":secret"])
def test_an_address_holds_no_password(user: str) -> None:
    """It would stand in every log line and warning that names the address."""
    target = {"name": "t", "url": f"http://{user}@10.1.0.1:9400/metrics@home"}
    with pytest.raises(ValidationError, match="t: url holds a user name or a password"):
        PrometheusConfig.model_validate({"name": "test", "targets": [target]})
    allowed = {"name": "t", "url": "http://10.1.0.1:9400/metrics@home"}
    assert PrometheusConfig.model_validate({"name": "test", "targets": [allowed]}).targets


def test_skipped_lines_become_warnings() -> None:
    result = scrape(Reply(body=TEXT + b"what is this\n"))
    assert len(result.readings) == 1
    assert result.warnings == ["line 2: not a sample: 'what is this'"]


def test_a_body_beyond_the_bound_is_refused_also_when_compressed() -> None:
    huge = b"x" * 200_000
    for reply in (
        Reply(body=huge),
        Reply(body=gzip.compress(huge), headers={"Content-Encoding": "gzip"}),
    ):
        with pytest.raises(InputError, match=r"gpu-exporter.*longer than 100000 bytes"):
            scrape(reply, max_body_bytes=100_000)


def test_a_body_that_breaks_off_is_refused() -> None:
    with pytest.raises(InputError, match=r"gpu-exporter.*broke off after 33 bytes"):
        scrape(Reply(body=TEXT, declared_length=500))


def test_silence_is_temporary() -> None:
    slow = Reply(pieces=(TEXT,), pause_seconds=5)
    with pytest.raises(TemporaryError, match=r"gpu-exporter.*no complete answer in time"):
        scrape(slow, deadline_seconds=0.2)


def test_scrapes_that_were_cut_off_stand_in_the_way_of_none_that_follows() -> None:
    """httpcore#1093: cancelled while others wait, a request may keep its place for ever."""
    config = PrometheusConfig.model_validate(
        {"name": "test", "deadline_seconds": 2, "concurrency": 1}
    )

    async def run(url: str) -> list[Scrape]:
        collector = PrometheusCollector.create(config, ManualClock())
        targets = [Target(name=f"exporter{i}", url=url, host="node001") for i in range(2)]
        try:
            for steps in range(20):
                tasks = [asyncio.create_task(collector.collect(one)) for one in targets]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            return await asyncio.gather(*map(collector.collect, targets))
        finally:
            await collector.close()

    with serving(lambda _: Reply(body=TEXT)) as url:
        assert all(scraped.readings for scraped in asyncio.run(run(f"{url}/metrics")))


@pytest.mark.parametrize("status", [404, 401, 302])
def test_other_statuses_name_themselves(status: int) -> None:
    with pytest.raises(InputError, match=f"gpu-exporter.*HTTP status {status}"):
        scrape(Reply(status, b"no"))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_exporter_is_temporary(status: int) -> None:
    with pytest.raises(TemporaryError, match=f"gpu-exporter.*HTTP status {status}"):
        scrape(Reply(status, b"busy"))


def test_an_empty_answer_is_no_scrape() -> None:
    with pytest.raises(InputError, match="it is empty"):
        scrape(Reply())


def test_basic_authentication_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    seen: list[str] = []

    def answer(request: Request) -> Reply:
        seen.append(request.headers.get("Authorization", ""))
        return Reply(body=TEXT)

    config = PrometheusConfig(name="test", username="u", password_file=str(secret))

    async def run(url: str) -> None:
        collector = PrometheusCollector.create(config, ManualClock())
        await collector.collect(Target(name="t", url=url, host="node001"))
        await collector.close()

    with serving(answer) as url:
        asyncio.run(run(url))
    assert seen == ["Basic dTpzM2NyZXQ="]


def test_a_missing_secret_file_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="password_file"):
        scrape(Reply(body=TEXT), username="u", password_file=str(tmp_path / "none"))


def test_a_missing_ca_file_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        scrape(Reply(body=TEXT), ca_file=str(tmp_path / "none"))


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_both_formats_are_accepted_and_told_apart_by_their_type() -> None:
    seen: list[str] = []

    def answer(request: Request) -> Reply:
        seen.append(request.headers["Accept"])
        return Reply(body=TEXT + b"# EOF\n", headers={"Content-Type": OPENMETRICS})

    config = PrometheusConfig(name="test")

    async def run(url: str) -> Scrape:
        collector = PrometheusCollector.create(config, ManualClock())
        try:
            return await collector.collect(Target(name="t", url=url, host="node001"))
        finally:
            await collector.close()

    with serving(answer) as url:
        assert asyncio.run(run(url)).warnings == []
    assert "application/openmetrics-text;version=1.0.0" in seen[0]
    assert "text/plain;version=0.0.4" in seen[0]


def test_openmetrics_without_its_end_was_cut_off() -> None:
    cut = Reply(body=TEXT + TEXT[:20], headers={"Content-Type": OPENMETRICS})
    result = scrape(cut)
    assert len(result.readings) == 1
    assert result.warnings == ["the text was cut off: no '# EOF' after 1 lines"]


def test_an_exporter_that_restarts_begins_its_counters_anew() -> None:
    """What it says is handed on as it is; while it is away there is no reading, and no old one."""
    replies = [
        Reply(body=b'DCGM_FI_DEV_PCIE_REPLAY_COUNTER{gpu="0"} 4294967290\n'),
        Reply(503, b"starting"),
        Reply(body=b"# HELP nothing yet\nup 1\n"),
        Reply(body=b'DCGM_FI_DEV_PCIE_REPLAY_COUNTER{gpu="0"} 3\n'),
    ]
    config = PrometheusConfig(name="test")

    async def run(url: str) -> list[list[float | int | None] | str]:
        collector = PrometheusCollector.create(config, ManualClock())
        target = Target(name="t", url=url, host="node001")
        told: list[list[float | int | None] | str] = []
        try:
            for _ in range(4):
                try:
                    told.append([r.value for r in (await collector.collect(target)).readings])
                except TemporaryError as error:
                    told.append(type(error).__name__)
        finally:
            await collector.close()
        return told

    with serving(lambda _: replies.pop(0)) as url:
        assert asyncio.run(run(url)) == [[4294967290], "TemporaryError", [], [3]]
