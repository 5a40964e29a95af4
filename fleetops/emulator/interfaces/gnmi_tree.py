"""The OpenConfig tree of an emulated switch (openconfig/public), of what its tables have.

Decimals have the digits that OpenConfig gives their types: one for temperatures, two for powers in
dBm, currents and voltages of optics, eighteen for error rates.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np

from fleetops.emulator.groups import Indices
from fleetops.emulator.interfaces.gnmi_lists import Elem, Entries, Leaf, Path, Tables, Texts
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

COUNTERS = metrics_of(
    "gnmi",
    PORT,
    "interfaces/interface/",
    (
        *("state/counters/in-octets", "state/counters/out-octets"),
        *("state/counters/in-pkts", "state/counters/out-pkts", "state/counters/in-errors"),
        *("state/counters/out-discards", "state/counters/carrier-transitions"),
        *("ethernet/state/counters/in-crc-errors", "ethernet/state/counters/in-symbol-errors"),
    ),
)
BLOCKS = metrics_of(
    "gnmi",
    PORT,
    "components/component/",
    ("transceiver/state/fec-corrected-blocks", "transceiver/state/fec-uncorrectable-blocks"),
)
RATES = metrics_of(
    "gnmi",
    PORT,
    "components/component/",
    ("transceiver/state/pre-fec-ber/instant", "transceiver/state/post-fec-ber/instant"),
)
MARKED = metrics_of(
    "gnmi",
    PORT,
    "qos/interfaces/interface/output/queues/queue/",
    ("state/ecn-marked-pkts",),
)
MODULE_METRICS = (
    *("optics_temperature_celsius", "optics_supply_voltage_volts", "laser_temperature_celsius"),
    *("optics_receive_power_milliwatts", "optics_transmit_power_milliwatts"),
    *("optics_bias_milliamperes", "optics_dark_lanes"),
)
SENSORS = {
    "Asic": ("INTEGRATED_CIRCUIT", "asic_temperature_celsius"),
    "Cpu": ("CPU", "cpu_temperature_celsius"),
    "TempSensor-Inlet": ("SENSOR", "inlet_temperature_celsius"),
    "TempSensor-Board": ("SENSOR", "board_temperature_celsius"),
}
"""Components that have a temperature: their type, and the metric."""
SUPPLY = metrics_of(
    "gnmi",
    POWER_UNIT,
    "components/component/",
    (
        *("power-supply/state/input-voltage", "power-supply/state/input-current"),
        *("power-supply/state/output-voltage", "power-supply/state/output-current"),
        "power-supply/state/output-power",
    ),
)
CELSIUS, LIGHT, BER = 1, 2, 18
"""Digits behind the point."""
TEMPERATURE = "state/temperature/instant"

_INTERFACES, _COMPONENTS = Elem("interfaces"), Elem("components")
_CHANNELS = (Elem("transceiver"), Elem("physical-channels"))
_OUTPUT_QUEUE = (Elem("output"), Elem("queues"), Elem("queue", {"name": str(LOSSLESS)}))

Reads = Callable[[Tables], Texts]


def lists_of(switch: SwitchRows) -> list[Entries]:
    """Everything that a switch tells."""
    return [
        _interfaces(switch),
        _queues(switch),
        _transceivers(switch),
        _channels(switch),
        *_lasers(switch),
        _sensors(switch),
        _fans(switch),
        _supplies(switch),
    ]


def _interfaces(switch: SwitchRows) -> Entries:
    rows, names = switch.ports, switch.port_names
    facts = {
        "state/admin-status": _same("UP", len(names)),
        "state/type": _same("iana-if-type:ethernetCsmacd", len(names)),
        "state/transceiver": _words(_transceiver(name) for name in names),
    }
    return Entries(
        [_interface(name) for name in names],
        [
            *(Leaf(path, _always(texts)) for path, texts in facts.items()),
            Leaf("state/oper-status", lambda tables: _statuses(tables, rows)),
            *(Leaf(path, _counts(PORT, metric, rows)) for path, metric in COUNTERS.items()),
            Leaf("ethernet/state/port-speed", lambda tables: _speeds(tables, rows)),
        ],
    )


def _queues(switch: SwitchRows) -> Entries:
    paths: list[Path] = [
        (
            Elem("qos"),
            Elem("interfaces"),
            Elem("interface", {"interface-id": name}),
            *_OUTPUT_QUEUE,
        )
        for name in switch.port_names
    ]
    leaves = [Leaf(path, _counts(PORT, metric, switch.ports)) for path, metric in MARKED.items()]
    return Entries(paths, leaves)


def _transceivers(switch: SwitchRows) -> Entries:
    rows, names = switch.ports, switch.port_names
    serials = (f"{switch.name}-{name}" for name in names)
    return Entries(
        [_component(_transceiver(name)) for name in names],
        [
            *_about("TRANSCEIVER", serials),
            *_case(rows),
            Leaf("transceiver/state/present", _always(_same("PRESENT", len(names)))),
            *(Leaf(path, _counts(PORT, metric, rows)) for path, metric in BLOCKS.items()),
            *(Leaf(path, _decimals(PORT, metric, rows, BER)) for path, metric in RATES.items()),
        ],
    )


def _channels(switch: SwitchRows) -> Entries:
    """The lanes of optical modules; copper has none."""
    lanes = np.array(switch.lanes)
    optical = np.flatnonzero(lanes)
    rows, most = switch.ports[optical], int(lanes.max(initial=0))
    used = np.arange(most) < lanes[optical][:, None]

    def leaf(name: str, metric: str, spread: Callable[[Floats, int], Floats], digits: int) -> Leaf:
        return Leaf(
            f"state/{name}/instant",
            lambda tables: _digits(spread(tables[PORT][metric][rows], most)[used], digits),
        )

    modules = [
        (_component(_transceiver(switch.port_names[at])), switch.lanes[at]) for at in optical
    ]
    return Entries(
        [(*module, *_channel(lane)) for module, count in modules for lane in range(count)],
        [
            leaf("input-power", "optics_receive_power_milliwatts", lanes_dbm, LIGHT),
            leaf("output-power", "optics_transmit_power_milliwatts", lanes_dbm, LIGHT),
            leaf("laser-bias-current", "optics_bias_milliamperes", lanes_bias, LIGHT),
            leaf("laser-temperature", "laser_temperature_celsius", _each, CELSIUS),
        ],
    )


def _lasers(switch: SwitchRows) -> Iterator[Entries]:
    """External lasers: a component below the transceiver that each feeds, with one channel."""
    rows = switch.lasers
    modules = [_transceiver(switch.port_names[at]) for at in switch.laser_ports]
    names = [f"{module}-els1" for module in modules]
    serials = (f"{switch.name}-{name}" for name in names)
    yield Entries(
        [_component(name) for name in names],
        [
            *_about("TRANSCEIVER", serials),
            Leaf("state/parent", _always(_words(modules))),
            *_case(rows),
            Leaf("transceiver/state/present", _always(_same("PRESENT", len(names)))),
        ],
    )

    def sent(tables: Tables) -> Texts:
        return _digits(lanes_dbm(tables[PORT]["optics_transmit_power_milliwatts"][rows], 1), LIGHT)

    yield Entries(
        [(*_component(name), *_channel(0)) for name in names],
        [
            Leaf("state/output-power/instant", sent),
            Leaf(
                "state/laser-bias-current/instant",
                _decimals(PORT, "optics_bias_milliamperes", rows, LIGHT),
            ),
        ],
    )


def _sensors(switch: SwitchRows) -> Entries:
    row, metrics = switch.host, [metric for _, metric in SENSORS.values()]
    types = _words(f"openconfig-platform-types:{kind}" for kind, _ in SENSORS.values())
    return Entries(
        [_component(name) for name in SENSORS],
        [
            Leaf("state/type", _always(types)),
            Leaf(
                TEMPERATURE,
                lambda tables: _digits(
                    np.array([tables[HOST][metric][row] for metric in metrics]), CELSIUS
                ),
            ),
        ],
    )


def _fans(switch: SwitchRows) -> Entries:
    def speeds(tables: Tables) -> Texts:
        slowest = float(tables[HOST]["fan_speed_rpm"][switch.host])
        return [f"{speed:.0f}" for speed in fan_speeds(slowest, switch.fans)]

    return Entries(
        [_component(f"Fan{number + 1}") for number in range(switch.fans)],
        [*_about("FAN", [""] * switch.fans), Leaf("fan/state/speed", speeds)],
    )


def _supplies(switch: SwitchRows) -> Entries:
    rows = switch.supplies

    def floats(metric: str) -> Reads:
        return lambda tables: _float32(tables[POWER_UNIT][metric][rows])

    return Entries(
        [_component(f"PSU{number + 1}") for number in range(len(rows))],
        [
            *_about("POWER_SUPPLY", [""] * len(rows)),
            Leaf(TEMPERATURE, _decimals(POWER_UNIT, "hotspot_temperature_celsius", rows, CELSIUS)),
            *(Leaf(path, floats(metric)) for path, metric in SUPPLY.items()),
        ],
    )


def _about(kind: str, serials: Iterable[str]) -> Iterator[Leaf]:
    """What a component is, and what it says of itself where it says anything."""
    own = list(serials)
    yield Leaf("state/type", _always(_same(f"openconfig-platform-types:{kind}", len(own))))
    if any(own):
        yield Leaf("state/mfg-name", _always(_same("EMULATED", len(own))))
        yield Leaf("state/serial-no", _always(_words(own)))


def _case(rows: Indices) -> Iterator[Leaf]:
    yield Leaf(TEMPERATURE, _decimals(PORT, "optics_temperature_celsius", rows, CELSIUS))
    yield Leaf(
        "transceiver/state/supply-voltage/instant",
        _decimals(PORT, "optics_supply_voltage_volts", rows, LIGHT),
    )


def _interface(name: str) -> Path:
    return (_INTERFACES, Elem("interface", {"name": name}))


def _component(name: str) -> Path:
    return (_COMPONENTS, Elem("component", {"name": name}))


@cache
def _channel(lane: int) -> Path:
    return (*_CHANNELS, Elem("channel", {"index": str(lane)}))


def _transceiver(port: str) -> str:
    return f"{port}-transceiver"


def _always(texts: Texts) -> Reads:
    return lambda _: texts


def _words(words: Iterable[str]) -> list[str]:
    return [f'"{word}"' for word in words]


def _same(word: str, count: int) -> list[str]:
    return _words([word]) * count


def _statuses(tables: Tables, rows: Indices) -> Texts:
    return ['"UP"' if up else '"DOWN"' for up in (tables[PORT]["link_state"][rows] > 0.0).tolist()]


def _speeds(tables: Tables, rows: Indices) -> Texts:
    rates = tables[PORT]["rate_gigabits_per_second"][rows].tolist()
    return _words(f"openconfig-if-ethernet:{_speed(rate)}" for rate in rates)


def _speed(gigabits_per_second: float) -> str:
    if gigabits_per_second.is_integer():
        return f"SPEED_{gigabits_per_second:.0f}GB"
    return f"SPEED_{gigabits_per_second * 1000.0:.0f}MB"


def _counts(device_class: str, metric: str, rows: Indices) -> Reads:
    """64 bit integers, which are texts in JSON."""
    return lambda tables: [
        f'"{count}"' for count in tables[device_class][metric][rows].astype(np.uint64).tolist()
    ]


def _decimals(device_class: str, metric: str, rows: Indices, digits: int) -> Reads:
    return lambda tables: _digits(tables[device_class][metric][rows], digits)


def _digits(values: Floats, digits: int) -> Texts:
    """Decimals, which are texts in JSON."""
    flat = values.ravel()
    if np.isnan(flat).any():
        return [f'"{value:.{digits}f}"' if value == value else "" for value in flat.tolist()]  # noqa: PLR0124 (NaN)
    return [f'"{value:.{digits}f}"' for value in flat.tolist()]


def _each(values: Floats, lanes: int) -> Floats:
    return np.repeat(values[:, None], lanes, axis=1)


def _float32(values: Floats) -> Texts:
    """OpenConfig's ``ieeefloat32``: four bytes, which are base64 in JSON."""
    data = values.astype(">f4").tobytes()
    return [f'"{base64.b64encode(data[at : at + 4]).decode()}"' for at in range(0, len(data), 4)]
