"""The management controller of a host: system, processors, accelerators, sensors, coolant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetops.emulator.identity import serial_of, uuid_of
from fleetops.emulator.interfaces.redfish.common import (
    ENVIRONMENT,
    MANAGER,
    LeakDetector,
    Sensor,
    add_event_service,
    add_leak_detection,
    add_manager,
    add_sensors,
    add_service,
)
from fleetops.emulator.interfaces.redfish.points import points_of
from fleetops.emulator.interfaces.redfish.quirks import (
    SATURATED,
    Quirk,
    odd_sensors,
)
from fleetops.emulator.interfaces.redfish.telemetry import add_telemetry
from fleetops.emulator.interfaces.redfish.tree import (
    ENABLED,
    OK,
    Resource,
    Tree,
    View,
    link,
)
from fleetops_schemas.platforms import Accelerator, Platform

TRAY = "Chassis/Tray"
SYSTEM = "Systems/1"
THERMAL = f"{TRAY}/ThermalSubsystem"
DETECTION = f"{THERMAL}/LeakDetection"
PROCESSORS = f"{SYSTEM}/Processors"
MEMORIES = f"{SYSTEM}/Memory"
HOST, FIRST_ACCELERATOR = 0, 1
"""The parts that are the host itself and its first accelerator; its leak detector is the last."""
PROCESSOR_METRICS = "ProcessorMetrics"
MEMORY_METRICS = "MemoryMetrics"
SENSORS = (
    ("IntakeTemp", "Air Intake Temperature", "Intake", "inlet_temperature_celsius"),
    ("ExhaustTemp", "Air Exhaust Temperature", "Exhaust", "outlet_temperature_celsius"),
    ("CPUTemp", "Hottest CPU", "CPU", "cpu_temperature_celsius"),
    ("DIMMTemp", "Hottest DIMM", "Memory", "memory_temperature_celsius"),
    ("DriveTemp", "Hottest Drive", "StorageDevice", "disk_temperature_celsius"),
    ("BoardTemp", "Board", "SystemBoard", "board_temperature_celsius"),
)
"""Id, name, PhysicalContext, metric."""


@dataclass(frozen=True, slots=True)
class HostShape:
    """What all hosts of a platform have in common."""

    platform: Platform
    metrics: Mapping[str, frozenset[str]]
    """By device class: those that a host, an accelerator or a leak detector of it has."""
    leak_part: int | None
    oem: bool
    """Whether accelerators show NVIDIA's own properties."""
    quirks: frozenset[Quirk] = frozenset()

    @property
    def accelerator_ids(self) -> list[str]:
        """Ids of the accelerators' processors."""
        count = self.platform.accelerators
        if Quirk.ONE_BASED in self.quirks:
            return [f"GPU_SXM_{number}" for number in range(1, count + 1)]
        return [f"GPU_{number}" for number in range(count)]


def host_tree(shape: HostShape) -> Tree:
    """The resources of the controllers of a platform's hosts."""
    tree = Tree()
    add_service(tree, ("Systems", "Chassis", "Managers"))
    add_event_service(tree)
    own = shape.metrics["host"]
    add_manager(tree, points_of("Manager", "host", HOST, own))
    _system(tree, shape)
    _chassis(tree, shape)
    for place, name in enumerate(shape.accelerator_ids):
        _accelerator(tree, shape, FIRST_ACCELERATOR + place, name)
    if shape.leak_part is not None:
        _coolant(tree, shape)
        detector = LeakDetector(
            "Tray Leak Detector", shape.leak_part, shape.metrics["coolant_unit"]
        )
        add_leak_detection(tree, DETECTION, detector, shape.quirks)
    add_telemetry(tree, shape.quirks)
    return tree


