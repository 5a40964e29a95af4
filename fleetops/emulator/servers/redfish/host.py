"""The management controller of a host: one tray, its sensors, its coolant and leak detector."""

from __future__ import annotations

from collections.abc import Callable

from fleetops.core.clock import Clock
from fleetops.emulator import physics
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.sensors import HostReadings
from fleetops.emulator.servers.redfish.common import SensorFolder, add_manager, add_service
from fleetops.emulator.servers.redfish.tree import OK, Resource, Tree, excerpt, link, status
from fleetops.emulator.topology import PLATFORM

TRAY = "Chassis/Tray"
SYSTEM = "Systems/1"
THERMAL = f"{TRAY}/ThermalSubsystem"
FAN_RPM_AT_FULL = 12_000
LEAK_STATES = (("OK", "OK"), ("Warning", "Warning"), ("Critical", "Critical"))
"""By level: DetectorState and Status.Health."""
SENSORS = (
    ("IntakeTemp", "Air Intake Temperature", "Temperature", "Intake", "air_inlet_celsius"),
    ("ExhaustTemp", "Air Exhaust Temperature", "Temperature", "Exhaust", "air_outlet_celsius"),
    ("DIMMTemp", "Hottest DIMM", "Temperature", "Memory", "memory_temperature_celsius"),
    ("TotalPower", "Tray Power", "Power", "Chassis", "power_watts"),
    ("CoolantFlow", "Coolant Flow", "LiquidFlowLPM", "LiquidInlet", "litres_per_minute"),
    ("CoolantSupplyTemp", "Coolant Supply", "Temperature", "LiquidInlet", "supply_celsius"),
    ("CoolantReturnTemp", "Coolant Return", "Temperature", "LiquidOutlet", "return_celsius"),
)
"""Id, name, ReadingType, PhysicalContext, column of HostReadings."""
CPU_SENSORS = (
    ("Temp", "Temperature", "cpu_temperature_celsius"),
    ("Power", "Power", "cpu_power_watts"),
)


def host_tree(fleet: Fleet, host: int, clock: Clock) -> Tree:
    """The resources of a host's controller."""
    tree = Tree()
    name = fleet.layout.hosts[host]
    add_service(tree, name, ("Systems", "Chassis", "Managers"))
    add_manager(tree, name, "BMC", fleet.logs, clock)
    builder = _HostBuilder(tree, fleet, host, clock)
    builder.system()
    builder.chassis()
    builder.sensors()
    builder.coolant()
    builder.leak_detection()
    return tree


