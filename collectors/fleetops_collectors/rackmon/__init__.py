"""Modbus devices of a rack: power shelves, batteries, tethers, pumping units."""

from fleetops_collectors.rackmon.address import BusAddress, Transport, parse_address
from fleetops_collectors.rackmon.collector import RackmonCollector
from fleetops_collectors.rackmon.config import RackmonConfig, RackmonDevice, RackmonTarget
from fleetops_collectors.rackmon.live import read_live
from fleetops_collectors.rackmon.map_files import read_map
from fleetops_collectors.rackmon.map_json import ReadMap
from fleetops_collectors.rackmon.rows import RegisterRow, Rows, rows_of_source

__all__ = [
    "BusAddress",
    "RackmonCollector",
    "RackmonConfig",
    "RackmonDevice",
    "RackmonTarget",
    "ReadMap",
    "RegisterRow",
    "Rows",
    "Transport",
    "parse_address",
    "read_live",
    "read_map",
    "rows_of_source",
]
