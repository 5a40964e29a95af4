"""The GB300 capture, whole and doctored: every value that is none is null with its reason."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish import Service, Tree, decode_resources, read_directory
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.redfish_service import ENABLED, link, resource

pytestmark = pytest.mark.fixtures
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SERVICE = Service(host="node001")
TRAY = "/redfish/v1/Chassis/Chassis_0"
LEAKS = f"{TRAY}/ThermalSubsystem/LeakDetection/LeakDetectors"
REPORTS = "/redfish/v1/TelemetryService/MetricReports"
HGX = "/redfish/v1/Systems/HGX_Baseboard_0"
GPUS, LINKS_A_GPU = 4, 18
FRESH = "2026-06-29T08:05:20.895+00:00"
TEN_WEEKS_AGO = "2026-04-20T08:05:20+00:00"

Resources = dict[str, dict[str, Any]]
Doctor = Callable[[Resources], None]


@cache
def _captured() -> Tree:
    tree, _ = read_directory(fixtures() / "redfish" / "gb300_lambda" / "happypath")
    return tree


def decoded(*doctors: Doctor) -> Decoded:
    """The capture as it is after all of these changes."""
    resources = copy.deepcopy(dict(_captured()))
    resources["/redfish/v1/Managers/BMC_0"] = resource(
        "/redfish/v1/Managers/BMC_0", "Manager", DateTime=FRESH, Status=ENABLED
    )
    for doctor in doctors:
        doctor(resources)
    tree = Tree()
    for uri, item in resources.items():
        tree.put(uri, item)
    result = decode_resources(tree, SERVICE, NOW)
    check_readings(result.readings)
    return result


def qualities(result: Decoded) -> dict[str, int]:
    return dict(Counter(reading.quality.value for reading in result.readings))


def _links(resources: Resources) -> list[dict[str, Any]]:
    """The metrics of the NVLink ports; in the capture they stand whole in their collections."""
    found = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if str(value.get("@odata.id", "")).endswith("/Metrics") and "RXBytes" in value:
                found.append(value)
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(list(resources.values()))
    return [one for one in found if "/NVLink_" in one["@odata.id"]]


def saturate_counters(resources: Resources) -> None:
    """As on the machine: every link's TXWait stands at the top of 32 bits."""
    for metrics in _links(resources):
        metrics.setdefault("Oem", {}).setdefault("Nvidia", {})["TXWait"] = 4294967295


def lose_values(resources: Resources) -> None:
    """ "nan" for one value of each accelerator, and null for another."""
    for gpu in range(GPUS):
        metrics = resources[f"{HGX}/Processors/GPU_{gpu}/ProcessorMetrics"]
        metrics["PCIeErrors"]["ReplayCount"] = "nan"
        metrics["PCIeErrors"]["FatalErrorCount"] = None


def take_out_a_gpu(resources: Resources) -> None:
    """An empty socket reports its parts Absent, and Critical."""
    processor = resources[f"{HGX}/Processors/GPU_3"]
    processor["Status"] = {"State": "Absent", "Health": "Critical"}


def add_sensors(resources: Resources) -> None:
    """Sensors as the tray has them: temperatures, and the voltages behind leak detectors."""
    for gpu in range(GPUS):
        for name, value in ((f"HGX_GPU_{gpu}_TEMP_0", 41.5), (f"HGX_GPU_{gpu}_TEMP_1", 45.0)):
            uri = f"/redfish/v1/Chassis/HGX_GPU_{gpu}/Sensors/{name}"
            resources[uri] = resource(
                uri,
                "Sensor",
                Reading=value,
                ReadingTime=FRESH,
                ReadingType="Temperature",
                ReadingUnits="Cel",
                Status=ENABLED,
            )
    for name, volts in (("LeakDetector_0_ColdPlate", 1.73), ("LeakDetector_1_Manifold", 1.1)):
        uri = f"{TRAY}/Sensors/Chassis_0_{name}"
        resources[uri] = resource(
            uri,
            "Sensor",
            Reading=volts,
            ReadingTime=FRESH,
            ReadingType="Voltage",
            ReadingUnits="V",
            RelatedItem=[link(f"{LEAKS}/Chassis_0_{name}")],
            Thresholds={"LowerCritical": {"Reading": 1.3}, "UpperCritical": {"Reading": 2.0}},
            Status=ENABLED,
        )


