"""The document of an FBOSS switch: built once, its values put in place at each request.

It holds FSDB's two trees (facebook/fboss, fsdb_model.thrift) as Thrift's simple JSON spells them,
and the rows of ``fboss2 show port``. Copper modules have no monitors, so that ports of copper have
no error rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson

from fleetops.emulator.groups import Indices
from fleetops.emulator.interfaces.switches import (
    DARK_DBM,
    HOST,
    LOSSLESS,
    PORT,
    POWER_UNIT,
    SwitchRows,
    fan_speeds,
    lanes_bias,
    lanes_dbm,
    metrics_of,
)
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.tables import Table

Json = dict[str, Any]

STATISTICS = metrics_of(
    "fboss",
    PORT,
    "HwPortStats.",
    (
        *("inBytes_", "outBytes_", "inErrors_", "outDiscards_", "outEcnCounter_"),
        *("fecCorrectedSymbols_", "fecCorrectableErrors", "fecUncorrectableErrors"),
        *("inPfc_", "outPfc_"),
    ),
)
"""Metrics by the fields of ``HwPortStats`` that the chip counts."""
UNINITIALIZED: Json = dict.fromkeys(("inDiscards_", "outErrors_", "inPause_", "outPause_"), -1)
"""Those that it does not: STAT_UNINITIALIZED."""
BY_PRIORITY = frozenset({"inPfc_", "outPfc_"})
TEMPERATURES = {
    f"SMB_{place.upper()}_TEMP" if place != "cpu" else "CPU_CORE0_TEMP": metric
    for place, metric in metrics_of(
        "fboss", HOST, "SensorData.", ("asic", "cpu", "inlet", "outlet", "board")
    ).items()
}
"""Metrics by the sensors of sensor_service."""
MODULE_METRICS = (
    *("optics_temperature_celsius", "optics_supply_voltage_volts", "optics_dark_lanes"),
    *("optics_receive_power_milliwatts", "optics_transmit_power_milliwatts"),
    *("optics_bias_milliamperes", "pre_fec_bit_error_rate"),
)
POWER, VOLTAGE, CURRENT, TEMPERATURE, FAN = range(5)
"""SensorType of sensor_config.thrift."""
OPTICAL = 2
"""TransmitterTechnology of transceiver.thrift."""


class SupplySensor(NamedTuple):
    """One sensor of a supply."""

    name: str
    metric: str
    kind: int


SUPPLY_SENSORS = tuple(
    SupplySensor(source, metric, kind)
    for (source, metric), kind in zip(
        metrics_of(
            "fboss",
            POWER_UNIT,
            "PSU.",
            ("VIN", "IIN", "PIN", "VOUT", "IOUT", "POUT", "TEMP", "FAN"),
        ).items(),
        (VOLTAGE, CURRENT, POWER, VOLTAGE, CURRENT, POWER, TEMPERATURE, FAN),
        strict=True,
    )
)


class FbossDocument:
    """The document of one switch."""

    def __init__(self, switch: SwitchRows) -> None:
        """All but the values."""
        self.switch = switch
        names = switch.port_names
        self._statistics: list[Json] = [{"portName_": name} | UNINITIALIZED for name in names]
        self._entries = [_entry(number, name) for number, name in enumerate(names)]
        self._optical = np.flatnonzero(switch.lanes)
        self._modules = [_module(names[at], switch.lanes[at]) for at in self._optical]
        self._lasers = [_sensors(1, "txPwr", "txBias") for _ in switch.lasers]
        of_port = dict(zip(self._optical.tolist(), self._modules, strict=True))
        for laser, at in zip(self._lasers, switch.laser_ports, strict=True):
            of_port[at]["elsfp"] = laser
        self._temperatures = [_sensor(name, TEMPERATURE) for name in TEMPERATURES]
        self._fans = [_sensor(f"FAN{number + 1}_RPM", FAN) for number in range(switch.fans)]
        self._supplies = [
            [_sensor(f"PSU{number + 1}_{one.name}", one.kind) for one in SUPPLY_SENSORS]
            for number in range(len(switch.supplies))
        ]
        self._document = self._assembled()

    def filled(self, tables: Mapping[str, Table], now: datetime) -> bytes:
        """The document with the values of the tick; ``now`` stamps them."""
        seconds = int(now.timestamp())
        self._fill_ports(tables[PORT], seconds)
        self._fill_modules(tables[PORT], seconds)
        self._fill_lasers(tables[PORT], seconds)
        self._fill_sensors(tables, seconds)
        return orjson.dumps(self._document)

    def _assembled(self) -> Json:
        names = self.switch.port_names
        sensors = [*self._temperatures, *self._fans]
        sensors += [sensor for supply in self._supplies for sensor in supply]
        ids = [str(at) for at in self._optical]
        states = [_state(f"{self.switch.name}-{names[at]}", int(at)) for at in self._optical]
        return {
            "state": {
                "qsfp_service": {"state": {"tcvrStates": dict(zip(ids, states, strict=True))}}
            },
            "stats": {
                "agent": {"hwPortStats": dict(zip(names, self._statistics, strict=True))},
                "qsfp_service": {"tcvrStats": dict(zip(ids, self._modules, strict=True))},
                "sensor_service": {"sensorData": {sensor["name"]: sensor for sensor in sensors}},
            },
            "show_port": {"portEntries": self._entries},
        }

    def _fill_ports(self, table: Table, seconds: int) -> None:
        rows = self.switch.ports
        for field, metric in STATISTICS.items():
            counts = table[metric][rows].astype(np.uint64).tolist()
            for statistics, count in zip(self._statistics, counts, strict=True):
                statistics[field] = {str(LOSSLESS): count} if field in BY_PRIORITY else count
        up = (table["link_state"][rows] > 0.0).tolist()
        rates = table["rate_gigabits_per_second"][rows].tolist()
        for at, statistics in enumerate(self._statistics):
            statistics["timestamp_"] = seconds
            entry = self._entries[at]
            entry["linkState"] = "Up" if up[at] else "Down"
            entry["speed"] = f"{rates[at]:g}G"

    def _fill_modules(self, table: Table, seconds: int) -> None:
        rows = self.switch.ports[self._optical]
        rates = table["pre_fec_bit_error_rate"][rows].tolist()
        most = max(self.switch.lanes, default=0)
        received = _milliwatts(lanes_dbm(table["optics_receive_power_milliwatts"][rows], most))
        sent = _milliwatts(lanes_dbm(table["optics_transmit_power_milliwatts"][rows], most))
        bias = lanes_bias(table["optics_bias_milliamperes"][rows], most).tolist()
        _fill_case(self._modules, table, rows, seconds)
        for at, module in enumerate(self._modules):
            monitor = module["vdmPerfMonitorStats"]
            monitor["statsCollectionTme"] = seconds
            for port in monitor["mediaPortVdmStats"].values():
                port["datapathBER"]["cur"] = rates[at]
            for lane, channel in enumerate(module["channels"]):
                sensors = channel["sensors"]
                sensors["rxPwr"]["value"] = received[at][lane]
                sensors["txPwr"]["value"] = sent[at][lane]
                sensors["txBias"]["value"] = bias[at][lane]

    def _fill_lasers(self, table: Table, seconds: int) -> None:
        rows = self.switch.lasers
        sent = table["optics_transmit_power_milliwatts"][rows].tolist()
        bias = table["optics_bias_milliamperes"][rows].tolist()
        _fill_case(self._lasers, table, rows, seconds)
        for at, laser in enumerate(self._lasers):
            sensors = laser["channels"][0]["sensors"]
            sensors["txPwr"]["value"], sensors["txBias"]["value"] = sent[at], bias[at]

    def _fill_sensors(self, tables: Mapping[str, Table], seconds: int) -> None:
        own, supplied, row = tables[HOST], tables[POWER_UNIT], self.switch.host
        values = [float(own[metric][row]) for metric in TEMPERATURES.values()]
        _fill(self._temperatures, values, seconds)
        slowest = float(own["fan_speed_rpm"][row])
        _fill(self._fans, fan_speeds(slowest, len(self._fans)), seconds)
        for supply, at in zip(self._supplies, self.switch.supplies, strict=True):
            _fill(supply, [float(supplied[one.metric][at]) for one in SUPPLY_SENSORS], seconds)


def _fill(sensors: Iterable[Json], values: Iterable[float], seconds: int) -> None:
    for sensor, value in zip(sensors, values, strict=True):
        sensor["value"], sensor["timeStamp"] = value, seconds


def _fill_case(modules: Iterable[Json], table: Table, rows: Indices, seconds: int) -> None:
    celsius = table["optics_temperature_celsius"][rows].tolist()
    volts = table["optics_supply_voltage_volts"][rows].tolist()
    for at, module in enumerate(modules):
        module["timeCollected"] = seconds
        module["sensor"]["temp"]["value"] = celsius[at]
        module["sensor"]["vcc"]["value"] = volts[at]


def _milliwatts(decibels: Floats) -> list[list[float]]:
    lit = np.where(decibels > DARK_DBM, 10.0 ** (decibels / 10.0), 0.0)
    found: list[list[float]] = lit.tolist()
    return found


def _entry(number: int, name: str) -> Json:
    """A row of ``fboss2 show port``."""
    return {"id": number + 1, "name": name, "adminState": "Enabled", "tcvrID": number}


def _sensor(name: str, kind: int) -> Json:
    return {"name": name, "sensorType": kind}


def _sensors(lanes: int, *values: str) -> Json:
    """What a module measures of itself and of its lanes."""
    return {
        "sensor": {"temp": {}, "vcc": {}},
        "channels": [
            {"channel": lane, "sensors": {value: {} for value in values}} for lane in range(lanes)
        ],
    }


def _module(port: str, lanes: int) -> Json:
    """``TcvrStats`` of a module that serves one port."""
    return _sensors(lanes, "rxPwr", "txPwr", "txBias") | {
        "portNameToMediaLanes": {port: list(range(lanes))},
        "vdmPerfMonitorStats": {"mediaPortVdmStats": {port: {"datapathBER": {}}}},
    }


def _state(serial: str, number: int) -> Json:
    """``TcvrState``: what the module says that it is."""
    return {
        "port": number,
        "present": True,
        "cable": {"transmitterTech": OPTICAL},
        "vendor": {"name": "EMULATED", "partNumber": "EMULATED", "serialNumber": serial},
    }
