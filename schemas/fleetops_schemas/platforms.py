"""Platforms: one kind of host with its accelerators, cooling, adapters and management interface.

What a rack shares has profiles of its own: :class:`RackPower`, :class:`CoolantUnit` and
:class:`Switch`. A platform names the ones it stands with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from fleetops_schemas.profiles import Basis, Figure, Identifier, Profile, Section


class Cooling(StrEnum):
    """What carries the heat of accelerators and processors away."""

    AIR = "air"
    LIQUID = "liquid"


class Interface(StrEnum):
    """A management interface that FleetOps reads and the emulator serves."""

    REDFISH = "redfish"
    DCGM = "dcgm"
    AMD_EXPORTER = "amd_exporter"
    NODE_EXPORTER = "node_exporter"
    KERNEL_LOG = "kernel_log"
    INFINIBAND = "infiniband"
    """sysfs counters of InfiniBand adapters."""
    ETHERNET = "ethernet"
    RACKMON = "rackmon"
    """Modbus registers, over TCP or a serial line."""
    GNMI = "gnmi"
    SONIC = "sonic"
    FBOSS = "fboss"
    FACILITY = "facility"
    """MQTT of building management."""
    TRAINING = "training"
    SLURM = "slurm"


class Accelerator(Section):
    """The accelerators of a host; figures are of one of them."""

    model: str
    vendor: Literal["nvidia", "amd", "meta", "intel"]
    part: Identifier = "gpu"
    """First half of the device name: ``host/gpu0``."""
    count: Figure
    tdp_watts: Figure
    idle_watts: Figure
    peak_operations_per_second: Figure
    """Dense, at ``precision``."""
    precision: str
    memory_bytes: Figure
    memory_bandwidth_bytes_per_second: Figure
    nominal_megahertz: Figure
    idle_megahertz: Figure
    memory_megahertz: Figure
    slowdown_celsius: Figure
    conduction_kelvin_per_watt: Figure
    """Junction to plate or fin."""
    convection_kelvin_per_watt: Figure
    """Plate or fin to coolant or air, at rated flow."""
    heat_capacity_joules_per_kelvin: Figure
    memory_kelvin_per_watt: Figure
    """Of the memory above the die, by the accelerator's power; below 0 if the die rises more."""
    memory_rest_kelvin: Figure = Figure(value=0, basis=Basis.ASSUMED, why="as warm as the die")
    """Of the memory above the die without load."""
    rows: Figure = Figure(value=1, basis=Basis.ASSUMED, why="side by side")
    """Rows in which the accelerators stand, one behind the other in the air's way."""
    pcie_generation: Figure
    pcie_width: Figure
    remap_rows: bool = False
    """Whether bad memory rows are remapped (Ampere and later); older parts retire pages."""
    lacks: tuple[str, ...] = ()
    """Metrics of the catalogue that this part cannot tell, beside those its interface never has."""


class ScaleUp(Section):
    """The fabric inside a host or rack that joins accelerators."""

    kind: Literal["nvlink", "xgmi", "oam", "pcie"]
    bytes_per_second: Figure
    """Of one accelerator, one direction."""
    links: Figure
    """Of one accelerator."""
    switch_trays: Figure | None = None
    """Of a rack, where the fabric joins hosts; their power is in the hosts' boards."""


class Processors(Section):
    """The processors of a host; figures are of one of them."""

    model: str
    sockets: Figure
    idle_watts: Figure
    busy_watts: Figure
    kelvin_per_watt: Figure
    """Junction to coolant or air."""
    time_constant_seconds: Figure


class Board(Section):
    """Everything else of a host: memory, adapters, drives, fans. All of it is cooled by air."""

    memory_bytes: Figure
    drives: Figure
    idle_watts: Figure
    busy_watts: Figure
    """Of memory, adapters and drives together, fans apart."""
    fan_watts: Figure
    """Of all fans at full speed."""
    fan_rpm: Figure
    fans: Figure
    air_watts_per_kelvin: Figure
    """Heat capacity flow of the host's air at full fan speed."""


class Adapter(Section):
    """Network adapters of one role; figures are of one port."""

    role: Literal["backend", "frontend"]
    kind: Literal["infiniband", "ethernet"]
    count: Figure
    gigabits_per_second: Figure
    optics: Identifier | None = None
    """Optics profile at the host's end; None for copper."""


class HostCooling(Section):
    """How a host is cooled."""

    medium: Cooling
    inlet_celsius: Figure
    """Of the air."""
    litres_per_minute_per_kilowatt: Figure | None = None
    """Rated coolant flow; needed with liquid."""
    unit: Identifier | None = None
    """Coolant unit profile; needed with liquid."""
    racks_per_unit: int = 1


