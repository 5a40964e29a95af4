"""The management controller of a coolant distribution unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetops.emulator.interfaces.redfish.common import (
    ENVIRONMENT,
    MANAGER,
    LeakDetector,
    add_event_service,
    add_leak_detection,
    add_manager,
    add_service,
    equipment_identity,
)
from fleetops.emulator.interfaces.redfish.points import points_of
from fleetops.emulator.interfaces.redfish.quirks import Quirk
from fleetops.emulator.interfaces.redfish.telemetry import add_telemetry
from fleetops.emulator.interfaces.redfish.tree import ENABLED, Resource, Tree, link
from fleetops.emulator.model.coolant import (
    DENSITY_KILOGRAMS_PER_LITRE,
    SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN,
)
from fleetops_schemas.platforms import CoolantUnit

UNIT = "ThermalEquipment/CDUs/1"
CHASSIS = "Chassis/CDU"
COOLANT_UNIT = 0
"""The part that is the unit itself; its pumps follow, then its leak detector."""
CONTROL_VALVE = frozenset({"valve_position_ratio"})
"""In the facility's water, and not in the racks' loop."""
RATED_FILTER_HOURS = 10_000
PG25: Resource = {
    "CoolantType": "Water",
    "AdditiveName": "Propylene glycol",
    "AdditivePercent": 25,
    "SpecificHeatkJoulesPerKgK": SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN / 1e3,
    "DensityKgPerCubicMeter": DENSITY_KILOGRAMS_PER_LITRE * 1e3,
}


@dataclass(frozen=True, slots=True)
class UnitShape:
    """What all coolant units of a profile have in common."""

    unit: CoolantUnit
    pumps: int
    metrics: Mapping[int, frozenset[str]]
    """By part: those that it has."""
    quirks: frozenset[Quirk] = frozenset()


def coolant_unit_tree(shape: UnitShape) -> Tree:
    """The resources of the controllers of coolant units."""
    tree = Tree()
    add_service(tree, ("ThermalEquipment", "Chassis", "Managers"))
    add_event_service(tree)
    add_manager(tree)
    _equipment(tree, shape)
    _connectors(tree, shape.metrics[COOLANT_UNIT])
    _pumps(tree, shape)
    _stores(tree, shape)
    part = COOLANT_UNIT + shape.pumps + 1
    detector = LeakDetector("Unit Leak Detector", part, shape.metrics[part])
    add_leak_detection(tree, f"{UNIT}/LeakDetection", detector, shape.quirks)
    add_telemetry(tree, shape.quirks)
    return tree


def _equipment(tree: Tree, shape: UnitShape) -> None:
    own = shape.metrics[COOLANT_UNIT]
    tree.add(
        "ThermalEquipment",
        "ThermalEquipment.v1_2_0.ThermalEquipment",
        {
            "Name": "Cooling Equipment",
            "Status": ENABLED,
            "CDUs": link("ThermalEquipment/CDUs"),
        },
    )
    tree.add_collection("ThermalEquipment/CDUs", "CoolingUnit", ["1"])
    parts = (
        "PrimaryCoolantConnectors",
        "SecondaryCoolantConnectors",
        "Pumps",
        "Reservoirs",
        "Filters",
        "LeakDetection",
        "EnvironmentMetrics",
    )
    tree.add(
        UNIT,
        "CoolingUnit.v1_5_0.CoolingUnit",
        {
            "EquipmentType": "CDU",
            "Manufacturer": "FleetOps Emulator",
            "Model": shape.unit.name,
            "Status": ENABLED,
            "Coolant": PG25,
            **{part: link(f"{UNIT}/{part}") for part in parts},
            "Links": {"Chassis": [link(CHASSIS)]},
        },
        points=points_of("CoolingUnit", "coolant_unit", COOLANT_UNIT, own),
        live=equipment_identity,
    )
    tree.add(
        f"{UNIT}/EnvironmentMetrics",
        "EnvironmentMetrics.v1_5_0.EnvironmentMetrics",
        {"Name": "Coolant Unit Environment Metrics"},
        points=points_of("EnvironmentMetrics", "coolant_unit", COOLANT_UNIT, own),
        report=ENVIRONMENT,
    )
    tree.add_collection("Chassis", "Chassis", ["CDU"])
    tree.add(
        CHASSIS,
        "Chassis.v1_28_0.Chassis",
        {
            "ChassisType": "RackMount",
            "Status": ENABLED,
            "Links": {
                "CoolingUnits": [link(UNIT)],
                "ManagedBy": [link(f"Managers/{MANAGER}")],
            },
        },
        live=equipment_identity,
    )


def _connectors(tree: Tree, own: frozenset[str]) -> None:
    """To the racks (secondary) and to the facility (primary)."""
    for side, kind, metrics, about in (
        (
            "Secondary",
            "CoolantConnector",
            own - CONTROL_VALVE,
            {"Name": "To the racks", "Coolant": PG25},
        ),
        (
            "Primary",
            "PrimaryCoolantConnector",
            own,
            {"Name": "To the facility", "Coolant": {"CoolantType": "Water"}},
        ),
    ):
        path = f"{UNIT}/{side}CoolantConnectors"
        tree.add_collection(path, "CoolantConnector", ["1"])
        tree.add(
            f"{path}/1",
            "CoolantConnector.v1_3_0.CoolantConnector",
            {**about, "Status": ENABLED, "CoolantConnectorType": "Pair"},
            points=points_of(kind, "coolant_unit", COOLANT_UNIT, metrics - {"health"}),
            report=ENVIRONMENT,
        )


def _pumps(tree: Tree, shape: UnitShape) -> None:
    names = [str(number) for number in range(1, shape.pumps + 1)]
    tree.add_collection(f"{UNIT}/Pumps", "Pump", names)
    for part, name in enumerate(names, start=COOLANT_UNIT + 1):
        tree.add(
            f"{UNIT}/Pumps/{name}",
            "Pump.v1_2_0.Pump",
            {"Name": f"Pump {name}", "PumpType": "Liquid", "Status": ENABLED},
            points=points_of("Pump", "coolant_unit", part, shape.metrics[part]),
        )


def _stores(tree: Tree, shape: UnitShape) -> None:
    """The reservoir, and the filter before the pumps."""
    own = shape.metrics[COOLANT_UNIT]
    tree.add_collection(f"{UNIT}/Reservoirs", "Reservoir", ["1"])
    tree.add(
        f"{UNIT}/Reservoirs/1",
        "Reservoir.v1_0_2.Reservoir",
        {
            "Name": "Reservoir",
            "ReservoirType": "Inline",
            "CapacityLiters": float(shape.unit.volume_litres),
            "Status": ENABLED,
        },
        points=points_of("Reservoir", "coolant_unit", COOLANT_UNIT, own - {"health"}),
        report=ENVIRONMENT,
    )
    tree.add_collection(f"{UNIT}/Filters", "Filter", ["1"])
    tree.add(
        f"{UNIT}/Filters/1",
        "Filter.v1_1_0.Filter",
        {
            "Name": "Filter before the pumps",
            "RatedServiceHours": RATED_FILTER_HOURS,
            "Replaceable": True,
            "HotPluggable": False,
            "Status": ENABLED,
        },
        points=points_of("Filter", "coolant_unit", COOLANT_UNIT, own - {"health"}),
        report=ENVIRONMENT,
    )
