"""The management controller of a power shelf: supplies, batteries, and the shelf's own meters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetops.emulator.identity import serial_of
from fleetops.emulator.interfaces.redfish.common import (
    ENVIRONMENT,
    MANAGER,
    Sensor,
    add_event_service,
    add_manager,
    add_sensors,
    add_service,
    equipment_identity,
)
from fleetops.emulator.interfaces.redfish.points import points_of
from fleetops.emulator.interfaces.redfish.quirks import Quirk
from fleetops.emulator.interfaces.redfish.telemetry import add_telemetry
from fleetops.emulator.interfaces.redfish.tree import ENABLED, Tree, link
from fleetops_schemas.platforms import RackPower

SHELF = "PowerEquipment/PowerShelves/1"
CHASSIS = "Chassis/PowerShelf"
SUBSYSTEM = f"{CHASSIS}/PowerSubsystem"
SUPPLIES = f"{SUBSYSTEM}/PowerSupplies"
BATTERIES = f"{SUBSYSTEM}/Batteries"
POWER_SHELF = 0
"""The part that is the shelf itself; its supplies follow, then its batteries."""
SHELF_SENSORS = (
    ("TotalOutputPower", "Output Power", "Power", "output_power_watts"),
    ("ShelfOutputVoltage", "Busbar Voltage", "Voltage", "output_voltage_volts"),
    ("ShelfOutputCurrent", "Output Current", "Current", "output_current_amperes"),
)
SUPPLY_SENSORS = (
    ("Load", "Load", "Percent", "load_ratio"),
    ("OutletTemp", "Outlet Temperature", "Temperature", "outlet_temperature_celsius"),
)
"""Id, title, ReadingType, metric; what the standard's own resources have no place for."""


@dataclass(frozen=True, slots=True)
class ShelfShape:
    """What all shelves of a profile have in common."""

    power: RackPower
    supplies: int
    batteries: int
    metrics: Mapping[int, frozenset[str]]
    """By part: those that it has."""
    quirks: frozenset[Quirk] = frozenset()

    @property
    def bays(self) -> list[tuple[str, int]]:
        """Supplies' ids and parts."""
        return [(f"Bay{number}", POWER_SHELF + number) for number in range(1, self.supplies + 1)]

    @property
    def packs(self) -> list[tuple[str, int]]:
        """Batteries' ids and parts."""
        first = POWER_SHELF + self.supplies
        return [(f"BBU{number}", first + number) for number in range(1, self.batteries + 1)]


def power_shelf_tree(shape: ShelfShape) -> Tree:
    """The resources of the controllers of power shelves."""
    tree = Tree()
    add_service(tree, ("PowerEquipment", "Chassis", "Managers"))
    add_event_service(tree)
    add_manager(tree)
    _equipment(tree, shape)
    _subsystem(tree, shape)
    for name, part in shape.bays:
        _supply(tree, shape, name, part)
    for name, part in shape.packs:
        _battery(tree, shape.metrics[part], name, part)
    as_text = Quirk.STRING_READINGS in shape.quirks
    add_sensors(tree, "PowerShelf", _sensors(shape), as_text=as_text)
    add_telemetry(tree, shape.quirks)
    return tree


def _equipment(tree: Tree, shape: ShelfShape) -> None:
    own = shape.metrics[POWER_SHELF]
    tree.add(
        "PowerEquipment",
        "PowerEquipment.v1_2_3.PowerEquipment",
        {
            "Name": "Power Equipment",
            "Status": ENABLED,
            "PowerShelves": link("PowerEquipment/PowerShelves"),
        },
    )
    tree.add_collection("PowerEquipment/PowerShelves", "PowerDistribution", ["1"])
    tree.add(
        SHELF,
        "PowerDistribution.v1_6_0.PowerDistribution",
        {
            "EquipmentType": "PowerShelf",
            "Manufacturer": "FleetOps Emulator",
            "Model": shape.power.name,
            "Status": ENABLED,
            "Metrics": link(f"{SHELF}/Metrics"),
            "Links": {"Chassis": [link(CHASSIS)]},
        },
        points=points_of("PowerDistribution", "power_unit", POWER_SHELF, own - {"redundancy_lost"}),
        live=equipment_identity,
    )
    tree.add(
        f"{SHELF}/Metrics",
        "PowerDistributionMetrics.v1_4_0.PowerDistributionMetrics",
        {"Name": "Summary Metrics"},
        points=points_of("PowerDistributionMetrics", "power_unit", POWER_SHELF, own),
        report=ENVIRONMENT,
    )
    tree.add_collection("Chassis", "Chassis", ["PowerShelf"])
    tree.add(
        CHASSIS,
        "Chassis.v1_28_0.Chassis",
        {
            "ChassisType": "Shelf",
            "Status": ENABLED,
            "PowerSubsystem": link(SUBSYSTEM),
            "Sensors": link(f"{CHASSIS}/Sensors"),
            "Links": {
                "PowerDistribution": link(SHELF),
                "ManagedBy": [link(f"Managers/{MANAGER}")],
            },
        },
        live=equipment_identity,
    )


