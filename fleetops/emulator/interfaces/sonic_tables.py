"""The hashes of a SONiC switch: COUNTERS_DB, STATE_DB and the ports of APPL_DB.

Keys and fields as sonic-net/sonic-swss (orchagent, flex counters), sonic-platform-daemons (xcvrd,
psud, thermalctld) and doc/pmon/xcvrd_cpo.md write them. Numbers are texts there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from fleetops.emulator.groups import Indices
from fleetops.emulator.interfaces.redis_server import command, text
from fleetops.emulator.interfaces.switches import (
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

APPL_DB, COUNTERS_DB, STATE_DB = 0, 2, 6
"""Numbers in SONiC's ``database_config.json``."""
COUNTERS = metrics_of(
    "sonic",
    PORT,
    "COUNTERS.",
    (
        *("SAI_PORT_STAT_IF_IN_OCTETS", "SAI_PORT_STAT_IF_OUT_OCTETS"),
        *("SAI_PORT_STAT_IF_IN_ERRORS", "SAI_PORT_STAT_IF_OUT_DISCARDS"),
        *("SAI_PORT_STAT_ETHER_STATS_CRC_ALIGN_ERRORS", "SAI_PORT_STAT_IF_IN_FEC_SYMBOL_ERRORS"),
        *("SAI_PORT_STAT_IF_IN_FEC_CORRECTABLE_FRAMES",),
        *("SAI_PORT_STAT_IF_IN_FEC_NOT_CORRECTABLE_FRAMES",),
        *("SAI_PORT_STAT_PFC_*_RX_PKTS", "SAI_PORT_STAT_PFC_*_TX_PKTS"),
    ),
)
"""Metrics by what the flex counter polls of a port."""
QUEUE = metrics_of("sonic", PORT, "QUEUE.", ("SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS",))
RATES = metrics_of("sonic", PORT, "RATES.", ("FEC_PRE_BER", "FEC_POST_BER"))
MODULE_METRICS = (
    *("optics_temperature_celsius", "optics_supply_voltage_volts", "laser_temperature_celsius"),
    *("optics_receive_power_milliwatts", "optics_transmit_power_milliwatts"),
    *("optics_bias_milliamperes", "optics_dark_lanes"),
)
_SENSORS = ("ASIC", "CPU Core", "Inlet", "Outlet", "Board")
_PLACES = ("asic", "cpu", "inlet", "outlet", "board")
TEMPERATURES = dict(
    zip(_SENSORS, metrics_of("sonic", HOST, "TEMPERATURE_INFO.", _PLACES).values(), strict=True)
)
"""Metrics by the sensors of thermalctld, whose names say the place."""
SUPPLY = metrics_of(
    "sonic",
    POWER_UNIT,
    "PSU_INFO.",
    ("voltage", "current", "power", "input_voltage", "input_current", "input_power", "temp"),
)
HEALTH = "health"
PERCENT = 100.0
NOT_AVAILABLE = "N/A"
WRITTEN = "%a %b %d %H:%M:%S %Y"
"""How xcvrd says when it wrote a row, in UTC."""

Texts = list[str]
Columns = dict[str, Texts]
"""By field, one text a key."""


@dataclass(slots=True)
class Hashes:
    """Keys of one table, with the same fields."""

    database: int
    keys: Sequence[str]
    read: Callable[[Mapping[str, Table], datetime], Columns]
    _last: Columns = field(default_factory=dict)
    _heads: list[str] = field(default_factory=list)

    def commands(self, tables: Mapping[str, Table], now: datetime) -> Iterator[bytes]:
        """What writes the fields that changed since the last time."""
        columns = self.read(tables, now)
        changed = {name: texts for name, texts in columns.items() if self._last.get(name) != texts}
        self._last = columns
        if not changed:
            return
        self._heads = self._heads or [text(key) for key in self.keys]
        names = "".join(f"{text(name)}$%d\r\n%s\r\n" for name in changed)
        template = f"*{2 + 2 * len(changed)}\r\n$4\r\nHSET\r\n%s{names}"
        parts = [part for texts in changed.values() for part in (map(len, texts), texts)]
        for row in zip(self._heads, *parts, strict=True):
            yield (template % row).encode()