class _HostBuilder:
    def __init__(self, tree: Tree, fleet: Fleet, host: int, clock: Clock) -> None:
        self._tree = tree
        self._fleet = fleet
        self._host = host
        self._name = fleet.layout.hosts[host]
        self._sensors = SensorFolder(tree, "Tray", clock)

    @property
    def _readings(self) -> HostReadings:
        return self._fleet.readings.hosts

    def _leak(self) -> tuple[str, str]:
        return LEAK_STATES[int(self._readings.leak_level[self._host])]

    def system(self) -> None:
        """The computer system and its two CPUs."""
        tree, host = self._tree, self._host
        tree.add_collection("Systems", "ComputerSystem", ["1"])
        tree.add(
            SYSTEM,
            "ComputerSystem.v1_27_0.ComputerSystem",
            lambda: {
                "Id": "1",
                "Name": self._name,
                "HostName": self._name,
                "SystemType": "Physical",
                "Manufacturer": "FleetOps Emulator",
                "Model": PLATFORM,
                "SerialNumber": f"EMU-{host:05d}",
                "PowerState": "On",
                "Status": {**OK, "HealthRollup": self._leak()[1]},
                "Processors": link(f"{SYSTEM}/Processors"),
                "Links": {"Chassis": [link(TRAY)], "ManagedBy": [link("Managers/BMC")]},
            },
        )
        names = [f"CPU{number}" for number in range(1, physics.CPUS_PER_HOST + 1)]
        tree.add_collection(f"{SYSTEM}/Processors", "Processor", names)
        for cpu, name in enumerate(names):
            self._processor(cpu, name)

    def _processor(self, cpu: int, name: str) -> None:
        path = f"{SYSTEM}/Processors/{name}"
        self._tree.add(
            path,
            "Processor.v1_22_0.Processor",
            {
                "Id": name,
                "Name": f"Processor {name}",
                "Socket": name,
                "ProcessorType": "CPU",
                "Status": OK,
                "EnvironmentMetrics": link(f"{path}/EnvironmentMetrics"),
            },
        )

        def metrics() -> Resource:
            readings = self._readings
            return {
                "Id": "EnvironmentMetrics",
                "Name": "Processor Environment Metrics",
                "TemperatureCelsius": excerpt(
                    readings.cpu_temperature_celsius[self._host, cpu],
                    self._sensors.path(f"{name}Temp"),
                ),
                "PowerWatts": excerpt(
                    readings.cpu_power_watts[self._host, cpu], self._sensors.path(f"{name}Power")
                ),
            }

        self._tree.add(
            f"{path}/EnvironmentMetrics", "EnvironmentMetrics.v1_5_0.EnvironmentMetrics", metrics
        )

    def chassis(self) -> None:
        """The tray."""
        tree, host, sensors = self._tree, self._host, self._sensors
        placement = self._fleet.layout.placements[host]
        tree.add_collection("Chassis", "Chassis", ["Tray"])
        tree.add(
            TRAY,
            "Chassis.v1_28_0.Chassis",
            lambda: {
                "Id": "Tray",
                "Name": f"Compute tray of {self._name}",
                "ChassisType": "Sled",
                "Manufacturer": "FleetOps Emulator",
                "Model": PLATFORM,
                "SerialNumber": f"EMU-{host:05d}",
                "PowerState": "On",
                "Location": {
                    "Placement": {
                        "Row": placement.row,
                        "Rack": placement.rack,
                        "RackOffset": placement.rack_position,
                    }
                },
                "Status": {**OK, "HealthRollup": self._leak()[1]},
                "EnvironmentMetrics": link(f"{TRAY}/EnvironmentMetrics"),
                "ThermalSubsystem": link(THERMAL),
                "Sensors": link(f"{TRAY}/Sensors"),
                "Links": {"ComputerSystems": [link(SYSTEM)], "ManagedBy": [link("Managers/BMC")]},
            },
        )

        def metrics() -> Resource:
            readings = self._readings
            fan = float(readings.fan_percent[host])
            return {
                "Id": "EnvironmentMetrics",
                "Name": "Chassis Environment Metrics",
                "TemperatureCelsius": excerpt(
                    readings.air_inlet_celsius[host], sensors.path("IntakeTemp")
                ),
                "PowerWatts": excerpt(readings.power_watts[host], sensors.path("TotalPower"), 1),
                "EnergyJoules": {"Reading": round(float(readings.energy_joules[host]), 1)},
                "FanSpeedsPercent": [
                    {
                        "DeviceName": "Tray fans",
                        "Reading": round(fan, 1),
                        "SpeedRPM": round(fan / 100.0 * FAN_RPM_AT_FULL),
                    }
                ],
            }

        tree.add(
            f"{TRAY}/EnvironmentMetrics", "EnvironmentMetrics.v1_5_0.EnvironmentMetrics", metrics
        )

    def _reader(self, column: str, *index: int) -> Callable[[], float]:
        """Reads a column of this host's readings."""
        return lambda: float(getattr(self._readings, column)[(self._host, *index)])

    def sensors(self) -> None:
        """The tray's sensors."""
        for name, title, reading_type, context, column in SENSORS:
            self._sensors.add(name, title, reading_type, context, self._reader(column))
        for cpu in range(physics.CPUS_PER_HOST):
            for name, reading_type, column in CPU_SENSORS:
                self._sensors.add(
                    f"CPU{cpu + 1}{name}",
                    f"CPU {cpu + 1} {reading_type}",
                    reading_type,
                    "CPU",
                    self._reader(column, cpu),
                )
        self._sensors.close()

    def coolant(self) -> None:
        """The thermal subsystem and the tray's pair of coolant connectors."""
        tree, host, sensors = self._tree, self._host, self._sensors
        tree.add(
            THERMAL,
            "ThermalSubsystem.v1_5_0.ThermalSubsystem",
            lambda: {
                "Id": "ThermalSubsystem",
                "Name": "Thermal Subsystem",
                "CoolantConnectors": link(f"{THERMAL}/CoolantConnectors"),
                "LeakDetection": link(f"{THERMAL}/LeakDetection"),
                "Status": {**OK, "HealthRollup": self._leak()[1]},
            },
        )
        tree.add_collection(f"{THERMAL}/CoolantConnectors", "CoolantConnector", ["1"])

        def connector() -> Resource:
            readings = self._readings
            supply = float(readings.supply_celsius[host])
            back = float(readings.return_celsius[host])
            return {
                "Id": "1",
                "Name": "Tray coolant connectors",
                "Status": OK,
                "CoolantConnectorType": "Pair",
                "RatedFlowLitersPerMinute": round(physics.RATED_TRAY_LITRES_PER_MINUTE, 2),
                "FlowLitersPerMinute": excerpt(
                    readings.litres_per_minute[host], sensors.path("CoolantFlow")
                ),
                "SupplyTemperatureCelsius": excerpt(supply, sensors.path("CoolantSupplyTemp")),
                "ReturnTemperatureCelsius": excerpt(back, sensors.path("CoolantReturnTemp")),
                "DeltaTemperatureCelsius": {"Reading": round(back - supply, 2)},
            }

        tree.add(
            f"{THERMAL}/CoolantConnectors/1", "CoolantConnector.v1_3_0.CoolantConnector", connector
        )

    def leak_detection(self) -> None:
        """The tray's one leak detector, ``leak0``."""
        tree, base = self._tree, f"{THERMAL}/LeakDetection"
        tree.add(
            base,
            "LeakDetection.v1_2_0.LeakDetection",
            lambda: {
                "Id": "LeakDetection",
                "Name": "Leak Detection",
                "Status": status(self._leak()[1]),
                "LeakDetectors": link(f"{base}/LeakDetectors"),
            },
        )
        tree.add_collection(f"{base}/LeakDetectors", "LeakDetector", ["leak0"])
        tree.add(
            f"{base}/LeakDetectors/leak0",
            "LeakDetector.v1_2_0.LeakDetector",
            lambda: {
                "Id": "leak0",
                "Name": "Tray Leak Detector",
                "LeakDetectorType": "Moisture",
                "PhysicalContext": "Chassis",
                "DetectorState": self._leak()[0],
                "Status": status(self._leak()[1]),
            },
        )