def _subsystem(tree: Tree, shape: ShelfShape) -> None:
    """One supply more than needed."""
    bays = [name for name, _ in shape.bays]
    packs = [name for name, _ in shape.packs]
    needed = max(shape.supplies - 1, 1)
    own = shape.metrics[POWER_SHELF] - {"health"}
    tree.add_collection(SUPPLIES, "PowerSupply", bays)
    if packs:
        tree.add_collection(BATTERIES, "Battery", packs)
    tree.add(
        SUBSYSTEM,
        "PowerSubsystem.v1_1_3.PowerSubsystem",
        {
            "Name": "Power Subsystem",
            "CapacityWatts": float(shape.power.supplies.rated_watts) * needed,
            "PowerSupplyRedundancy": [
                {
                    "RedundancyType": "NPlusM",
                    "MaxSupportedInGroup": shape.supplies,
                    "MinNeededInGroup": needed,
                    "RedundancyGroup": [link(f"{SUPPLIES}/{name}") for name in bays],
                    "Status": ENABLED,
                }
            ],
            "PowerSupplies": link(SUPPLIES),
            **({"Batteries": link(BATTERIES)} if packs else {}),
            "Status": ENABLED,
        },
        points=points_of("PowerSubsystem", "power_unit", POWER_SHELF, own),
    )


def _supply(tree: Tree, shape: ShelfShape, name: str, part: int) -> None:
    own, path = shape.metrics[part], f"{SUPPLIES}/{name}"
    figures = shape.power.supplies
    works = "Standby" if Quirk.STANDBY_SUPPLY in shape.quirks else "Enabled"
    tree.add(
        path,
        "PowerSupply.v1_6_0.PowerSupply",
        {
            "Name": f"Power Supply {name}",
            "Manufacturer": "FleetOps Emulator",
            "Model": "emulated-psu",
            "PowerCapacityWatts": float(figures.rated_watts),
            "OutputRails": [
                {"NominalVoltage": float(figures.output_volts), "PhysicalContext": "DCBus"}
            ],
            "HotPluggable": True,
            "Metrics": link(f"{path}/Metrics"),
            "Location": {"PartLocation": {"LocationType": "Bay", "LocationOrdinalValue": part}},
        },
        points=points_of("PowerSupply", "power_unit", part, own),
        live=lambda view: {
            "SerialNumber": serial_of(f"{view.name}/psu{part}"),
            "Status": {"State": works if view.is_present(part) else "Absent"},
        },
    )
    tree.add(
        f"{path}/Metrics",
        "PowerSupplyMetrics.v1_2_0.PowerSupplyMetrics",
        {"Name": f"Metrics of power supply {name}"},
        points=points_of("PowerSupplyMetrics", "power_unit", part, own - {"health"}),
        report=ENVIRONMENT,
    )


def _battery(tree: Tree, own: frozenset[str], name: str, part: int) -> None:
    path = f"{BATTERIES}/{name}"
    tree.add(
        path,
        "Battery.v1_5_0.Battery",
        {
            "Name": f"Battery {name}",
            "Manufacturer": "FleetOps Emulator",
            "Model": "emulated-bbu",
            "Status": ENABLED,
            "Metrics": link(f"{path}/Metrics"),
        },
        points=points_of("Battery", "power_unit", part, own),
        live=lambda view: {"SerialNumber": serial_of(f"{view.name}/{name.lower()}")},
    )
    tree.add(
        f"{path}/Metrics",
        "BatteryMetrics.v1_1_0.BatteryMetrics",
        {"Name": f"Metrics of battery {name}"},
        points=points_of("BatteryMetrics", "power_unit", part, own),
        report=ENVIRONMENT,
    )


def _sensors(shape: ShelfShape) -> list[Sensor]:
    found = [
        Sensor(name, title, kind, "PowerSupply", "power_unit", metric, POWER_SHELF)
        for name, title, kind, metric in SHELF_SENSORS
        if metric in shape.metrics[POWER_SHELF]
    ]
    for number, (_, part) in enumerate(shape.bays, start=1):
        found += [
            Sensor(f"PS{number}{name}", f"PS{number} {title}", kind, "PowerSupply", "power_unit",
                   metric, part)
            for name, title, kind, metric in SUPPLY_SENSORS
            if metric in shape.metrics[part]
        ]  # fmt: skip
    return found