def hashes_of(switch: SwitchRows) -> list[Hashes]:
    """Everything that a switch has in its databases."""
    return [*_of_ports(switch), *_of_modules(switch), *_of_lasers(switch), *_of_the_board(switch)]


def pipeline(hashes: Sequence[Hashes], tables: Mapping[str, Table], now: datetime) -> list[bytes]:
    """The commands that bring a switch's databases up to the tables."""
    found: list[bytes] = []
    for database in (APPL_DB, COUNTERS_DB, STATE_DB):
        found.append(command("SELECT", str(database)))
        for one in hashes:
            if one.database == database:
                found += one.commands(tables, now)
    return found


def _of_ports(switch: SwitchRows) -> Iterator[Hashes]:
    names, rows = switch.port_names, switch.ports
    ports = [f"oid:0x1{number:015x}" for number in range(1, len(names) + 1)]
    queues = [f"oid:0x15{number:014x}" for number in range(1, len(names) + 1)]
    yield _static(COUNTERS_DB, "COUNTERS_PORT_NAME_MAP", dict(zip(names, ports, strict=True)))
    queue_names = [f"{name}:{LOSSLESS}" for name in names]
    yield _static(
        COUNTERS_DB, "COUNTERS_QUEUE_NAME_MAP", dict(zip(queue_names, queues, strict=True))
    )

    def counted(fields: Mapping[str, str]) -> Callable[[Mapping[str, Table], datetime], Columns]:
        named = {name.replace("*", str(LOSSLESS)): metric for name, metric in fields.items()}
        return lambda tables, _: {
            name: _whole(tables[PORT][metric][rows]) for name, metric in named.items()
        }

    yield Hashes(COUNTERS_DB, [f"COUNTERS:{oid}" for oid in ports], counted(COUNTERS))
    yield Hashes(COUNTERS_DB, [f"COUNTERS:{oid}" for oid in queues], counted(QUEUE))
    yield Hashes(
        COUNTERS_DB,
        [f"RATES:{oid}" for oid in ports],
        lambda tables, _: {
            name: _exact(tables[PORT][metric][rows]) for name, metric in RATES.items()
        },
    )
    yield Hashes(
        APPL_DB, [f"PORT_TABLE:{name}" for name in names], lambda tables, _: _links(tables, rows)
    )


def _links(tables: Mapping[str, Table], rows: Indices) -> Columns:
    table = tables[PORT]
    return {
        "admin_status": ["up"] * len(rows),
        "oper_status": ["up" if up else "down" for up in table["link_state"][rows] > 0.0],
        "speed": _whole(table["rate_gigabits_per_second"][rows] * 1000.0),
        "flap_count": _whole(table["link_transitions_total"][rows]),
    }


def _of_modules(switch: SwitchRows) -> Iterator[Hashes]:
    """Modules of as many lanes have the same fields."""
    for lanes in sorted(set(switch.lanes) - {0}):
        own = np.flatnonzero(np.array(switch.lanes) == lanes)
        names, rows = [switch.port_names[at] for at in own], switch.ports[own]
        yield Hashes(STATE_DB, _keys("TRANSCEIVER_DOM_SENSOR", names), _module_reader(rows, lanes))
        yield from (_identity("TRANSCEIVER_INFO", name, f"{switch.name}-{name}") for name in names)


def _module_reader(rows: Indices, lanes: int) -> Callable[[Mapping[str, Table], datetime], Columns]:
    def read(tables: Mapping[str, Table], now: datetime) -> Columns:
        table = tables[PORT]
        columns = _case(table, rows, now)
        columns["laser_temperature"] = _rounded(table["laser_temperature_celsius"][rows])
        received = lanes_dbm(table["optics_receive_power_milliwatts"][rows], lanes)
        sent = lanes_dbm(table["optics_transmit_power_milliwatts"][rows], lanes)
        bias = lanes_bias(table["optics_bias_milliamperes"][rows], lanes)
        for lane in range(lanes):
            columns[f"rx{lane + 1}power"] = _rounded(received[:, lane])
            columns[f"tx{lane + 1}power"] = _rounded(sent[:, lane])
            columns[f"tx{lane + 1}bias"] = _rounded(bias[:, lane])
        return columns

    return read


