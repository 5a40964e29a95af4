"""What an emulated driver says: values, errors, losses, and drivers that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetops.core.errors import TemporaryError
from fleetops_schemas.readings import Quality
from tests.nvml_testbed import EmulatedDriver
from tests.unit.collectors.nvml_site import Site, gpus, run


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
