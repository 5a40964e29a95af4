"""The controller of a coolant distribution unit."""

from __future__ import annotations

from collections.abc import Callable

from fleetops.core.clock import Clock
from fleetops.emulator import physics
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.management_log import PUMP_FAILED_RATIO
from fleetops.emulator.sensors import LoopReadings
from fleetops.emulator.servers.redfish.common import SensorFolder, add_manager, add_service
from fleetops.emulator.servers.redfish.tree import OK, Resource, Tree, excerpt, link, status
from fleetops.emulator.topology import PUMPS_PER_LOOP

UNIT = "ThermalEquipment/CDUs/1"
CHASSIS = "Chassis/CDU"
PUMP_WARNING_RATIO = 0.9
"""Speed against setpoint below which the unit marks its pump."""
SENSORS = (
    ("SecondaryFlow", "LiquidFlowLPM", "litres_per_minute"),
    ("SecondarySupplyTemp", "Temperature", "supply_celsius"),
    ("SecondaryReturnTemp", "Temperature", "return_celsius"),
    ("SecondarySupplyPressure", "PressurekPa", "supply_kilopascals"),
    ("SecondaryReturnPressure", "PressurekPa", "return_kilopascals"),
    ("PrimaryFlow", "LiquidFlowLPM", "facility_litres_per_minute"),
    ("PrimarySupplyTemp", "Temperature", "facility_supply_celsius"),
    ("PrimaryReturnTemp", "Temperature", "facility_return_celsius"),
    ("SystemTemperature", "Temperature", "ambient_celsius"),
)
"""Id, ReadingType, column of LoopReadings."""
PG25: Resource = {
    "CoolantType": "Water",
    "AdditiveName": "Propylene glycol",
    "AdditivePercent": 25,
    "SpecificHeatkJoulesPerKgK": physics.SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN / 1000.0,
    "DensityKgPerCubicMeter": physics.DENSITY_KILOGRAMS_PER_LITRE * 1000.0,
}


def coolant_unit_tree(fleet: Fleet, loop: int, clock: Clock) -> Tree:
    """The resources of a coolant unit's controller."""
    tree = Tree()
    name = fleet.layout.loops[loop]
    add_service(tree, name, ("ThermalEquipment", "Chassis", "Managers"))
    add_manager(tree, name, "CDU", fleet.logs, clock)
    builder = _CoolantUnitBuilder(tree, fleet, loop, clock)
    builder.unit()
    builder.sensors()
    builder.connectors()
    builder.pumps()
    builder.reservoir()
    builder.leak_detection()
    return tree