def _of_lasers(switch: SwitchRows) -> Iterator[Hashes]:
    if not len(switch.lasers):
        return
    names, rows = [switch.port_names[at] for at in switch.laser_ports], switch.lasers

    def read(tables: Mapping[str, Table], now: datetime) -> Columns:
        table = tables[PORT]
        return _case(table, rows, now) | {
            "opt_power_monitor1": _rounded(table["optics_transmit_power_milliwatts"][rows]),
            "bias_current_monitor1": _rounded(table["optics_bias_milliamperes"][rows]),
        }

    yield Hashes(STATE_DB, _keys("TRANSCEIVER_ELS_DOM_SENSOR", names), read)
    yield from (
        _identity("TRANSCEIVER_ELS_INFO", name, f"{switch.name}-{name}-els") for name in names
    )


def _of_the_board(switch: SwitchRows) -> Iterator[Hashes]:
    row, fans, supplies = switch.host, switch.fans, switch.supplies

    def temperatures(tables: Mapping[str, Table], _: datetime) -> Columns:
        own = [tables[HOST][metric][row] for metric in TEMPERATURES.values()]
        return {"temperature": _rounded(np.array(own))}

    def speeds(tables: Mapping[str, Table], _: datetime) -> Columns:
        slowest = float(tables[HOST]["fan_speed_ratio"][row])
        return {"speed": _whole(np.rint(fan_speeds(slowest * PERCENT, fans)))}

    def supplied(tables: Mapping[str, Table], _: datetime) -> Columns:
        table = tables[POWER_UNIT]
        return {"status": ["true"] * len(supplies)} | {
            name: _rounded(table[metric][supplies]) for name, metric in SUPPLY.items()
        }

    about = {"serial": switch.name, "model": switch.switch.profile.name}
    yield _static(STATE_DB, "CHASSIS_INFO|chassis 1", about)
    yield Hashes(STATE_DB, _keys("TEMPERATURE_INFO", TEMPERATURES), temperatures)
    yield Hashes(STATE_DB, _keys("FAN_INFO", _numbered("FAN", fans)), speeds)
    yield Hashes(STATE_DB, _keys("PSU_INFO", _numbered("PSU", len(supplies))), supplied)


def _case(table: Table, rows: Indices, now: datetime) -> Columns:
    return {
        "temperature": _rounded(table["optics_temperature_celsius"][rows]),
        "voltage": _rounded(table["optics_supply_voltage_volts"][rows]),
        "last_update_time": [now.astimezone(UTC).strftime(WRITTEN)] * len(rows),
    }


def _identity(table: str, port: str, serial: str) -> Hashes:
    about = {"manufacturer": "EMULATED", "model": "EMULATED", "serial": serial}
    return _static(STATE_DB, f"{table}|{port}", about)


def _static(database: int, key: str, fields: Mapping[str, str]) -> Hashes:
    columns = {name: [word] for name, word in fields.items()}
    return Hashes(database, [key], lambda _tables, _now: columns)


def _numbered(kind: str, count: int) -> list[str]:
    return [f"{kind} {number}" for number in range(1, count + 1)]


def _keys(table: str, names: Iterable[str]) -> list[str]:
    return [f"{table}|{name}" for name in names]


def _whole(values: Floats) -> Texts:
    return [str(value) for value in values.astype(np.uint64).tolist()]


def _exact(values: Floats) -> Texts:
    return [repr(value) if value == value else NOT_AVAILABLE for value in values.tolist()]  # noqa: PLR0124


def _rounded(values: Floats) -> Texts:
    """To three decimals, as SONiC's platform code rounds."""
    if np.isnan(values).any():
        return [NOT_AVAILABLE if value != value else f"{value:.3f}" for value in values.tolist()]  # noqa: PLR0124
    return [f"{value:.3f}" for value in values.tolist()]
