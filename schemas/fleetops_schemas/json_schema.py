"""JSON Schema of what travels: telemetry rows from the catalog, control records from the models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fleetops_schemas.catalog import SCHEMA_VERSION, Catalog, DeviceClass, Metric
from fleetops_schemas.records import (
    Action,
    CollectorReport,
    Event,
    Finding,
    Incident,
    Intent,
    Job,
    NodeState,
)
from fleetops_schemas.telemetry import BASE_COLUMNS, NULLS_COLUMN, TelemetryHeader
from fleetops_schemas.topology import HostPlacement

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: tuple[type[BaseModel], ...] = (
    Event,
    Finding,
    Incident,
    Intent,
    Action,
    NodeState,
    Job,
    CollectorReport,
    HostPlacement,
    TelemetryHeader,
)
"""What topics carry as JSON, and the header of telemetry messages."""

Schema = dict[str, Any]


def telemetry_schema(catalog: Catalog) -> Schema:
    """Rows of every device class, as they read once decoded, under ``$defs``."""
    return {
        "$schema": DIALECT,
        "title": "FleetOps telemetry rows",
        "description": f"One row a device a tick. Schema version {SCHEMA_VERSION}.",
        "$defs": {name: row_schema(declared) for name, declared in sorted(catalog.classes.items())},
    }


def records_schema() -> Schema:
    """Every control record, under ``$defs``."""
    # readers ignore fields they do not know, so none is forbidden; defaults may be left out
    _, schema = models_json_schema(
        [(model, "validation") for model in RECORDS], title="FleetOps records"
    )
    return {"$schema": DIALECT, **schema}


def row_schema(device_class: DeviceClass) -> Schema:
    """A row of one device class."""
    texts = (*BASE_COLUMNS[1:], *device_class.labels, NULLS_COLUMN)
    properties: Schema = {
        "ts": {
            "type": "string",
            "format": "date-time",
            "description": "UTC, to the millisecond.",
        },
        **{name: {"type": "string"} for name in texts},
        **{metric.name: _metric_schema(metric) for metric in device_class.metrics},
    }
    properties[NULLS_COLUMN]["description"] = (
        "Why values are null: metric=quality pairs joined by spaces."
    )
    return {
        "type": "object",
        "description": device_class.description,
        "properties": properties,
        "required": [*BASE_COLUMNS, *device_class.labels],
        "additionalProperties": False,
    }


def _metric_schema(metric: Metric) -> Schema:
    low, high = metric.range
    schema: Schema = {
        "type": ["integer" if metric.type.is_integer else "number", "null"],
        "minimum": low,
        "maximum": high,
        "description": metric.description,
        "x-unit": metric.unit,
        "x-kind": metric.kind.value,
    }
    if metric.states:
        schema["x-states"] = {str(number): text for number, text in metric.states.items()}
    return schema