def _system(tree: Tree, shape: HostShape) -> None:
    platform, own = shape.platform, shape.metrics["host"]
    cpus = [f"CPU_{number}" for number in range(int(platform.processors.sockets))]
    tree.add_collection("Systems", "ComputerSystem", ["1"])
    parts = {"Processors": link(PROCESSORS)}
    if platform.accelerator is not None:
        parts["Memory"] = link(MEMORIES)
        tree.add_collection(
            MEMORIES, "Memory", [f"{name}_DRAM_0" for name in shape.accelerator_ids]
        )
    tree.add(
        SYSTEM,
        "ComputerSystem.v1_27_0.ComputerSystem",
        {
            "SystemType": "Physical",
            "Manufacturer": "FleetOps Emulator",
            "Model": platform.name,
            "Status": ENABLED,
            **parts,
            "Links": {"Chassis": [link(TRAY)], "ManagedBy": [link(f"Managers/{MANAGER}")]},
        },
        points=points_of("ComputerSystem", "host", HOST, own),
        live=lambda view: {
            "Name": view.name,
            "HostName": view.name,
            "SerialNumber": serial_of(view.name),
            "UUID": str(uuid_of(view.name)),
        },
    )
    tree.add_collection(PROCESSORS, "Processor", [*cpus, *shape.accelerator_ids])
    for cpu in cpus:
        tree.add(
            f"{PROCESSORS}/{cpu}",
            "Processor.v1_22_0.Processor",
            {
                "Name": f"Processor {cpu}",
                "Socket": cpu,
                "ProcessorType": "CPU",
                "Model": platform.processors.model,
                "Status": OK,
            },
        )


def _chassis(tree: Tree, shape: HostShape) -> None:
    platform, own = shape.platform, shape.metrics["host"]
    environment = points_of("EnvironmentMetrics", "host", HOST, own - {"fan_speed_ratio"})
    tree.add_collection("Chassis", "Chassis", ["Tray"])
    tree.add(
        TRAY,
        "Chassis.v1_28_0.Chassis",
        {
            "ChassisType": "Sled",
            "Manufacturer": "FleetOps Emulator",
            "Model": platform.name,
            "Status": ENABLED,
            "EnvironmentMetrics": link(f"{TRAY}/EnvironmentMetrics"),
            "ThermalSubsystem": link(THERMAL),
            "Sensors": link(f"{TRAY}/Sensors"),
            "Links": {
                "ComputerSystems": [link(SYSTEM)],
                "ManagedBy": [link(f"Managers/{MANAGER}")],
            },
        },
        live=_tray,
    )
    tree.add(
        f"{TRAY}/EnvironmentMetrics",
        "EnvironmentMetrics.v1_5_0.EnvironmentMetrics",
        {"Name": "Chassis Environment Metrics"},
        points=environment,
        report=ENVIRONMENT,
    )
    sensors = [
        Sensor(name, title, "Temperature", context, "host", metric)
        for name, title, context, metric in SENSORS
        if metric in own
    ]
    odd = odd_sensors(shape.quirks, shape.leak_part, f"{DETECTION}/LeakDetectors/leak0")
    as_text = Quirk.STRING_READINGS in shape.quirks
    add_sensors(tree, "Tray", sensors, odd, as_text=as_text)
    _thermal(tree, shape)


def _tray(view: View) -> Resource:
    return {
        "Name": f"Tray of {view.name}",
        "SerialNumber": serial_of(view.name),
        "Location": {"Placement": {"Rack": view.rack}},
    }


def _thermal(tree: Tree, shape: HostShape) -> None:
    wet = {
        "CoolantConnectors": link(f"{THERMAL}/CoolantConnectors"),
        "LeakDetection": link(DETECTION),
    }
    fans = [f"Fan{number}" for number in range(1, int(shape.platform.board.fans) + 1)]
    tree.add(
        THERMAL,
        "ThermalSubsystem.v1_5_0.ThermalSubsystem",
        {
            "Name": "Thermal Subsystem",
            "Status": ENABLED,
            "Fans": link(f"{THERMAL}/Fans"),
            **(wet if shape.leak_part is not None else {}),
        },
    )
    tree.add_collection(f"{THERMAL}/Fans", "Fan", fans)
    for fan in fans:
        tree.add(
            f"{THERMAL}/Fans/{fan}",
            "Fan.v1_6_0.Fan",
            {"Name": fan, "Status": ENABLED},
            points=points_of("Fan", "host", HOST, shape.metrics["host"]),
            report=ENVIRONMENT,
        )


