"""The JSON Schemas accept what the product writes, and refuse what it would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.json_schema import RECORDS, records_schema, telemetry_schema
from fleetops_schemas.records import Record
from tests.contract.store_data import ACTION, EVENT, FINDING, INCIDENT


def validator(schema: dict[str, Any], name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})


@pytest.mark.parametrize(
    "record", [EVENT, FINDING, INCIDENT, ACTION], ids=lambda r: type(r).__name__
)
def test_records(record: Record) -> None:
    data = json.loads(record.encode())
    check = validator(records_schema(), type(record).__name__)
    check.validate(data)
    check.validate(data | {"of_a_newer_writer": 1})
    with pytest.raises(ValidationError, match="'id' is a required property"):
        check.validate({name: value for name, value in data.items() if name != "id"})


def test_every_record_is_there() -> None:
    assert {model.__name__ for model in RECORDS} <= records_schema()["$defs"].keys()


ROW = {
    "ts": "2026-11-21T10:00:00.000Z",
    "device": "node001/gpu0",
    "host": "node001",
    "rack": "r01",
    "temperature_celsius": 61.5,
    "health": 1,
    "power_watts": None,
    "nulls": "power_watts=stale",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature_celsius": 1000}, "greater than the maximum"),
        ({"temperature_celsius": "61"}, "not of type"),
        ({"health": 0.5}, "not of type"),
        ({"unheard_of": 1}, "unexpected"),
        ({"device": None}, "not of type"),
    ],
)
def test_telemetry_rows(change: dict[str, object], message: str) -> None:
    check = validator(telemetry_schema(load_catalog()), "accelerator")
    check.validate(ROW)
    with pytest.raises(ValidationError, match=message):
        check.validate(ROW | change)


def test_labels_are_required() -> None:
    check = validator(telemetry_schema(load_catalog()), "training_rank")
    rank = {name: ROW[name] for name in ("ts", "device", "host", "rack")}
    check.validate(rank | {"job": "81"})
    with pytest.raises(ValidationError, match="'job' is a required property"):
        check.validate(rank)


def test_units_kinds_and_states_are_told() -> None:
    row = telemetry_schema(load_catalog())["$defs"]["accelerator"]["properties"]
    assert row["temperature_celsius"]["x-unit"] == "Cel"
    assert row["health"]["x-states"] == {"0": "ok", "1": "warning", "2": "critical"}
    assert row["energy_joules"]["x-kind"] == "counter"
