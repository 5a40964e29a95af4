"""Files that training jobs leave, the RAS service, and targets that are none."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.collector_config import parse_collector
from fleetops_collectors.training import TrainingCollector, TrainingConfig, TrainingTarget
from fleetops_schemas.readings import Quality
from tests.unit.collectors.ras_server import HEALTHY_TEXT, RasService, serving_ras
from tests.unit.collectors.training_data import (
    as_pickle,
    missing_rank,
    ras_rank,
    ras_status,
    stalled_job,
)
from tests.unit.collectors.training_site import Site, values


def test_dumps_of_a_job_name_the_rank_that_is_missing(tmp_path: Path) -> None:
    for rank, document in stalled_job().items():
        (tmp_path / f"nccl_trace_rank_{rank}").write_bytes(as_pickle(document))
    url = f"file://{tmp_path}/nccl_trace_rank_*"
    site = Site(url, {"job": "81", "hosts": "node[001-002]", "ranks_per_host": 2})

    async def act(collector: TrainingCollector, target: TrainingTarget) -> list[Scrape]:
        return [await collector.collect(target) for _ in range(2)]

    first, second = site.run(act)
    (event,) = first.events
    assert event.device == "node002/job81/rank2"
    assert event.host == "node002"
    assert event.kind == "collective_stalled"
    assert event.attributes["lagging_ranks"] == "2"
    assert event.attributes["waiting_ranks"] == "0-1,3"
    assert not second.events, "the same dump is told once"
    assert values(first) == values(second)
    assert values(first)["node001/job81/rank0", "collectives_completed_total"] == 11


def test_old_files_give_stale_values_and_changed_ones_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"gpu_relative_perf_scores": {"0": 0.5}}))
    site = Site(f"file://{path}", {"host": "node001", "job": "81"})

    async def act(collector: TrainingCollector, target: TrainingTarget) -> list[Scrape]:
        scrapes = [await collector.collect(target)]
        site.clock.advance(3600)
        scrapes.append(await collector.collect(target))
        path.write_text(json.dumps({"gpu_relative_perf_scores": {"0": 0.75, "1": None}}))
        later = (site.clock.now() + timedelta(seconds=1)).timestamp()
        os.utime(path, (later, later))
        scrapes.append(await collector.collect(target))
        return scrapes

    good, old, new = site.run(act)
    qualities = [[(one.value, one.quality) for one in s.readings] for s in (good, old, new)]
    assert qualities == [
        [(0.5, Quality.GOOD)],
        [(None, Quality.STALE)],
        [(0.75, Quality.GOOD), (None, Quality.MISSING)],
    ]


def test_files_that_are_too_many_too_long_or_unknown_do_not_cost_the_others(tmp_path: Path) -> None:
    good = json.dumps({"gpu_relative_perf_scores": {"0": 0.5}})
    for name, text in {"a": "what is this", "b": "x" * 5000, "c": good, "d": good}.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1e9 + ord(name), 1e9 + ord(name)))
    site = Site(
        f"file://{tmp_path}/*",
        {"host": "n1"},
        **{"max_file_bytes": 1024, "max_files": 3, "stale_after_seconds": 1e9},
    )
    scrape = site.scrape()
    assert len(scrape.readings) == 1
    assert "1 older files left out" in scrape.warnings
    assert any("b: longer than max_file_bytes" in warning for warning in scrape.warnings)
    wide = Site(f"file://{tmp_path}/*", {"host": "n1"}, max_file_bytes=1024).scrape()
    assert any("'what is this'" in warning for warning in wide.warnings)


def at_service(url: str, **options: object) -> Site:
    return Site(url, {"job": "81", "addresses": {"10.0.0.2": "node002"}}, **options)


def test_the_ras_service_is_asked_for_json(tmp_path: Path) -> None:
    answer = ras_status([ras_rank(0, 12), ras_rank(1, 12)], [missing_rank(2, dead=True)])
    service = RasService(lambda: answer)
    with serving_ras(service) as url:
        scrape = at_service(url).scrape()
    (event,) = scrape.events
    assert event.kind == "training_process_lost"
    assert event.severity == "critical"
    assert (event.host, event.device) == ("node002", "node002/job81")
    assert values(scrape)["10.0.0.1/job81/rank1", "collectives_launched_total"] == 15
    assert service.commands == ["CLIENT PROTOCOL 2", "TIMEOUT 3", "SET FORMAT json", "STATUS"]


def test_a_service_that_knows_no_json_is_asked_for_text() -> None:
    service = RasService(lambda: HEALTHY_TEXT, knows_formats=False)

    async def act(collector: TrainingCollector, target: TrainingTarget) -> list[Scrape]:
        return [await collector.collect(target) for _ in range(2)]

    with serving_ras(service) as url:
        for scrape in at_service(url).run(act):
            assert not scrape.events
            assert not scrape.warnings
    assert service.commands.count("SET FORMAT json") == 1, "it is asked once"
    assert service.commands[-1] == "VERBOSE STATUS"


def test_only_what_stays_behind_is_a_stall() -> None:
    launched = {"late": 11, "others": 12}

    def status() -> str:
        ranks = [ras_rank(n, launched["others"]) for n in range(7)]
        return ras_status([*ranks, ras_rank(7, launched["late"], host="10.0.0.2")])

    with serving_ras(RasService(status)) as url:
        site = at_service(url, stall_seconds=300)

        async def act(collector: TrainingCollector, target: TrainingTarget) -> list[Scrape]:
            scrapes = [await collector.collect(target)]
            site.clock.advance(299)
            launched.update(late=12, others=13)  # it moves: a busy job, no stall
            scrapes.append(await collector.collect(target))
            for _ in range(3):
                site.clock.advance(200)
                scrapes.append(await collector.collect(target))
            return scrapes

        scrapes = site.run(act)
    assert [len(scrape.events) for scrape in scrapes] == [0, 0, 0, 1, 0]
    (event,) = scrapes[3].events
    assert event.kind == "collective_stalled"
    assert event.host == "node002"
    assert event.attributes["lagging_ranks"] == "7"
    assert "AllReduce 13" in event.text
    assert "for 400 s" in event.text


@pytest.mark.parametrize(
    ("service", "error", "words"),
    [
        (RasService(lambda: "", greeting="220 mail\n"), InputError, "no RAS service"),
        (RasService(lambda: "<html>"), InputError, "no status of a job"),
        (RasService(lambda: ras_status([]), cut_after=40), InputError, "broke off"),
        (RasService(lambda: "x" * 5000), InputError, "max_file_bytes"),
        (RasService(lambda: "", greeting=""), TemporaryError, "no answer"),
        (
            RasService(lambda: HEALTHY_TEXT, knows_formats=False, cut_after=500),
            InputError,
            "broke off",
        ),
    ],
    ids=["mail", "html", "cut", "long", "silent", "cut text"],
)
def test_other_answers_are_errors_that_say_what(
    service: RasService, error: type[Exception], words: str
) -> None:
    with serving_ras(service) as url:
        site = at_service(url, max_file_bytes=4096)

        async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
            try:
                async with asyncio.timeout(1.0):
                    return await collector.collect(target)
            except TimeoutError:
                raise TemporaryError("no answer") from None

        with pytest.raises(error, match=words):
            site.run(act)


def test_a_service_that_hangs_is_cut_off_and_asked_again() -> None:
    service = RasService(lambda: ras_status([ras_rank(0, 1)]), hang=True)
    with serving_ras(service) as url:

        async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await collector.collect(target)
            service.hang = False
            service.ended.set()
            return await collector.collect(target)

        assert at_service(url).run(act).readings


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"url": "http://a"}, "no source of a training job"),
        ({"url": "unix://relative", "host": "n1"}, "no source of a training job"),
        ({"url": "ras://host:99999"}, "no source of a training job"),
        ({"url": "unix:///run/s"}, "host: name the host"),
        ({"url": "ras://localhost", "host": "n1"}, "leave it out"),
        ({"url": "unix:///" + "x" * 120, "host": "n1"}, "at most 107 bytes"),
        ({"url": "file:///x", "hosts": "node[001-"}, "hostlist"),
    ],
)
def test_wrong_targets_are_said(target: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_collector(0, {"kind": "training", "targets": [{"name": "a", **target}]})


def test_options_that_contradict_each_other_are_said() -> None:
    with pytest.raises(ValidationError, match="below deadline_seconds"):
        TrainingConfig(name="t", listen_seconds=5.0, deadline_seconds=5.0)
    with pytest.raises(ValidationError, match="socket_mode"):
        TrainingConfig(name="t", socket_mode="rw-")