def _accelerator(tree: Tree, shape: HostShape, part: int, name: str) -> None:
    accelerator = shape.platform.accelerator
    assert accelerator is not None  # noqa: S101  it has ids
    own, path = shape.metrics["accelerator"], f"{PROCESSORS}/{name}"
    number = part - FIRST_ACCELERATOR
    tree.add(
        path,
        "Processor.v1_22_0.Processor",
        {
            "Name": f"Accelerator {name}",
            "ProcessorType": "GPU" if accelerator.vendor in {"nvidia", "amd"} else "Accelerator",
            "Manufacturer": accelerator.vendor,
            "Model": accelerator.model,
            "Metrics": link(f"{path}/ProcessorMetrics"),
            "EnvironmentMetrics": link(f"{path}/EnvironmentMetrics"),
        },
        points=points_of("Processor", "accelerator", part, own, oem=shape.oem),
        live=lambda view: {
            "SerialNumber": serial_of(f"{view.name}/gpu{number}"),
            "UUID": str(uuid_of(f"{view.name}/gpu{number}")),
            "Status": _state(view, part),
        },
    )
    stuck: Resource = {}
    if Quirk.SATURATED_COUNTER in shape.quirks:
        stuck = {"PCIeErrors": {"L0ToRecoveryCount": SATURATED}}
    for kind, version in (("ProcessorMetrics", "v1_6_1"), ("EnvironmentMetrics", "v1_5_0")):
        tree.add(
            f"{path}/{kind}",
            f"{kind}.{version}.{kind}",
            {"Name": f"{kind} of {name}", **(stuck if kind == "ProcessorMetrics" else {})},
            points=points_of(kind, "accelerator", part, own, oem=shape.oem),
            report=PROCESSOR_METRICS,
        )
    _accelerator_memory(tree, shape, accelerator, part, name)


def _accelerator_memory(
    tree: Tree, shape: HostShape, accelerator: Accelerator, part: int, name: str
) -> None:
    own, path = shape.metrics["accelerator"], f"{MEMORIES}/{name}_DRAM_0"
    tree.add(
        path,
        "Memory.v1_20_0.Memory",
        {
            "Name": f"Memory of {name}",
            "CapacityMiB": int(accelerator.memory_bytes) // 2**20,
            "Metrics": link(f"{path}/MemoryMetrics"),
            "EnvironmentMetrics": link(f"{path}/EnvironmentMetrics"),
            "Links": {"Processors": [link(f"{PROCESSORS}/{name}")]},
        },
        points=points_of("Memory", "accelerator", part, own, oem=shape.oem),
        live=lambda view: {"Status": _state(view, part)},
    )
    for kind, version in (("MemoryMetrics", "v1_6_1"), ("EnvironmentMetrics", "v1_5_0")):
        source = "MemoryEnvironmentMetrics" if kind == "EnvironmentMetrics" else kind
        tree.add(
            f"{path}/{kind}",
            f"{kind}.{version}.{kind}",
            {"Name": f"{kind} of the memory of {name}"},
            points=points_of(source, "accelerator", part, own, oem=shape.oem),
            report=MEMORY_METRICS,
        )


def _state(view: View, part: int) -> Resource:
    """A part that answers is enabled; one that fell off is not there."""
    return {"State": "Enabled" if view.is_present(part) else "Absent"}


def _coolant(tree: Tree, shape: HostShape) -> None:
    """The tray's one pair of coolant connectors."""
    tree.add_collection(f"{THERMAL}/CoolantConnectors", "CoolantConnector", ["1"])
    tree.add(
        f"{THERMAL}/CoolantConnectors/1",
        "CoolantConnector.v1_3_0.CoolantConnector",
        {
            "Name": "Tray coolant connectors",
            "Status": ENABLED,
            "CoolantConnectorType": "Pair",
        },
        points=points_of("CoolantConnector", "host", HOST, shape.metrics["host"]),
        report=ENVIRONMENT,
    )
