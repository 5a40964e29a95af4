"""The controller of a power shelf with six supplies."""

from __future__ import annotations

from collections.abc import Callable

from fleetops.core.clock import Clock
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.sensors import (
    BUSBAR_VOLTS,
    MAINS_HERTZ,
    SUPPLY_CAPACITY_WATTS,
    ShelfReadings,
)
from fleetops.emulator.servers.redfish.common import SensorFolder, add_manager, add_service
from fleetops.emulator.servers.redfish.tree import OK, Resource, Tree, excerpt, link, status
from fleetops.emulator.topology import SUPPLIES_PER_SHELF

SHELF = "PowerEquipment/PowerShelves/1"
CHASSIS = "Chassis/PowerShelf"
SUBSYSTEM = f"{CHASSIS}/PowerSubsystem"
SUPPLIES = f"{SUBSYSTEM}/PowerSupplies"
NEEDED_SUPPLIES = SUPPLIES_PER_SHELF - 1
FAN_RPM_AT_FULL = 18_000
LIVE_VOLTS = 1.0


def power_shelf_tree(fleet: Fleet, shelf: int, clock: Clock) -> Tree:
    """The resources of a power shelf's controller."""
    tree = Tree()
    name = fleet.layout.shelves[shelf]
    add_service(tree, name, ("PowerEquipment", "Chassis", "Managers"))
    add_manager(tree, name, "BMC", fleet.logs, clock)
    builder = _PowerShelfBuilder(tree, fleet, shelf, clock)
    builder.shelf()
    builder.chassis()
    builder.subsystem()
    for supply in range(SUPPLIES_PER_SHELF):
        builder.supply(supply)
    builder.sensors()
    return tree


