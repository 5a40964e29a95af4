"""The real captures and the standard's mockups: exact counts, and the traps in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from functools import cache

import pytest

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish import (
    RedfishCollector,
    RedfishConfig,
    Service,
    decode_resources,
    read_directory,
)
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.redfish_service import RedfishService, running

pytestmark = pytest.mark.fixtures
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@cache
def decoded(folder: str, service: Service | None = None) -> Decoded:
    tree, _ = read_directory(fixtures() / "redfish" / folder)
    return decode_resources(tree, service or Service(), NOW)


def cell(result: Decoded, device: str, metric: str) -> Reading:
    (found,) = [r for r in result.readings if (r.device, r.metric) == (device, metric)]
    return found


@pytest.mark.parametrize(
    ("folder", "classes", "qualities", "unmapped", "events"),
    [
        (
            "gb300_lambda",
            {"fabric_port": 1376, "accelerator": 184, "host": 5, "coolant_unit": 4},
            {"good": 1569},
            0,
            0,
        ),
        (
            "gb300_lambda/happypath",
            {"fabric_port": 1376, "accelerator": 172, "host": 4},
            {"good": 1552},
            0,
            0,
        ),
        ("powershelf_delta", {"power_unit": 121}, {"good": 121}, 21, 0),
        ("public-cooling-unit", {"coolant_unit": 31}, {"good": 31}, 0, 0),
        ("public-power-shelf", {"power_unit": 65}, {"good": 60, "absent": 5}, 5, 0),
        (
            "public-liquid-cooled-server",
            {"power_unit": 25, "host": 15, "coolant_unit": 6},
            {"good": 40, "absent": 6},
            7,  # rails of a supply, and the power of one processor, which is not the host's
            2,
        ),
    ],
)
def test_counts(
    folder: str,
    classes: dict[str, int],
    qualities: dict[str, int],
    unmapped: int,
    events: int,
) -> None:
    result = decoded(folder)
    check_readings(result.readings)
    assert Counter(r.device_class for r in result.readings) == classes
    assert Counter(r.quality.value for r in result.readings) == qualities
    assert result.unmapped.total() == unmapped
    assert len(result.events) == events


class TestGb300Tray:
    def test_accelerators_ports_and_hosts(self) -> None:
        result = decoded("gb300_lambda/happypath")
        names = {r.device for r in result.readings if r.device_class == "accelerator"}
        assert names == {f"hgx_baseboard_0/gpu{n}" for n in range(4)}
        ports = {r.device for r in result.readings if r.device_class == "fabric_port"}
        links = {f"hgx_baseboard_0/gpu{g}/nvlink{n}" for g in range(4) for n in range(18)}
        assert ports == links | {f"hgx_baseboard_0/gpu{g}/pcie0" for g in range(4)}

    def test_one_configured_host_takes_both_systems(self) -> None:
        result = decoded("gb300_lambda/happypath", Service(host="node001"))
        check_readings(result.readings)
        assert {r.device for r in result.readings if r.device_class == "host"} == {"node001"}
        assert cell(result, "node001", "power_state").value == 1

    def test_a_copy_under_another_system_does_not_replace_the_resource(self) -> None:
        # System_0 holds an older copy of HGX_Baseboard_0's memory, without the remapped row
        reading = cell(
            decoded("gb300_lambda/happypath"),
            "hgx_baseboard_0/gpu0",
            "remapped_rows_uncorrectable_total",
        )
        assert reading.value == 1

    def test_durations_are_seconds(self) -> None:
        result = decoded("gb300_lambda/happypath")
        reading = cell(result, "hgx_baseboard_0/gpu0", "software_violation_seconds")
        assert reading.value == pytest.approx(23 * 3600 + 59 * 60 + 34.146524704)

    def test_the_distance_to_the_limit_is_no_temperature(self) -> None:
        # the sensor's chassis is found to be that of a processor of HGX_Baseboard_0
        result = decoded("gb300_lambda")
        margin = cell(result, "hgx_baseboard_0/gpu0", "temperature_margin_celsius")
        assert margin.value == 58.0
        assert not [r for r in result.readings if r.metric == "temperature_celsius"]

    def test_leak_detectors(self) -> None:
        result = decoded("gb300_lambda", Service(host="node001"))
        leaks = {r.device: r.value for r in result.readings if r.metric == "leak_state"}
        assert leaks == {
            "node001/leakdetector_1_manifold": 2,
            "node001/leakdetector_0_coldplate": 0,
        }

    def test_documents_that_contradict_each_other_are_named(self) -> None:
        _, warnings = read_directory(fixtures() / "redfish" / "gb300_lambda")
        assert len(warnings) == 3
        assert all("several files differ" in warning for warning in warnings)


class TestDeltaShelf:
    def test_devices(self) -> None:
        result = decoded("powershelf_delta", Service(device="r01/shelf1"))
        supplies = {f"r01/shelf1/psu{n}" for n in range(1, 7)}
        assert {r.device for r in result.readings} == {"r01/shelf1"} | supplies

    @pytest.mark.parametrize(
        ("device", "metric", "value"),
        [
            ("powershelf_0", "input_power_watts", 1749),
            ("powershelf_0", "output_power_watts", 1674),
            ("powershelf_0", "output_current_amperes", 33.54),
            ("powershelf_0", "output_voltage_volts", 49.9),
            ("powershelf_0", "input_voltage_volts", 241.25),  # the lowest phase
            ("powershelf_0", "efficiency_ratio", 0.9584),
            ("powershelf_0", "load_ratio", 0.0509),
            ("powershelf_0", "controller_temperature_celsius", 58),
            ("powershelf_0/psu1", "input_power_watts", 341),
            ("powershelf_0/psu1", "output_voltage_volts", 49.87),
            ("powershelf_0/psu1", "standby_output_voltage_volts", 12.04),
            ("powershelf_0/psu1", "input_energy_joules", 46.15 * 3.6e6),
            ("powershelf_0/psu1", "power_factor_ratio", 0.8528),
            ("powershelf_0/psu1", "inlet_temperature_celsius", 26),
            ("powershelf_0/psu1", "outlet_temperature_celsius", 47),
            ("powershelf_0/psu1", "hotspot_temperature_celsius", 66),
            ("powershelf_0/psu1", "fan_speed_rpm", 7200),
            ("powershelf_0/psu1", "second_fan_speed_rpm", 0),
            ("powershelf_0/psu6", "output_current_amperes", 5.46),
        ],
    )
    def test_values(self, device: str, metric: str, value: float) -> None:
        assert cell(decoded("powershelf_delta"), device, metric).value == pytest.approx(value)

    def test_joules_that_wander_are_no_counter(self) -> None:
        unmapped = decoded("powershelf_delta").unmapped
        assert {name for name in unmapped if "energy" in name} == {
            f"ps{n}_energy_{way}" for n in range(1, 7) for way in ("in", "out")
        }


class TestCoolingUnit:
    @pytest.mark.parametrize(
        ("device", "metric", "value"),
        [
            ("cdu1", "flow_litres_per_minute", 42),
            ("cdu1", "heat_removed_watts", 25310),
            ("cdu1", "primary_supply_pressure_kilopascals", 827),
            ("cdu1", "reservoir_state", 0),
            ("cdu1", "filter_service_hours", 5791),
            ("cdu1", "humidity_ratio", 0.26),
            ("cdu1", "health", 2),
            ("cdu1/pump1", "pump_speed_ratio", 0.385),
            ("cdu1/pump1", "health", 0),
            ("cdu1/pump2", "pump_speed_ratio", 0),
            ("cdu1/pump2", "health", 2),
            ("cdu1/moisture", "leak_state", 0),
            ("cdu1/moisture", "leak_detector_ok", 1),
        ],
    )
    def test_values(self, device: str, metric: str, value: float) -> None:
        assert cell(decoded("public-cooling-unit"), device, metric).value == pytest.approx(value)

    def test_its_configured_name(self) -> None:
        result = decoded("public-cooling-unit", Service(device="cdu7"))
        assert {r.device.split("/")[0] for r in result.readings} == {"cdu7"}


@pytest.mark.parametrize(
    "folder",
    ["gb300_lambda/happypath", "powershelf_delta", "public-liquid-cooled-server"],
)
def test_over_http_it_reads_the_same(folder: str) -> None:
    tree, _ = read_directory(fixtures() / "redfish" / folder)
    config = RedfishConfig(name="test", deadline_seconds=60, expand=False)

    async def read(url: str) -> list[Scrape]:
        collector = RedfishCollector.create(config, ManualClock(NOW))
        try:
            target = Target(name="capture", url=url)
            return [await collector.collect(target) for _ in range(2)]
        finally:
            await collector.close()

    with running(RedfishService(dict(tree))) as url:
        first, second = asyncio.run(read(url))

    def cells(readings: list[Reading]) -> set[tuple[object, ...]]:
        return {reading[:4] for reading in readings}

    expected = decode_resources(tree, Service(), NOW)
    assert cells(first.readings) == cells(expected.readings)
    assert cells(second.readings) == cells(expected.readings)


def test_empty_bays_are_absent_not_zero() -> None:
    result = decoded("public-power-shelf")
    for bay in range(2, 7):
        reading = cell(result, f"shelf1/psu{bay}", "health")
        assert (reading.value, reading.quality) == (None, Quality.ABSENT)


def test_readings_of_2019_are_not_stale_in_a_capture_of_2019() -> None:
    reading = cell(decoded("public-liquid-cooled-server"), "437xr1138r2", "power_watts")
    assert reading.value == 374
    assert reading.time is not None
    assert reading.time.year == 2019


def test_log_entries_of_the_mockup() -> None:
    melting, coolant = sorted(
        decoded("public-liquid-cooled-server").events, key=lambda event: event.time
    )
    assert (melting.text, melting.severity.value) == ("System May be Melting", "critical")
    assert coolant.text.startswith("Temperature 'CPU#1 Coolant' reading of 47 degrees (C)")
    assert coolant.device == "437xr1138r2/pump1"
    assert (melting.kind, coolant.kind) == ("redfish_log_entry", "coolant_supply_hot")
