"""Shelves against the sum of their supplies, hand-made and as one was really captured."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.detect.base import Inputs
from fleetops.detect.detectors.power_sums import PowerSumConfig, PowerSumDetector
from fleetops_collectors.redfish import Service, decode_resources, read_directory
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Finding
from fleetops_schemas.telemetry import BatchBuilder, TelemetryHeader
from tests.support import fixtures
from tests.unit.detect.support import Batch, Value, at, fleet, rows

SHELF = "r01/shelf1"


def shelf_rows(
    second: float, shelf: Value | Quality, *supplies: tuple[Value | Quality, float, float]
) -> Batch:
    values: dict[str, dict[str, Value | Quality]] = {SHELF: {"output_power_watts": shelf}}
    for number, (watts, volts, amperes) in enumerate(supplies, 1):
        values[f"{SHELF}/psu{number}"] = {
            "output_power_watts": watts,
            "output_voltage_volts": volts,
            "output_current_amperes": amperes,
        }
    return rows("power_unit", second, values)


def told(*batches: Batch) -> list[Finding]:
    detector = PowerSumDetector(PowerSumConfig())
    said: list[Finding] = []
    for second, batch in enumerate(batches):
        said += detector.evaluate(Inputs(at(second), fleet(), [batch], [], []))
    return said


def test_a_supply_that_misreports_is_named() -> None:
    wrong = [
        shelf_rows(n, 3000.0, (1000.0, 50.0, 20.0), (1000.0, 50.0, 20.0), (400.0, 50.0, 20.0))
        for n in range(4)
    ]
    (finding,) = told(*wrong)
    assert (finding.kind, finding.device, finding.host) == ("power_reading_mismatch", SHELF, None)
    assert "add up to 2,400 W of output, the shelf says 3,000 W" in finding.summary
    assert finding.summary.endswith(f"{SHELF}/psu3: power is not what voltage and current make")
    assert finding.evidence[0].device == f"{SHELF}/psu3"


def test_where_no_supply_contradicts_itself_the_shelf_is_named() -> None:
    wrong = [shelf_rows(n, 3000.0, *[(800.0, 50.0, 16.0)] * 3) for n in range(3)]
    (finding,) = told(*wrong)
    assert finding.evidence[0].device == SHELF


def test_a_sum_that_is_right_again_ends_it() -> None:
    wrong = [shelf_rows(n, 3000.0, *[(800.0, 50.0, 16.0)] * 3) for n in range(3)]
    right = [shelf_rows(n, 2410.0, *[(800.0, 50.0, 16.0)] * 3) for n in range(3, 6)]
    assert [one.status.value for one in told(*wrong, *right)] == ["firing", "cleared"]


@pytest.mark.parametrize(
    ("shelf", "last"), [(3000.0, Quality.MISSING), (Quality.STALE, 800.0), (2500.0, 800.0)]
)
def test_what_is_not_read_is_not_zero_and_small_differences_are_none(
    shelf: Value | Quality, last: Value | Quality
) -> None:
    supplies = [(800.0, 50.0, 16.0), (800.0, 50.0, 16.0), (last, 50.0, 16.0)]
    assert told(*(shelf_rows(n, shelf, *supplies) for n in range(5))) == []


def test_one_wrong_reading_says_nothing() -> None:
    right, wrong = [(800.0, 50.0, 16.0)] * 3, [(200.0, 50.0, 16.0)] * 3
    batches = [shelf_rows(n, 2400.0, *(wrong if n % 3 == 0 else right)) for n in range(9)]
    assert told(*batches) == []


def _capture(folder: Path) -> tuple[PowerSumDetector, list[Finding]]:
    tree, _ = read_directory(folder)
    decoded = decode_resources(tree, Service(), datetime.now(UTC))
    devices: dict[str, list[Reading]] = {}
    for reading in decoded.readings:
        if reading.device_class == "power_unit":
            devices.setdefault(reading.device, []).append(reading)
    detector = PowerSumDetector(PowerSumConfig())
    said: list[Finding] = []
    for second in range(3):
        builder = BatchBuilder(load_catalog()["power_unit"])
        for readings in devices.values():
            builder.add(readings, ts=at(second), host="", rack="r01")
        header = TelemetryHeader(device_class="power_unit", collector="test", sequence=0)
        batch = (header, builder.build())
        said += detector.evaluate(Inputs(at(second), fleet(), [batch], [], []))
    return detector, said


@pytest.mark.fixtures
def test_the_captured_shelf_adds_up_within_tolerance() -> None:
    detector, said = _capture(fixtures() / "redfish" / "powershelf_delta")
    incoming, outgoing = detector.balances("powershelf_0")
    assert (incoming.supplies_watts, incoming.shelf_watts) == (1753.0, 1749.0)
    assert (outgoing.supplies_watts, outgoing.shelf_watts) == (1681.0, 1674.0)
    assert incoming.is_within
    assert outgoing.is_within
    assert incoming.suspects == outgoing.suspects == ()
    assert said == []


@pytest.mark.fixtures
def test_a_doctored_copy_with_one_supply_misreporting_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "capture"
    shutil.copytree(
        fixtures() / "redfish" / "powershelf_delta", copy, copy_function=shutil.copyfile
    )
    (sensors,) = copy.rglob("Sensors/index.json")
    data = json.loads(sensors.read_text())
    (supply,) = [one for one in data["Members"] if one.get("Reading") == 326]
    supply["Reading"] = 26
    sensors.chmod(0o600)
    sensors.write_text(json.dumps(data))
    detector, said = _capture(copy)
    (finding,) = said
    assert finding.device == "powershelf_0"
    assert finding.evidence[0].device == "powershelf_0/psu1"
    assert [one.is_within for one in detector.balances("powershelf_0")] == [True, False]