class _PowerShelfBuilder:
    def __init__(self, tree: Tree, fleet: Fleet, shelf: int, clock: Clock) -> None:
        self._tree = tree
        self._fleet = fleet
        self._shelf = shelf
        self._name = fleet.layout.shelves[shelf]
        self._sensors = SensorFolder(tree, "PowerShelf", clock)

    @property
    def _readings(self) -> ShelfReadings:
        return self._fleet.readings.shelves

    def _health(self) -> str:
        return "OK" if self._readings.working[self._shelf].all() else "Warning"

    def _input_watts(self) -> float:
        return float(self._readings.input_watts[self._shelf].sum())

    def _output_watts(self) -> float:
        return float(self._readings.output_watts[self._shelf].sum())

    def shelf(self) -> None:
        """The equipment and its metrics."""
        tree, index = self._tree, self._shelf
        tree.add(
            "PowerEquipment",
            "PowerEquipment.v1_2_3.PowerEquipment",
            lambda: {
                "Id": "PowerEquipment",
                "Name": "Power Equipment",
                "Status": {**OK, "HealthRollup": self._health()},
                "PowerShelves": link("PowerEquipment/PowerShelves"),
            },
        )
        tree.add_collection("PowerEquipment/PowerShelves", "PowerDistribution", ["1"])
        tree.add(
            SHELF,
            "PowerDistribution.v1_6_0.PowerDistribution",
            lambda: {
                "Id": "1",
                "EquipmentType": "PowerShelf",
                "Name": self._name,
                "Manufacturer": "FleetOps Emulator",
                "Model": "emulated-shelf",
                "SerialNumber": f"EMU-PS-{index:03d}",
                "Status": status(self._health()),
                "Location": {"Placement": {"Rack": self._fleet.layout.rack_of_loop(index)}},
                "Metrics": link(f"{SHELF}/Metrics"),
                "Links": {"Chassis": [link(CHASSIS)]},
            },
        )
        tree.add(
            f"{SHELF}/Metrics",
            "PowerDistributionMetrics.v1_4_0.PowerDistributionMetrics",
            lambda: {
                "Id": "Metrics",
                "Name": "Summary Metrics",
                "PowerWatts": excerpt(
                    self._input_watts(), self._sensors.path("TotalInputPower"), 1
                ),
                "EnergykWh": {
                    "Reading": round(float(self._readings.energy_kilowatt_hours[index].sum()), 3)
                },
                "TemperatureCelsius": {
                    "Reading": round(float(self._readings.temperature_celsius[index].max()), 1)
                },
            },
        )

    def chassis(self) -> None:
        """The shelf's chassis."""
        self._tree.add_collection("Chassis", "Chassis", ["PowerShelf"])
        self._tree.add(
            CHASSIS,
            "Chassis.v1_28_0.Chassis",
            lambda: {
                "Id": "PowerShelf",
                "Name": f"Chassis of {self._name}",
                "ChassisType": "Shelf",
                "Status": status(self._health()),
                "PowerSubsystem": link(SUBSYSTEM),
                "Sensors": link(f"{CHASSIS}/Sensors"),
                "Links": {
                    "PowerDistribution": link(SHELF),
                    "ManagedBy": [link("Managers/BMC")],
                },
            },
        )

    def subsystem(self) -> None:
        """Redundancy: five of six carry the load."""
        names = [_bay(supply) for supply in range(SUPPLIES_PER_SHELF)]
        self._tree.add_collection(SUPPLIES, "PowerSupply", names)
        self._tree.add(
            SUBSYSTEM,
            "PowerSubsystem.v1_1_3.PowerSubsystem",
            lambda: {
                "Id": "PowerSubsystem",
                "Name": "Power Subsystem",
                "CapacityWatts": SUPPLY_CAPACITY_WATTS * NEEDED_SUPPLIES,
                "PowerSupplyRedundancy": [
                    {
                        "RedundancyType": "NPlusM",
                        "MaxSupportedInGroup": SUPPLIES_PER_SHELF,
                        "MinNeededInGroup": NEEDED_SUPPLIES,
                        "RedundancyGroup": [link(f"{SUPPLIES}/{name}") for name in names],
                        "Status": status(self._health()),
                    }
                ],
                "PowerSupplies": link(SUPPLIES),
                "Status": status(self._health()),
            },
        )

    def supply(self, supply: int) -> None:
        """One supply and its metrics."""
        name = _bay(supply)
        path = f"{SUPPLIES}/{name}"

        def state() -> Resource:
            working = bool(self._readings.working[self._shelf, supply])
            return status("OK" if working else "Critical")

        self._tree.add(
            path,
            "PowerSupply.v1_6_0.PowerSupply",
            lambda: {
                "Id": name,
                "Name": f"Power Supply {name}",
                "Manufacturer": "FleetOps Emulator",
                "Model": "emulated-psu",
                "PowerCapacityWatts": SUPPLY_CAPACITY_WATTS,
                "OutputRails": [{"NominalVoltage": BUSBAR_VOLTS, "PhysicalContext": "DCBus"}],
                "HotPluggable": True,
                "Status": state(),
                "Metrics": link(f"{path}/Metrics"),
                "Location": {
                    "PartLocation": {"LocationType": "Bay", "LocationOrdinalValue": supply}
                },
            },
        )
        self._tree.add(
            f"{path}/Metrics",
            "PowerSupplyMetrics.v1_2_0.PowerSupplyMetrics",
            lambda: {**self._supply_metrics(supply), "Status": state()},
        )

    def _electrical(self, supply: int) -> dict[str, float]:
        """What a supply measures, by the name of the sensor."""
        r, at = self._readings, (self._shelf, supply)
        volts, out = float(r.output_volts[at]), float(r.output_watts[at])
        drawn, mains = float(r.input_watts[at]), float(r.input_volts[at])
        return {
            "InputVoltage": mains,
            "InputCurrent": drawn / mains,
            "InputPower": drawn,
            "OutputVoltage": volts,
            "OutputCurrent": out / volts if volts > LIVE_VOLTS else 0.0,
            "OutputPower": out,
        }

    def _reader(self, supply: int, name: str) -> Callable[[], float]:
        return lambda: self._electrical(supply)[name]

    def _supply_metrics(self, supply: int) -> Resource:
        r, at = self._readings, (self._shelf, supply)
        fan = float(r.fan_percent[at])
        shown = {
            name: excerpt(value, self._sensors.path(f"PS{supply + 1}{name}"), 3)
            for name, value in self._electrical(supply).items()
        }
        return {
            "Id": "Metrics",
            "Name": f"Metrics for Power Supply {_bay(supply)}",
            "InputVoltage": shown["InputVoltage"],
            "InputCurrentAmps": shown["InputCurrent"],
            "InputPowerWatts": shown["InputPower"],
            "FrequencyHz": {"Reading": MAINS_HERTZ},
            "RailVoltage": [shown["OutputVoltage"]],
            "RailCurrentAmps": [shown["OutputCurrent"]],
            "OutputPowerWatts": shown["OutputPower"],
            "EnergykWh": {"Reading": round(float(r.energy_kilowatt_hours[at]), 3)},
            "TemperatureCelsius": {"Reading": round(float(r.temperature_celsius[at]), 1)},
            "FanSpeedPercent": {
                "Reading": round(fan, 1),
                "SpeedRPM": round(fan / 100.0 * FAN_RPM_AT_FULL),
            },
        }

    def sensors(self) -> None:
        """The shelf's own sums, and each supply's voltages, currents and powers."""
        sensors = self._sensors
        sensors.add("TotalInputPower", "Input Power", "Power", "PowerSupply", self._input_watts)
        sensors.add("TotalOutputPower", "Output Power", "Power", "PowerSupply", self._output_watts)
        for supply in range(SUPPLIES_PER_SHELF):
            for name in self._electrical(supply):
                kind = next(kind for kind in ("Voltage", "Current", "Power") if kind in name)
                sensors.add(
                    f"PS{supply + 1}{name}",
                    f"Power Supply {supply + 1} {name}",
                    kind,
                    "PowerSupply",
                    self._reader(supply, name),
                )
        sensors.close()


def _bay(supply: int) -> str:
    return f"Bay{supply + 1}"