def forget_the_time(resources: Resources) -> None:
    """A controller that never learnt the time stamps its readings 1970."""
    for gpu in range(GPUS):
        uri = f"/redfish/v1/Chassis/HGX_GPU_{gpu}/Sensors/HGX_GPU_{gpu}_TEMP_0"
        resources[uri]["ReadingTime"] = "1970-01-01T00:00:00+00:00"


def add_reports(resources: Resources) -> None:
    """Metric reports as the tray gives them: strings, some "nan" and weeks old."""
    uri = f"{REPORTS}/HGX_HealthMetrics_0"
    resources[uri] = resource(
        uri,
        "MetricReport",
        Timestamp=FRESH,
        MetricValues=[
            {
                "MetricProperty": f"{HGX}/Processors/GPU_{gpu}/EnvironmentMetrics#/{name}",
                "MetricValue": value,
                "Timestamp": stamp,
            }
            for gpu in range(GPUS)
            for name, value, stamp in (
                ("PowerWatts/Reading", "512.250000", FRESH),
                ("EnergyJoules/Reading", "nan", TEN_WEEKS_AGO),
                ("PowerLimitWatts/Reading", "1400", TEN_WEEKS_AGO),
            )
        ],
    )


def test_as_captured_every_value_is_good() -> None:
    assert qualities(decoded()) == {"good": 1551}  # the controller's own health is one


@pytest.mark.parametrize(
    ("doctors", "expected"),
    [
        ((lose_values,), {"good": 1543, "missing": 8}),
        ((saturate_counters,), {"good": 1479, "saturated": 72}),
        ((take_out_a_gpu,), {"good": 1548, "absent": 3}),
        ((add_sensors,), {"good": 1563}),
        ((add_sensors, forget_the_time), {"good": 1559, "stale": 4}),
        ((add_reports,), {"good": 1555, "missing": 4, "stale": 4}),
        (
            (lose_values, saturate_counters, add_sensors, forget_the_time, add_reports),
            {"good": 1483, "missing": 12, "saturated": 72, "stale": 8},
        ),
    ],
)
def test_a_table_of_counts_by_quality(
    doctors: tuple[Doctor, ...], expected: dict[str, int]
) -> None:
    result = decoded(*doctors)
    assert qualities(result) == expected
    assert all((one.value is None) == (one.quality is not Quality.GOOD) for one in result.readings)
    assert result.unmapped.total() == 0


def test_nothing_else_is_lost() -> None:
    before = {one[:3]: one for one in decoded(add_sensors).readings}
    after = {one[:3]: one for one in decoded(add_sensors, lose_values, saturate_counters).readings}
    assert after.keys() == before.keys()
    changed = {key[2] for key, one in after.items() if one != before[key]}
    assert changed == {"pcie_replay_total", "pcie_fatal_errors_total", "transmit_wait_total"}


def test_a_voltage_behind_a_leak_detector_is_a_leak_state() -> None:
    states = {
        (one.device, one.metric): one.value
        for one in decoded(add_sensors).readings
        if one.device_class == "coolant_unit"
    }
    assert states == {
        ("node001/leakdetector_0_coldplate", "leak_state"): 0,
        ("node001/leakdetector_0_coldplate", "leak_detector_ok"): 1,
        ("node001/leakdetector_1_manifold", "leak_state"): 2,
        ("node001/leakdetector_1_manifold", "leak_detector_ok"): 1,
    }


def test_a_swapped_accelerator_shows_in_its_identity() -> None:
    def swap(resources: Resources) -> None:
        resources[f"{HGX}/Processors/GPU_2"] |= {"SerialNumber": "999", "UUID": "gpu-9-uuid"}

    def identity(result: Decoded) -> dict[str, tuple[str, str, str]]:
        return {one.device: (one.serial, one.uuid, one.model) for one in result.identities}

    before, after = identity(decoded()), identity(decoded(swap))
    assert before["node001/gpu2"] == ("345678", "gpu-2-uuid", "NVIDIA GB300")
    assert after["node001/gpu2"] == ("999", "gpu-9-uuid", "NVIDIA GB300")
    assert {name for name in before if before[name] != after[name]} == {"node001/gpu2"}
    hosts = {one.host for one in decoded().identities}
    assert hosts == {"node001"}