class _CoolantUnitBuilder:
    def __init__(self, tree: Tree, fleet: Fleet, loop: int, clock: Clock) -> None:
        self._tree = tree
        self._fleet = fleet
        self._loop = loop
        self._name = fleet.layout.loops[loop]
        self._sensors = SensorFolder(tree, "CDU", clock)

    @property
    def _readings(self) -> LoopReadings:
        return self._fleet.readings.loops

    def _pump_health(self, pump: int) -> str:
        readings = self._readings
        ratio = (
            readings.pump_speed_percent[self._loop, pump]
            / readings.pump_setpoint_percent[self._loop]
        )
        if ratio < PUMP_FAILED_RATIO:
            return "Critical"
        return "Warning" if ratio < PUMP_WARNING_RATIO else "OK"

    def _rollup(self) -> str:
        health = {self._pump_health(pump) for pump in range(PUMPS_PER_LOOP)}
        return next(word for word in ("Critical", "Warning", "OK") if word in health)

    def unit(self) -> None:
        """The equipment, its chassis and its environment."""
        tree, loop = self._tree, self._loop
        rack = self._fleet.layout.rack_of_loop(loop)
        tree.add(
            "ThermalEquipment",
            "ThermalEquipment.v1_2_0.ThermalEquipment",
            lambda: {
                "Id": "ThermalEquipment",
                "Name": "Cooling Equipment",
                "Status": {"State": "Enabled", "HealthRollup": self._rollup()},
                "CDUs": link("ThermalEquipment/CDUs"),
            },
        )
        tree.add_collection("ThermalEquipment/CDUs", "CoolingUnit", ["1"])
        parts = (
            "PrimaryCoolantConnectors",
            "SecondaryCoolantConnectors",
            "Pumps",
            "Reservoirs",
            "LeakDetection",
            "EnvironmentMetrics",
        )
        tree.add(
            UNIT,
            "CoolingUnit.v1_5_0.CoolingUnit",
            lambda: {
                "Id": "1",
                "EquipmentType": "CDU",
                "Name": self._name,
                "Manufacturer": "FleetOps Emulator",
                "Model": "emulated-cdu",
                "SerialNumber": f"EMU-CDU-{loop:03d}",
                "Status": {**OK, "HealthRollup": self._rollup()},
                "Coolant": PG25,
                "Location": {"Placement": {"Rack": rack}},
                **{part: link(f"{UNIT}/{part}") for part in parts},
                "Links": {"Chassis": [link(CHASSIS)]},
            },
        )
        tree.add(
            f"{UNIT}/EnvironmentMetrics",
            "EnvironmentMetrics.v1_5_0.EnvironmentMetrics",
            lambda: {
                "Id": "EnvironmentMetrics",
                "Name": "Coolant Unit Environment Metrics",
                "TemperatureCelsius": self._shown("SystemTemperature"),
                "PowerWatts": {
                    "Reading": round(float(self._readings.pump_power_watts[loop].sum()), 1)
                },
            },
        )
        tree.add_collection("Chassis", "Chassis", ["CDU"])
        tree.add(
            CHASSIS,
            "Chassis.v1_28_0.Chassis",
            {
                "Id": "CDU",
                "Name": f"Chassis of {self._name}",
                "ChassisType": "RackMount",
                "Location": {"Placement": {"Rack": rack}},
                "Status": OK,
                "Sensors": link(f"{CHASSIS}/Sensors"),
                "Links": {"ManagedBy": [link("Managers/CDU")]},
            },
        )

    def _reader(self, column: str) -> Callable[[], float]:
        """Reads a column of this loop's readings."""
        return lambda: float(getattr(self._readings, column)[self._loop])

    def sensors(self) -> None:
        """The unit's sensors; the connectors show the same."""
        for name, reading_type, column in SENSORS:
            self._sensors.add(name, name, reading_type, "Chassis", self._reader(column))
        self._sensors.close()

    def connectors(self) -> None:
        """To the racks (secondary) and to the facility (primary)."""
        for side, make in (("Secondary", self._secondary), ("Primary", self._primary)):
            path = f"{UNIT}/{side}CoolantConnectors"
            self._tree.add_collection(path, "CoolantConnector", ["1"])
            self._tree.add(f"{path}/1", "CoolantConnector.v1_3_0.CoolantConnector", make)

    def _shown(self, name: str) -> Resource:
        """The excerpt of one of the unit's sensors."""
        column = next(column for sensor, _, column in SENSORS if sensor == name)
        return excerpt(self._reader(column)(), self._sensors.path(name))

    def _secondary(self) -> Resource:
        r, loop = self._readings, self._loop
        warming = float(r.return_celsius[loop] - r.supply_celsius[loop])
        lost = float(r.supply_kilopascals[loop] - r.return_kilopascals[loop])
        return {
            "Id": "1",
            "Name": "Connection to the racks",
            "Status": OK,
            "CoolantConnectorType": "Pair",
            "Coolant": PG25,
            "RatedFlowLitersPerMinute": round(float(r.rated_litres_per_minute[loop]), 1),
            "FlowLitersPerMinute": self._shown("SecondaryFlow"),
            "SupplyTemperatureCelsius": self._shown("SecondarySupplyTemp"),
            "ReturnTemperatureCelsius": self._shown("SecondaryReturnTemp"),
            "DeltaTemperatureCelsius": {"Reading": round(warming, 2)},
            "SupplyPressurekPa": self._shown("SecondarySupplyPressure"),
            "ReturnPressurekPa": self._shown("SecondaryReturnPressure"),
            "DeltaPressurekPa": {"Reading": round(lost, 2)},
            "HeatRemovedkW": {"Reading": round(float(r.heat_removed_watts[loop]) / 1e3, 3)},
        }

    def _primary(self) -> Resource:
        return {
            "Id": "1",
            "Name": "Connection to the facility",
            "Status": OK,
            "CoolantConnectorType": "Pair",
            "Coolant": {"CoolantType": "Water"},
            "FlowLitersPerMinute": self._shown("PrimaryFlow"),
            "SupplyTemperatureCelsius": self._shown("PrimarySupplyTemp"),
            "ReturnTemperatureCelsius": self._shown("PrimaryReturnTemp"),
        }

    def pumps(self) -> None:
        """The two pumps."""
        names = [str(number) for number in range(1, PUMPS_PER_LOOP + 1)]
        self._tree.add_collection(f"{UNIT}/Pumps", "Pump", names)
        for pump, name in enumerate(names):
            self._pump(pump, name)

    def _pump(self, pump: int, name: str) -> None:
        def make() -> Resource:
            readings = self._readings
            percent = float(readings.pump_speed_percent[self._loop, pump])
            return {
                "Id": name,
                "Name": f"Pump {name}",
                "PumpType": "Liquid",
                "Status": status(self._pump_health(pump)),
                "PumpSpeedPercent": {
                    "Reading": round(percent, 1),
                    "SpeedRPM": round(percent / 100.0 * physics.PUMP_RATED_RPM),
                },
                "SpeedControlPercent": {
                    "ControlMode": "Automatic",
                    "SetPoint": round(float(readings.pump_setpoint_percent[self._loop]), 1),
                },
                "InputPowerWatts": {
                    "Reading": round(float(readings.pump_power_watts[self._loop, pump]), 1)
                },
            }

        self._tree.add(f"{UNIT}/Pumps/{name}", "Pump.v1_2_0.Pump", make)

    def reservoir(self) -> None:
        """The reservoir, full."""
        self._tree.add_collection(f"{UNIT}/Reservoirs", "Reservoir", ["1"])
        self._tree.add(
            f"{UNIT}/Reservoirs/1",
            "Reservoir.v1_0_2.Reservoir",
            {
                "Id": "1",
                "Name": "Reservoir",
                "ReservoirType": "Inline",
                "CapacityLiters": 40,
                "Status": OK,
                "FluidLevelStatus": "OK",
                "FluidLevelPercent": {"Reading": 92.0},
            },
        )

    def leak_detection(self) -> None:
        """The unit's own detector, dry."""
        base = f"{UNIT}/LeakDetection"
        self._tree.add(
            base,
            "LeakDetection.v1_2_0.LeakDetection",
            {
                "Id": "LeakDetection",
                "Name": "Leak Detection",
                "Status": OK,
                "LeakDetectors": link(f"{base}/LeakDetectors"),
            },
        )
        self._tree.add_collection(f"{base}/LeakDetectors", "LeakDetector", ["leak0"])
        self._tree.add(
            f"{base}/LeakDetectors/leak0",
            "LeakDetector.v1_2_0.LeakDetector",
            {
                "Id": "leak0",
                "Name": "Moisture Leak Detector",
                "LeakDetectorType": "Moisture",
                "PhysicalContext": "Chassis",
                "DetectorState": "OK",
                "Status": OK,
            },
        )
