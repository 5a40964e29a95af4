"""Redfish resources in a few words, and what the decoder makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish import Service, Tree, decode_resources
from fleetops_schemas.readings import Reading
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.redfish_service import ENABLED, resource

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
V1 = "/redfish/v1"
GPU = f"{V1}/Systems/HGX/Processors/GPU_0"
HOST = Service(host="node001")


def decode(*resources: dict[str, Any], service: Service = HOST) -> Decoded:
    tree = Tree()
    for item in resources:
        tree.put(item["@odata.id"], item)
    result = decode_resources(tree, service, NOW)
    check_readings(result.readings)
    return result


def only(result: Decoded) -> Reading:
    (reading,) = result.readings
    return reading


def sensor(
    name: str, reading: object, chassis: str = "Tray", **properties: object
) -> dict[str, Any]:
    status = properties.pop("Status", ENABLED)
    uri = f"{V1}/Chassis/{chassis}/Sensors/{name}"
    return resource(uri, "Sensor", Reading=reading, Status=status, **properties)


def inlet(reading: object, **properties: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    return sensor("Inlet", reading, ReadingUnits="Cel", PhysicalContext="Intake", **properties)


def gpu(**properties: object) -> dict[str, Any]:
    return resource(GPU, "Processor", ProcessorType="GPU", **properties)
