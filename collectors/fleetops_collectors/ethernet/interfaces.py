"""Decodes interfaces as the kernel shows them (Linux Documentation/ABI/testing/sysfs-class-net)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ethernet.drivers import match_counters
from fleetops_collectors.ethernet.ioctl import DriverInfo
from fleetops_collectors.ethernet.optics import Module, module_readings
from fleetops_collectors.expected_rates import Link, expected_rates
from fleetops_collectors.quality import SATURATED_NUMBERS, Verdict, judge
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading

PROTOCOL = "ethernet"
DEVICE_CLASS = "fabric_port"
DOWN, UP, INITIALIZING, DISABLED = 0, 1, 2, 4
"""Of ``link_state``."""
STATES = {"up": UP, "down": DOWN, "lowerlayerdown": DOWN, "dormant": INITIALIZING, "testing": 2}
"""By RFC 2863 operational state."""
_UNKNOWN_STATE = "unknown"
"""Of drivers that do not tell (loopback, some virtual ones): the carrier tells then."""
IFF_UP = 1
_STATE, _RATE = "operstate", "speed"
_HWMON_SCALE = 0.001
_MAX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Interface:
    """What was read of one interface."""

    name: str
    values: Mapping[str, str | None]
    """Text by sysfs name; None where the kernel refuses it, as it does the speed of a link that is
    down."""
    statistics: Mapping[str, int | str] = field(default_factory=dict)
    """The driver's own counters."""
    driver: DriverInfo = field(default_factory=DriverInfo)
    board: str = ""
    """PCI vendor and device: interfaces of one board are alike."""
    rdma_device: str = ""
    """The RDMA device on the same port (``mlx5_2``); empty without one."""
    module_temperature: str | None = None
    """Thousandths of a degree Celsius, by the driver's own sensor."""
    module: Module = field(default_factory=Module)


@cache
def kernel_columns() -> dict[str, tuple[Metric, Source]]:
    """The columns that sysfs fills, by the name of its file."""
    return {
        name: (metric, source)
        for name, places in load_catalog().by_source(PROTOCOL).items()
        for device_class, metric, source in places
        if device_class.name == DEVICE_CLASS and " " not in name
    }


def decode_interfaces(
    interfaces: Iterable[Interface],
    *,
    host: str,
    now: datetime,
    expected: Mapping[str, float] | None = None,
) -> Decoded:
    """The readings of a host's interfaces.

    Args:
        interfaces: What was read of them.
        host: Whose they are.
        now: When they were read, aware.
        expected: Gbit/s by pattern of interface name or board.
    """
    out = Decoded()
    links = []
    for one in interfaces:
        device = f"{host}/{one.name}"
        cells = _Cells(device, out)
        _driver_counters(one, cells)
        _kernel_values(one, cells)
        _optics(one, cells)
        out.readings += cells.readings.values()
        out.identities += _identities(device, host, one, now)
        rate = cells.readings.get("rate_gigabits_per_second")
        links.append(Link(device, one.name, one.board, rate.value if rate else None))
    of = _metric("expected_rate_gigabits_per_second")
    for device, gigabits in expected_rates(links, expected or {}).items():
        value, quality = judge(of, gigabits)
        out.readings.append(Reading(DEVICE_CLASS, device, of.name, value, of.unit, quality))
    return out


@dataclass(slots=True)
class _Cells:
    """The readings of one interface; of several sources of a metric the first counts."""

    device: str
    out: Decoded
    readings: dict[str, Reading] = field(default_factory=dict)

    def add(self, of: Metric, verdict: Verdict) -> None:
        if of.name not in self.readings:
            self.readings[of.name] = Reading(
                DEVICE_CLASS, self.device, of.name, verdict[0], of.unit, verdict[1]
            )

    def problem(self, text: str) -> None:
        self.out.problems.append(f"{self.device}: {text}")


