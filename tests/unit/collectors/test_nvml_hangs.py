"""A driver that hangs, crashes or is slow: the child is ended, and the round goes on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.nvml import NvmlConfig, NvmlTarget, child
from tests.nvml_testbed import EmulatedDriver
from tests.unit.collectors.nvml_site import Site, gpus, is_running, run


def test_a_device_that_hangs_costs_the_others_nothing(driver: EmulatedDriver) -> None:
    """The child is ended at the deadline, another reads the rest in the same round."""
    site = Site(driver.folder)

    async def act() -> None:
        await site.read()
        hung = site.process_id
        driver.behave("hang 2 * 1")
        began = asyncio.get_running_loop().time()
        scrape = await site.read()
        took = asyncio.get_running_loop().time() - began
        assert gpus(scrape) == [0, 1, 3, 4, 5, 6, 7]
        assert scrape.warnings == [
            "node001/gpu2: no answer within 0.5 s; left out, next try after 30 s"
        ]
        (event,) = scrape.events
        assert (event.kind, event.device) == ("accelerator_unresponsive", "node001/gpu2")
        assert 0.5 <= took < 4
        assert not is_running(hung)
        pauses = []
        for _ in range(3):  # now it is left out, and nothing waits for it
            began = asyncio.get_running_loop().time()
            scrape = await site.read()
            pauses.append(asyncio.get_running_loop().time() - began)
            assert len(gpus(scrape)) == 7
            assert scrape.events == []
        assert min(pauses) < 0.5

    run(site, act)


def test_a_device_that_hung_comes_back_by_itself(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)

    async def act() -> None:
        driver.behave("hang 2 * 1")
        await site.read()
        site.clock.advance(31)
        again = await site.read()  # tried behind all others, and it still hangs
        assert gpus(again) == [0, 1, 3, 4, 5, 6, 7]
        assert "next try after 60 s" in again.warnings[0]
        assert again.events == []
        driver.behave()
        site.clock.advance(61)
        well = await site.read()
        assert gpus(well) == [0, 1, 3, 4, 5, 6, 7, 2]
        assert well.warnings == []

    run(site, act)


def test_when_every_device_hangs_the_round_still_ends(driver: EmulatedDriver) -> None:
    site = Site(driver.folder, device_seconds=0.3)
    driver.behave("hang * * 1")

    async def act() -> None:
        scrape = await site.read()
        assert scrape.readings == []
        assert [e.device for e in scrape.events] == [f"node001/gpu{n}" for n in range(8)]

    run(site, act)


def test_a_device_that_ends_the_process_is_named(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)
    driver.behave("crash 5 * 1")

    async def act() -> None:
        scrape = await site.read()
        assert gpus(scrape) == [0, 1, 2, 3, 4, 6, 7]
        assert "node001/gpu5: the process that read it ended with status -6" in scrape.warnings[0]

    run(site, act)


def test_an_event_outlives_a_round_that_failed(driver: EmulatedDriver) -> None:
    """The device ends the child, and the driver does not open again: it is told afterwards."""
    site = Site(driver.folder)

    async def act() -> None:
        await site.read()
        driver.behave("crash 3 * 1", "init * * 9")
        with pytest.raises(TemporaryError, match="not loaded"):
            await site.read()
        driver.behave("crash 3 * 1")
        assert [event.device for event in (await site.read()).events] == ["node001/gpu3"]

    run(site, act)


def test_a_driver_that_hangs_while_it_opens(driver: EmulatedDriver) -> None:
    site = Site(driver.folder, start_seconds=1.0)

    async def act() -> None:
        driver.behave("inithang * * 1")
        with pytest.raises(TemporaryError, match=r"local: nvml: .*opening the driver.*within 1 s"):
            await site.read()
        driver.behave()
        assert len(gpus(await site.read())) == 8

    run(site, act)


def test_a_read_that_is_cut_off_leaves_no_process(driver: EmulatedDriver) -> None:
    site = Site(driver.folder, device_seconds=5)

    async def act() -> None:
        await site.read()
        hung = site.process_id
        driver.behave("hang 0 * 1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await site.read()
        await asyncio.sleep(0.2)
        assert not is_running(hung)
        driver.behave()
        assert len(gpus(await site.read())) == 8

    run(site, act)


def test_closing_ends_the_process(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)
    processes: list[int] = []

    async def act() -> None:
        await site.read()
        processes.append(site.process_id)

    run(site, act)
    assert not is_running(processes[0])


def test_what_was_read_before_the_whole_driver_hung_is_handed_over(
    driver: EmulatedDriver,
) -> None:
    """The new child cannot open the driver: this round has three devices, the next none."""
    site = Site(driver.folder, start_seconds=1.0)

    async def act() -> None:
        await site.read()
        driver.behave("hang 3 * 1", "inithang * * 1")
        scrape = await site.read()
        assert gpus(scrape) == [0, 1, 2]
        assert [event.device for event in scrape.events] == ["node001/gpu3"]
        assert scrape.warnings[1:] == [
            "node001: gpu4, gpu5, gpu6, gpu7 not read: the driver does not answer "
            "(opening the driver): no answer within 1 s"
        ]
        with pytest.raises(TemporaryError, match="opening the driver"):
            await site.read()
        driver.behave()
        assert gpus(await site.read()) == [0, 1, 2, 4, 5, 6, 7]

    run(site, act)


def test_a_slow_driver_costs_only_what_the_round_has_no_time_for(driver: EmulatedDriver) -> None:
    """Nobody is blamed; what was read is handed over."""
    site = Site(driver.folder, device_seconds=1.0, deadline_seconds=2.0)
    site.collector._clock = SystemClock()

    async def act() -> None:
        await site.read()
        driver.behave("slow * nvmlDeviceGetPowerUsage 350")
        scrape = await site.read()
        read = gpus(scrape)
        assert read == list(range(len(read)))
        assert 2 <= len(read) <= 4
        rest = ", ".join(f"gpu{n}" for n in range(len(read), 8))
        assert scrape.warnings == [
            f"node001: {rest} not read: the round's time was over; raise deadline_seconds"
        ]
        assert scrape.events == []
        driver.behave()
        assert len(gpus(await site.read())) == 8

    run(site, act)


def test_no_process_is_started_while_ended_ones_hang_in_the_kernel(driver: EmulatedDriver) -> None:
    """Processes that will not go stand for those that a driver holds."""
    site = Site(driver.folder)

    async def act() -> None:
        await site.read()
        reader = site.collector._readers["local"]
        await reader.close()
        held = [await asyncio.create_subprocess_exec("sleep", "60") for _ in range(2)]
        reader._process._unreaped.extend(held)
        with pytest.raises(TemporaryError, match="2 ended processes still hang in the driver"):
            await site.read()
        held[0].kill()
        await held[0].wait()
        assert len(gpus(await site.read())) == 8
        held[1].kill()
        await held[1].wait()

    run(site, act)


def test_the_child_ends_when_nobody_asks_it_any_more(driver: EmulatedDriver) -> None:
    request = {"fields": [82], "devices": [1], "skip": [], "throughput": False}
    done = subprocess.run(
        [sys.executable, "-P", child.__file__],
        input=json.dumps(request) + "\n",
        env={**os.environ, "LD_LIBRARY_PATH": str(driver.folder)},
        capture_output=True,
        timeout=20,
        check=True,
        text=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0] == {"devices": 8, "driver": "580.95.05"}
    assert answers[1] == {"reading": 1}
    assert answers[2]["values"]["82"] == 70
    assert answers[3] == {"done": True}
    assert "libraries may print what they like" in done.stderr


def test_two_drivers_do_not_wait_for_each_other(driver: EmulatedDriver, tmp_path: Path) -> None:
    """One hangs while it opens; the other's rounds go on at their pace."""
    stuck = EmulatedDriver(tmp_path)
    stuck.behave("inithang * * 1")
    well = Site(driver.folder)
    slow = NvmlTarget(name="stuck", host="node002", library_folder=stuck.folder)

    async def act() -> None:
        waiting = asyncio.create_task(well.collector.collect(slow))
        await well.read()
        loop = asyncio.get_running_loop()
        pauses = []
        for _ in range(10):
            began = loop.time()
            await well.read()
            pauses.append(loop.time() - began)
        assert not waiting.done()
        assert sorted(pauses)[5] < 0.3
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(well, act)


@pytest.mark.parametrize("seconds", [6.0, 10.0])
def test_a_device_may_not_take_the_whole_round(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than half of deadline_seconds"):
        NvmlConfig(name="gpus", deadline_seconds=10.0, device_seconds=seconds)
