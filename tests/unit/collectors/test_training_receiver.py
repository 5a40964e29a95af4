"""The socket that a host's training jobs report to."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape
from fleetops_collectors.training import StepReporter, TrainingCollector, TrainingTarget
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.training_site import Site, values


def at_socket(path: Path, **options: object) -> Site:
    return Site(f"unix://{path}", {"host": "node001"}, **options)


def reporter(path: Path, rank: int, stage: int | None = None) -> StepReporter:
    return StepReporter(
        rank=rank, job="81", socket_path=str(path), environ={}, pipeline_stage=stage
    )


def test_the_newest_step_of_each_rank_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> list[Scrape]:
        scrapes = [await collector.collect(target)]
        with reporter(path, 0, stage=1) as first, reporter(path, 1) as second:
            for step in range(1, 4):
                assert first.report(step=step, step_seconds=step / 10, compute_seconds=0.05)
            assert second.report(step=3, step_seconds=0.5)
            scrapes.append(await collector.collect(target))
            scrapes.append(await collector.collect(target))
        return scrapes

    nothing, steps, again = at_socket(path).run(act)
    assert not nothing.readings
    assert not again.readings, "a step is read once: nothing is made of silence"
    check_readings(steps.readings)
    found = values(steps)
    rank0, rank1 = "node001/job81/rank0", "node001/job81/rank1"
    assert found[rank0, "step_total"] == 3
    assert found[rank0, "step_seconds"] == 0.3
    assert found[rank0, "pipeline_stage"] == 1
    assert found[rank1, "step_seconds"] == 0.5
    assert (rank1, "compute_seconds") not in found, "what is not given has no reading"
    assert steps.labels == {rank0: {"job": "81"}, rank1: {"job": "81"}}
    assert all(one.time is not None for one in steps.readings)
    assert not steps.warnings


def test_a_first_round_listens_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        def job() -> None:
            with reporter(path, 0) as sender:
                while not sender.report(step=1, step_seconds=1.0) and not done.wait(0.02):
                    pass

        done = threading.Event()
        thread = threading.Thread(target=job)
        thread.start()
        try:
            return await collector.collect(target)
        finally:
            done.set()
            thread.join()

    scrape = at_socket(path, listen_seconds=1.0).run(act)
    assert values(scrape)["node001/job81/rank0", "step_total"] == 1


def test_many_steps_between_rounds_are_not_lost_to_the_small_queue_of_the_kernel(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> tuple[Scrape, int]:
        await collector.collect(target)
        with reporter(path, 0) as sender:
            for step in range(500):
                sender.report(step=step, step_seconds=1.0)
                await asyncio.sleep(0)
            return await collector.collect(target), sender.dropped

    scrape, dropped = at_socket(path).run(act)
    assert values(scrape)["node001/job81/rank0", "step_total"] == 499
    assert dropped == 0


def test_reports_that_did_not_arrive_are_told(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        await collector.collect(target)
        with reporter(path, 0) as sender:
            assert sender.report(step=1, step_seconds=1.0)
            await collector.collect(target)
            sent = sum(sender.report(step=n, step_seconds=1.0) for n in range(2, 2000))
            assert sent < 1998
            await asyncio.sleep(0.05)
            assert sender.report(step=2000, step_seconds=1.0)
            scrape = await collector.collect(target)
            assert f"job 81: {1998 - sent} reports did not arrive" in scrape.warnings[0]
        with reporter(path, 0) as anew:
            anew.report(step=1, step_seconds=1.0)
            return await collector.collect(target)

    restarted = at_socket(path).run(act)
    assert not restarted.warnings, "a job that begins anew has lost nothing"


def test_garbage_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        await collector.collect(target)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for datagram in (b"", b"GET / HTTP/1.1", b"FOTR\x02newer", b"FOTR\x01", b"x" * 9000):
                sender.sendto(datagram, str(path))
                await asyncio.sleep(0)
        with reporter(path, 0) as good:
            assert good.report(step=1, step_seconds=1.0)
            return await collector.collect(target)

    scrape = at_socket(path).run(act)
    assert values(scrape)["node001/job81/rank0", "step_total"] == 1
    told = "\n".join(scrape.warnings)
    assert "version 2, where 1 is known" in told
    assert "cut off" in told
    assert "no report of a step" in told


def test_memory_is_bounded_by_ranks(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        await collector.collect(target)
        for rank in range(20):
            with reporter(path, rank) as sender:
                assert sender.report(step=1, step_seconds=1.0)
                await asyncio.sleep(0)
        return await collector.collect(target)

    scrape = at_socket(path, max_ranks=4).run(act)
    assert len({one.device for one in scrape.readings}) == 4
    assert scrape.warnings == ["16 times a rank beyond max_ranks reported"]


def test_impossible_values_are_null_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        await collector.collect(target)
        with reporter(path, 0, stage=70_000) as sender:
            sender.report(
                step=2**64 - 1,
                step_seconds=float("inf"),
                compute_seconds=-1.0,
                communication_seconds=1e9,
            )
            return await collector.collect(target)

    scrape = at_socket(path).run(act)
    check_readings(scrape.readings)
    assert {one.metric: one.quality for one in scrape.readings} == {
        "rank": Quality.GOOD,
        "step_total": Quality.SATURATED,
        "step_seconds": Quality.MISSING,
        "compute_seconds": Quality.OUT_OF_RANGE,
        "communication_seconds": Quality.OUT_OF_RANGE,
        "pipeline_stage": Quality.OUT_OF_RANGE,
    }


def test_the_socket_is_writable_for_jobs_and_goes_with_the_collector(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> int:
        await collector.collect(target)
        return path.stat().st_mode & 0o777

    assert at_socket(path).run(act) == 0o622
    assert not path.exists()
    assert at_socket(path, socket_mode=0o660).run(act) == 0o660


def test_a_socket_that_a_dead_collector_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(path))
    assert at_socket(path).scrape().warnings == []


def test_a_socket_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as alive:
        alive.bind(str(path))
        with pytest.raises(TemporaryError, match="job: another process listens"):
            at_socket(path).scrape()
        with reporter(path, 0) as sender:
            assert sender.report(step=1, step_seconds=1.0)


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(InputError, match="no socket; remove it"):
        at_socket(path).scrape()
    assert path.read_text() == "precious"


def test_a_socket_whose_file_was_taken_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def act(collector: TrainingCollector, target: TrainingTarget) -> Scrape:
        await collector.collect(target)
        path.unlink()
        await collector.collect(target)
        with reporter(path, 0) as sender:
            assert sender.report(step=1, step_seconds=1.0)
            return await collector.collect(target)

    assert at_socket(path).run(act).readings


def test_an_unknown_group_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no group 'no-such-group'"):
        at_socket(tmp_path / "s", socket_group="no-such-group").scrape()