def _driver_counters(one: Interface, cells: _Cells) -> None:
    names = tuple(one.statistics)
    used: set[str] = set()
    for matched in match_counters(one.driver.driver, names):
        used.update(matched.names)
        of = _metric(matched.metric)
        raws = [_whole(one.statistics[name]) for name in matched.names]
        if None in raws:
            at = raws.index(None)
            cells.problem(f"{matched.names[at]}: no number")
            cells.add(of, (None, Quality.MISSING))
        else:
            cells.add(of, _sum(of, [raw for raw in raws if raw is not None], matched.scale))
    cells.out.unmapped.update(name for name in names if name not in used)


def _sum(of: Metric, raws: list[int], scale: float) -> Verdict:
    for raw in raws:  # a sum with "not set" in it is no sum
        if raw in SATURATED_NUMBERS:
            return judge(of, raw)
    return judge(of, sum(raws), scale)


def _whole(raw: int | str) -> int | None:
    if isinstance(raw, int):
        return raw
    digits = raw.removeprefix("-")
    good = digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS
    return int(raw) if good else None


def _kernel_values(one: Interface, cells: _Cells) -> None:
    for name, (of, source) in kernel_columns().items():
        if name not in one.values:
            continue
        if name == _STATE:
            cells.add(of, _state(one.values))
        elif name == _RATE:
            cells.add(of, _rate(of, source, one.values[name]))
        else:
            cells.add(of, _counter(of, one.values[name], cells, name))


def _counter(of: Metric, text: str | None, cells: _Cells, name: str) -> Verdict:
    if text is None:
        return None, Quality.ABSENT
    raw = _whole(text)
    if raw is None:
        cells.problem(f"{name}: {text[:40]!r} is no number")
        return None, Quality.MISSING
    return judge(of, raw)


def _state(values: Mapping[str, str | None]) -> Verdict:
    flags = values.get("flags") or ""
    if flags.startswith("0x") and len(flags) <= 10 and not _bits(flags) & IFF_UP:  # noqa: PLR2004
        return DISABLED, Quality.GOOD
    text = values[_STATE] or ""
    if text == _UNKNOWN_STATE:
        text = {"1": "up", "0": "down"}.get(values.get("carrier") or "", "")
    state = STATES.get(text)
    return (None, Quality.MISSING) if state is None else (state, Quality.GOOD)


def _bits(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return IFF_UP


def _rate(of: Metric, source: Source, text: str | None) -> Verdict:
    """Without a link the kernel refuses it or says -1, or 4294967295 where it has no sign."""
    raw = None if text is None else _whole(text)
    if text is None or raw in {-1, 2**32 - 1}:
        return None, Quality.ABSENT
    if raw is None:
        return None, Quality.MISSING
    return judge(of, raw, source.scale)


def _optics(one: Interface, cells: _Cells) -> None:
    for reading in module_readings(cells.device, one.module):
        cells.readings.setdefault(reading.metric, reading)
    if one.module_temperature is not None:
        of = _metric("optics_temperature_celsius")
        raw = _whole(one.module_temperature)
        cells.add(of, (None, Quality.MISSING) if raw is None else judge(of, raw, _HWMON_SCALE))


def _metric(name: str) -> Metric:
    return load_catalog()[DEVICE_CLASS].metric(name)


def _identities(device: str, host: str, one: Interface, now: datetime) -> list[DeviceIdentity]:
    """The port and its module. The address names the RDMA device too: they are one port."""
    address = " ".join(part for part in (one.driver.bus_address, one.rdma_device) if part)
    port = DeviceIdentity(
        device=device,
        device_class=DEVICE_CLASS,
        host=host,
        source=PROTOCOL,
        uuid=one.values.get("address") or "",
        model=one.board,
        firmware=one.driver.firmware,
        address=address,
        observed_at=now,
    )
    about = one.module.about
    module = DeviceIdentity(
        device=f"{device}/module",
        device_class=DEVICE_CLASS,
        host=host,
        source=PROTOCOL,
        serial=about.get("vendor sn", ""),
        manufacturer=about.get("vendor name", ""),
        part_number=about.get("vendor pn", ""),
        firmware=about.get("active firmware version", ""),
        observed_at=now,
    )
    return [*([port] if port.uuid or port.address else []), *([module] if about else [])]
