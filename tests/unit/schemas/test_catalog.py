"""The catalog: what every metric must be, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, load_catalog
from fleetops_schemas.telemetry import BASE_COLUMNS, NULLS_COLUMN

CLASSES = ("accelerator", "coolant_unit", "fabric_port", "host", "power_unit", "training_rank")
METRICS = [
    pytest.param(declared, metric, id=f"{declared.name}.{metric.name}")
    for declared in load_catalog().classes.values()
    for metric in declared.metrics
]
UNIT_OF_SUFFIX = {
    "celsius": "Cel",
    "watts": "W",
    "joules": "J",
    "volts": "V",
    "amperes": "A",
    "seconds": "s",
    "bytes": "By",
    "bytes_total": "By",
    "megahertz": "MHz",
    "kilopascals": "kPa",
    "litres_per_minute": "L/min",
    "ratio": "1",
    "rpm": "{rev}/min",
}


def test_the_six_classes_are_there() -> None:
    assert tuple(sorted(load_catalog().classes)) == CLASSES


@pytest.mark.parametrize(("declared", "metric"), METRICS)
def test_a_metric_is_consistent(declared: DeviceClass, metric: Metric) -> None:
    low, high = metric.range
    if metric.type.is_integer:
        kind = pa.type_for_alias(metric.type.value)
        pa.scalar(int(low), kind)
        pa.scalar(int(high), kind)  # raises where the column cannot hold it
    if metric.kind is MetricKind.STATE:
        assert set(metric.states) <= set(range(int(low), int(high) + 1))
    if metric.kind is MetricKind.COUNTER:
        assert low == 0
    assert metric.name not in {*BASE_COLUMNS, *declared.labels, NULLS_COLUMN, "samples"}
    assert metric.description.endswith(".")
    for sources in metric.sources.values():
        assert all(source.scale != 0 for source in sources)


@pytest.mark.parametrize(("declared", "metric"), METRICS)
def test_a_name_says_its_unit(declared: DeviceClass, metric: Metric) -> None:
    for suffix, unit in sorted(UNIT_OF_SUFFIX.items(), key=lambda item: -len(item[0])):
        if re.search(rf"(^|_){suffix}$", metric.name) and "_per_second" not in metric.name:
            assert metric.unit == unit
            break


def test_aliases_lead_to_one_metric_of_a_class() -> None:
    """Old and new names of one DCGM field are the same metric."""
    by_name = load_catalog().by_source("dcgm")
    by_id: dict[int, set[str]] = {}
    for found in by_name.values():
        assert len({(declared.name, metric.name) for declared, metric, _ in found}) == 1
        for _, metric, source in found:
            assert source.id is not None
            by_id.setdefault(source.id, set()).add(metric.name)
    assert {number for number, names in by_id.items() if len(names) > 1} == set()
    for name in ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP_CELSIUS"):
        assert by_name[name][0][1].name == "temperature_celsius"


def test_look_ups() -> None:
    catalog = load_catalog()
    host = catalog["host"]
    assert host.metric("power_watts").unit == "W"
    assert host.has_metric("power_watts")
    assert not host.has_metric("nothing")
    with pytest.raises(KeyError, match="host has no metric 'nothing'"):
        host.metric("nothing")
    with pytest.raises(KeyError, match="no device class 'toaster'; there are: accelerator"):
        catalog["toaster"]


METRIC = {
    "name": "x_watts",
    "unit": "W",
    "type": "float32",
    "kind": "gauge",
    "range": [0, 1],
    "description": "X.",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"range": [2, 1]}, "upside down"),
        ({"kind": "state"}, "states are given for kind state"),
        ({"states": {0: "off"}}, "states are given for kind state"),
        ({"name": "X"}, "pattern"),
        ({"name": "x; DROP"}, "pattern"),
        ({"type": "float16"}, "float32"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_bad_metrics_are_refused(change: dict[str, object], message: str) -> None:
    Metric.model_validate(METRIC)
    with pytest.raises(ValidationError, match=message):
        Metric.model_validate(METRIC | change)


def test_a_metric_declared_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="declared twice: x_watts"):
        DeviceClass.model_validate(
            {"name": "x", "description": "", "device_examples": [], "metrics": [METRIC, METRIC]}
        )


def test_the_catalog_is_packaged() -> None:
    import fleetops_schemas  # noqa: PLC0415

    folder = Path(str(fleetops_schemas.__file__)).parent / "catalog"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == list(CLASSES)
