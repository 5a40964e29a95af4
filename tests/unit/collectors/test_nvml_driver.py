"""The child against an emulated driver: hangs, crashes, losses, and drivers that are not there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Scrape, devices_of
from fleetops_collectors.nvml import NvmlCollector, NvmlConfig, NvmlTarget, child
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.nvml_testbed import EmulatedDriver

QUICK: dict[str, Any] = {"device_seconds": 0.5, "start_seconds": 8.0, "deadline_seconds": 10.0}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> EmulatedDriver:
    return EmulatedDriver(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(built: EmulatedDriver) -> EmulatedDriver:
    built.behave()
    return built


class Site:
    """A collector with one target, and its clock."""

    def __init__(self, folder: Path, **options: Any) -> None:  # noqa: ANN401
        self.clock = ManualClock()
        """Stands still: rounds have all the time, and pauses end when the test says so."""
        self.target = NvmlTarget(name="local", host="node001", library_folder=folder)
        config = NvmlConfig.model_validate(
            {"name": "gpus", "targets": [self.target], **QUICK, **options}
        )
        self.collector = NvmlCollector.create(config, self.clock)

    async def read(self) -> Scrape:
        scrape = await self.collector.collect(self.target)
        check_readings(scrape.readings)
        return scrape

    @property
    def process_id(self) -> int:
        process_id = self.collector._readers["local"]._process.process_id
        assert process_id is not None
        return process_id


def run(site: Site, act: Callable[[], Awaitable[None]]) -> None:
    async def session() -> None:
        try:
            await act()
        finally:
            await site.collector.close()

    asyncio.run(session())


def gpus(scrape: Scrape) -> list[int]:
    return [int(device.removeprefix("node001/gpu")) for device in devices_of(scrape)]


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_eight_devices(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)

    async def act() -> None:
        scrape = await site.read()
        assert gpus(scrape) == list(range(8))
        values = {r.metric: r.value for r in scrape.readings if r.device == "node001/gpu0"}
        assert values["temperature_celsius"] == 61
        assert values["power_watts"] == pytest.approx(512.25)
        assert values["memory_reserved_bytes"] == 536870912
        assert values["cache_ecc_uncorrectable_total"] == 3
        assert values["nvlink_active_links"] == 17
        assert values["retired_pages_pending"] is None
        assert "pcie_transmit_bytes_per_second" not in values
        assert {i.uuid for i in scrape.identities} == {f"GPU-0000000{n}" for n in range(8)}
        assert scrape.identities[3].address == "00000000:31:00.0"
        assert scrape.warnings == []
        first = site.process_id
        await site.read()
        assert site.process_id == first

    run(site, act)


def test_throughput_is_read_where_it_is_asked_for(driver: EmulatedDriver) -> None:
    site = Site(driver.folder, pcie_throughput=True)

    async def act() -> None:
        values = {r.metric: r.value for r in (await site.read()).readings}
        assert values["pcie_transmit_bytes_per_second"] == 1_200_000
        assert values["pcie_receive_bytes_per_second"] == 3_400_000

    run(site, act)


def test_an_old_driver_lacks_calls(tmp_path: Path) -> None:
    site = Site(EmulatedDriver(tmp_path, old=True).folder)

    async def act() -> None:
        scrape = await site.read()
        cells = {r.metric: r for r in scrape.readings if r.device == "node001/gpu0"}
        assert cells["temperature_celsius"].value == 61
        assert cells["throttle_reasons"].value == 4
        assert cells["memory_used_bytes"].value == 4294967296
        assert "memory_reserved_bytes" not in cells
        assert cells["temperature_margin_celsius"].quality is Quality.ABSENT
        assert cells["sram_threshold_exceeded"].quality is Quality.ABSENT
        assert scrape.warnings == []

    run(site, act)


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


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("lost 3 * 15", "accelerator_fallen_off_bus"),
        ("error 3 nvmlDeviceGetPowerUsage 15", "accelerator_fallen_off_bus"),
        ("lost 3 * 16", "accelerator_reset_required"),
        ("lost 3 * 8", "accelerator_power_lost"),
        ("lost 3 * 999", "accelerator_unresponsive"),
    ],
)
def test_a_lost_device_is_an_event_once_and_has_no_values(
    driver: EmulatedDriver, line: str, kind: str
) -> None:
    site = Site(driver.folder)

    async def act() -> None:
        await site.read()
        driver.behave(line)
        scrape = await site.read()
        assert gpus(scrape) == [0, 1, 2, 4, 5, 6, 7]
        (event,) = scrape.events
        assert (event.kind, event.device, event.source) == (kind, "node001/gpu3", "nvml")
        assert event.severity == "critical"
        assert (await site.read()).events == []
        driver.behave()
        site.clock.advance(31)
        assert len(gpus(await site.read())) == 8

    run(site, act)


def test_a_device_that_was_reset_is_read_by_a_driver_opened_anew(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)

    async def act() -> None:
        driver.behave("lost 3 * 15")
        await site.read()
        before = site.process_id
        site.clock.advance(31)
        await site.read()
        assert site.process_id != before

    run(site, act)


def test_no_permission_is_no_fault_of_the_device(driver: EmulatedDriver) -> None:
    site = Site(driver.folder)
    driver.behave("lost 3 * 4")

    async def act() -> None:
        scrape = await site.read()
        assert "node001/gpu3: no permission" in scrape.warnings[0]
        assert scrape.events == []

    run(site, act)


@pytest.mark.parametrize(
    ("lines", "value", "quality"),
    [
        (["error 0 nvmlDeviceGetNvLinkState 3"], None, Quality.ABSENT),
        (["value 0 nvmlDeviceGetNvLinkState 1"], 18, Quality.GOOD),
        (["value 0 nvmlDeviceGetNvLinkState 0"], 0, Quality.GOOD),
    ],
)
def test_links(
    driver: EmulatedDriver, lines: list[str], value: int | None, quality: Quality
) -> None:
    site = Site(driver.folder)
    driver.behave("count * * 1", *lines)

    async def act() -> None:
        readings = (await site.read()).readings
        one = next(r for r in readings if r.metric == "nvlink_active_links")
        assert (one.value, one.quality) == (value, quality)

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


def test_counters_that_fall_or_stand_at_their_top(driver: EmulatedDriver) -> None:
    """A reset is told as it is; what stands at its top is no number."""
    site = Site(driver.folder)

    async def act() -> None:
        for raw, value, quality in [
            (500, 500, Quality.GOOD),
            (2, 2, Quality.GOOD),
            (4294967295, None, Quality.SATURATED),
            (0, 0, Quality.GOOD),
        ]:
            driver.behave(f"value 0 94 {raw}")
            readings = (await site.read()).readings
            one = next(r for r in readings if r.metric == "pcie_replay_total")
            assert (one.value, one.quality) == (value, quality)

    run(site, act)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, "the driver is not loaded; load the nvidia kernel module"),
        (18, "different versions; restart the host after a driver update"),
        (999, "unknown error"),
    ],
)
def test_a_driver_that_does_not_open_says_why(
    driver: EmulatedDriver, code: int, words: str
) -> None:
    site = Site(driver.folder)

    async def act() -> None:
        driver.behave(f"init * * {code}")
        with pytest.raises(TemporaryError, match=f"local: nvml: nvmlInit: .*{words}"):
            await site.read()
        driver.behave()
        assert len(gpus(await site.read())) == 8

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


def test_no_library_is_a_clear_state(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")  # hides one that this host may have
    site = Site(tmp_path)

    async def act() -> None:
        with pytest.raises(
            TemporaryError,
            match=r"local: nvml: nvmlInit: no NVIDIA driver library .*library_folder",
        ):
            await site.read()

    run(site, act)


def test_no_python_package_is_a_clear_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pynvml.py").write_text("raise ImportError('No module named pynvml')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    site = Site(tmp_path)

    async def act() -> None:
        with pytest.raises(TemporaryError, match=r"nvidia-ml-py is not installed; pip install"):
            await site.read()

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