class Rack(Section):
    """How hosts stand in a rack."""

    hosts: Figure
    host_height_units: Figure
    abreast: int = 1
    """Hosts side by side at one height."""
    height_units: Figure
    power: Identifier
    """Rack power profile."""
    shelves: Figure
    leaf: Identifier
    """Switch profile that the rack's backend ports go to where the rack is emulated by itself."""


class Management(Section):
    """One management interface of the platform."""

    interface: Interface
    how: str
    """What really answers there, and what stands in for it here where that is not spoken."""
    source: str = ""
    blanks: bool = False
    """Whether an exporter writes its reserved numbers for what a part cannot tell, as older
    releases of dcgm-exporter did; newer ones leave the line out."""


class Platform(Profile):
    """One kind of host."""

    folder: ClassVar[str] = "platforms"

    year: int
    head_node: Identifier | None = None
    """Platform of the host that a box of accelerators without processors of its own is cabled to.
    A host is then the pair: ``processors`` are the head node's, ``board`` is of both together."""
    serves: Literal["storage_cache", "data_ingestion"] | None = None
    """What hosts without accelerators are for."""
    workload: Identifier | None = None
    """Workload that it runs where it is emulated by itself."""
    accelerator: Accelerator | None = None
    scale_up: ScaleUp | None = None
    processors: Processors
    board: Board
    adapters: tuple[Adapter, ...] = ()
    cooling: HostCooling
    rack: Rack
    management: tuple[Management, ...]

    @property
    def accelerators(self) -> int:
        """Accelerators a host."""
        return int(self.accelerator.count) if self.accelerator else 0

    @property
    def rated_watts(self) -> float:
        """Electrical power of a host at full load, fans included."""
        accelerators = (
            float(self.accelerator.tdp_watts) * self.accelerators if self.accelerator else 0.0
        )
        processors = float(self.processors.busy_watts) * float(self.processors.sockets)
        return (
            accelerators + processors + float(self.board.busy_watts) + float(self.board.fan_watts)
        )

    def speaks(self, interface: Interface) -> bool:
        """Whether the platform has that interface."""
        return any(one.interface is interface for one in self.management)


class Supplies(Section):
    """The supplies of a shelf; figures are of one of them."""

    per_shelf: Figure
    rated_watts: Figure
    input_volts: Figure
    input_hertz: Figure
    output_volts: Figure
    droop_volts: Figure
    """Fall of the output from no load to full load."""
    efficiency: dict[float, Figure]
    """Output against input, by load ratio; between the points it is interpolated."""


class Batteries(Section):
    """The battery units of a shelf; figures are of one of them."""

    per_shelf: Figure
    rated_watts: Figure
    backup_seconds: Figure
    """At rated power, from full."""


class RackPower(Profile):
    """Power shelves of a rack and the busbar that they feed."""

    folder: ClassVar[str] = "power"

    supplies: Supplies
    batteries: Batteries | None = None
    busbar_watts: Figure
    """What the rack's busbar may carry."""
    busbar_milliohms: Figure
    in_hosts: bool = False
    """Supplies stand in the hosts: what is shown as a shelf is a host's set."""
    interface: Interface
    register_maps: tuple[str, ...] = ()
    """With rackmon: the maps of supplies and of battery units."""


class CoolantUnit(Profile):
    """What moves coolant through racks: a unit in the row, or pumps in a rack."""

    folder: ClassVar[str] = "cooling"

    kind: Literal["liquid_to_liquid", "liquid_to_air"]
    pumps: Figure
    pump_speed_ratio: Figure
    """Speed of each pump at rated flow; the rest is reserve."""
    pump_rated_watts: Figure
    pump_rated_rpm: Figure
    supply_celsius: Figure
    pressure_kilopascals: Figure
    """Across the racks at rated flow."""
    return_kilopascals: Figure
    approach_kelvin: Figure
    """Between the racks' return and the primary's return."""
    primary_celsius: Figure
    """Facility water, or the room's air."""
    volume_litres: Figure
    """Coolant in the loop: what it can buffer."""
    interface: Interface
    register_map: str = ""


class Switch(Profile):
    """A switch of the fabric."""

    folder: ClassVar[str] = "switches"

    ports: Figure
    gigabits_per_second: Figure
    kind: Literal["infiniband", "ethernet"]
    idle_watts: Figure
    """Without optics."""
    busy_watts: Figure
    asic_celsius: Figure
    """At full load."""
    boxes: int = 1
    """Switches that are seen as one here: the planes of a leaf."""
    supplies: Figure = Figure(value=2, basis=Basis.ASSUMED, why="one on each feed")
    """Of its own, on the mains; they share the load, optics included."""
    fans: Figure = Figure(value=4, basis=Basis.ASSUMED, why="of a switch of one or two units")
    fan_rpm: Figure = Figure(value=12000, basis=Basis.ASSUMED, why="fans of 80 mm at full speed")
    optics: Identifier
    interface: Interface | None = None
    """None for one that answers nothing here, as an InfiniBand switch that a fabric manager reads;
    its peers in the hosts do."""
