"""What the child's answers mean: units, absence, blanks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.nvml import child, decode_device, parse_answer
from fleetops_collectors.nvml.fields import field_ids
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NOT_SUPPORTED, NO_PERMISSION, UNKNOWN = 3, 4, 999


def decoded(
    values: dict[str, float] | None = None, errors: dict[str, int] | None = None
) -> Decoded:
    line = json.dumps({"device": 3, "values": values or {}, "errors": errors or {}})
    found = decode_device(parse_answer(line), "node001", NOW)
    check_readings(found.readings)
    return found


@pytest.mark.parametrize(
    ("name", "raw", "metric", "value"),
    [
        ("nvmlDeviceGetTemperature", 61, "temperature_celsius", 61),
        ("nvmlDeviceGetMarginTemperature", -3, "temperature_margin_celsius", -3),
        ("nvmlDeviceGetPowerUsage", 512250, "power_watts", 512.25),
        ("nvmlDeviceGetPowerManagementLimit", 700000, "power_limit_watts", 700),
        ("83", 4742776, "energy_joules", 4742.776),
        ("75", 1_500_000_000, "thermal_violation_seconds", 1.5),
        ("74", 2_500_000_000, "power_violation_seconds", 2.5),
        ("nvmlDeviceGetUtilizationRates.gpu", 97, "utilization_ratio", 0.97),
        ("nvmlDeviceGetMemoryInfo.used", 4294967296, "memory_used_bytes", 4294967296),
        ("nvmlDeviceGetPcieThroughput.tx", 1200, "pcie_transmit_bytes_per_second", 1_200_000),
        ("nvmlDeviceGetCurrentClocksEventReasons", 0x48, "throttle_reasons", 0x48),
        ("230", 4, "recovery_action", 4),
        ("145", 1, "row_remap_failed", 1),
    ],
)
def test_units_become_the_catalogs(name: str, raw: float, metric: str, value: float) -> None:
    (reading,) = decoded({name: raw}).readings
    assert (reading.device, reading.metric) == ("node001/gpu3", metric)
    assert reading.value == pytest.approx(value)


def test_every_source_of_the_catalog_is_read_by_the_child() -> None:
    """A name in the catalog that the child does not know would be read by nobody."""
    text = Path(child.__file__).read_text()
    for metric in load_catalog()["accelerator"].metrics:
        for source in metric.sources.get("nvml", ()):
            call, _, part = source.name.partition(".")
            assert source.id is not None or f'"{call}"' in text, source
            assert not part or f'"{part}"' in text, source
    assert len(field_ids()) == len(set(field_ids()))


def test_field_numbers_are_those_of_the_library() -> None:
    pynvml = pytest.importorskip("pynvml")
    for metric in load_catalog()["accelerator"].metrics:
        for source in metric.sources.get("nvml", ()):
            if source.id is not None:
                assert getattr(pynvml, source.name) == source.id


@pytest.mark.parametrize("error", [2, 3, 6, 13, 25, 26])
def test_what_the_board_does_not_have_is_absent_and_no_warning(error: int) -> None:
    found = decoded(errors={"82": error, "nvmlDeviceGetClockInfo": error})
    assert {(r.metric, r.value, r.quality) for r in found.readings} == {
        ("memory_temperature_celsius", None, Quality.ABSENT),
        ("sm_clock_megahertz", None, Quality.ABSENT),
        ("memory_clock_megahertz", None, Quality.ABSENT),
    }
    assert found.problems == []


def test_what_cannot_be_read_is_missing_and_says_why() -> None:
    found = decoded(errors={"3": NO_PERMISSION, "4": NO_PERMISSION, "83": UNKNOWN})
    assert {r.quality for r in found.readings} == {Quality.MISSING}
    assert found.problems == [
        "node001/gpu3: no permission: NVML_FI_DEV_ECC_SBE_VOL_TOTAL, NVML_FI_DEV_ECC_DBE_VOL_TOTAL",
        "node001/gpu3: unknown error: NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    ]


@pytest.mark.parametrize(
    ("name", "raw", "quality"),
    [
        ("82", 0, Quality.SENTINEL),  # a board without the sensor
        ("94", 4294967295, Quality.SATURATED),
        ("3", 18446744073709551615, Quality.SATURATED),
        ("nvmlDeviceGetPowerUsage", 4294967295, Quality.SENTINEL),
        ("nvmlDeviceGetTemperature", 255, Quality.OUT_OF_RANGE),
        ("230", 99, Quality.OUT_OF_RANGE),
    ],
)
def test_numbers_that_are_no_values(name: str, raw: int, quality: Quality) -> None:
    (reading,) = decoded({name: raw}).readings
    assert (reading.value, reading.quality) == (None, quality)


def test_the_better_word_for_a_value_is_taken() -> None:
    """The brake's own time where the driver has it, else the board limit's."""
    both = decoded({"271": 1e9, "77": 9e9}).readings
    older = decoded({"77": 9e9}, {"271": NOT_SUPPORTED}).readings
    assert [(r.metric, r.value) for r in both] == [("hardware_violation_seconds", 1.0)]
    assert [(r.metric, r.value) for r in older] == [("hardware_violation_seconds", 9.0)]


def test_identity() -> None:
    identity: dict[str, Any] = {
        "uuid": "GPU-1",
        "serial": "165",
        "model": "H100",
        "firmware": "96.00",
        "address": "00000000:31:00.0",
    }
    line = json.dumps({"device": 0, "values": {}, "errors": {}, "identity": identity})
    (found,) = decode_device(parse_answer(line), "node001", NOW).identities
    assert (found.device, found.key) == ("node001/gpu0", "nvml:node001/gpu0")
    assert (found.uuid, found.serial, found.manufacturer) == ("GPU-1", "165", "NVIDIA")


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"device": -1, "values": {}, "errors": {}}', b"\xff", b'{"a":1}']
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(InputError, match="no answer about a device"):
        parse_answer(line)
