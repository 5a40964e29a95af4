"""Decodes adapters as sysfs shows them (Linux Documentation/ABI/stable/sysfs-class-infiniband)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.expected_rates import Link, expected_rates
from fleetops_collectors.infiniband.counters import (
    DEVICE_CLASS,
    PROTOCOL,
    columns,
    judge_counter,
    metric,
    reading,
    whole_number,
)
from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading

STATES = {1: 0, 2: 2, 3: 3, 4: 1, 5: 2}
"""Of enum ib_port_state to ``link_state``: down, initializing, armed, active; one that defers being
active (5) carries no data meanwhile, as one that initializes."""
MILLIDEGREE = 0.001
"""hwmon's unit, in degrees Celsius."""
LINK_UP, DISABLED = 5, 3
"""Of the physical state."""
_ACTIVE, _DISABLED_LINK = 1, 4
"""Of ``link_state``."""
ETHERNET = "Ethernet"
UNKNOWN_HOST = "unknown"
_COUNTERS = ("counters_ext/", "counters/", "hw_counters/")
"""In order of precedence. The first are the wide ones of Linux before 4.5; some drivers repeat
counters in the last."""
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) Gb/sec\b.*")
_STATE = re.compile(r"(\d{1,3}): .*")


@dataclass(frozen=True, slots=True)
class Port:
    """One port's files."""

    number: str
    values: Mapping[str, str | None]
    """Text by name (``rate``, ``counters/symbol_error``); None where the kernel refuses it."""
    unread: Sequence[str] = ()
    """Counters that are there and have no column: known by name, not read."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter's files."""

    name: str
    """``mlx5_0``"""
    values: Mapping[str, str | None]
    ports: Sequence[Port]
    address: str = ""
    """PCI address."""
    module_temperature: str | None = None
    """Thousandths of a degree Celsius; None where the driver has no such sensor."""


def decode_adapters(
    adapters: Iterable[Adapter],
    *,
    host: str | None,
    now: datetime,
    expected: Mapping[str, float] | None = None,
    ethernet_ports: bool = True,
) -> Decoded:
    """The readings of a host's adapters.

    Args:
        adapters: What sysfs shows.
        host: Whose they are; without it the first word of each adapter's description, which is the
            host's name unless somebody changed it.
        now: When it was read, aware.
        expected: Gbit/s by pattern of adapter name or board id.
        ethernet_ports: False leaves out what an Ethernet interface counts as well.
    """
    out = Decoded()
    links: list[Link] = []
    for adapter in adapters:
        name = host or _host(adapter)
        out.identities.append(_identity(adapter, name, now))
        for port in adapter.ports:
            if port.values.get("link_layer") == ETHERNET and not ethernet_ports:
                _counters(port, _device(name, adapter, port), out, rdma_only=True)
            else:
                links.append(_port(name, adapter, port, out))
    of = metric("expected_rate_gigabits_per_second")
    for device, rate in expected_rates(links, expected or {}).items():
        out.readings.append(reading(device, of, judge(of, rate)))
    return out


def _host(adapter: Adapter) -> str:
    words = (adapter.values.get("node_desc") or "").split()
    return words[0] if words and words[0] != adapter.name else UNKNOWN_HOST


def _device(host: str, adapter: Adapter, port: Port) -> str:
    place = f"{host}/{adapter.name}"
    return place if port.number == "1" else f"{place}/{port.number}"


def _port(host: str, adapter: Adapter, port: Port, out: Decoded) -> Link:
    device = _device(host, adapter, port)
    physical = _number(port.values.get("phys_state"))
    state = judge_state(port.values.get("state"), physical)
    rate = _rate(port.values.get("rate"), linked=physical == LINK_UP or state[0] == _ACTIVE)
    out.readings += [
        reading(device, metric("link_state"), state),
        reading(device, metric("rate_gigabits_per_second"), rate),
    ]
    if physical is not None:
        of = metric("physical_state")
        out.readings.append(reading(device, of, judge(of, physical)))
    if port.number == "1" and adapter.module_temperature is not None:
        out.readings.append(_temperature(device, adapter.module_temperature))
    _counters(port, device, out)
    board = adapter.values.get("board_id") or adapter.values.get("hca_type") or ""
    return Link(device, adapter.name, board, rate[0])


def judge_state(text: str | None, physical: int | None) -> Verdict:
    """``link_state`` of "4: ACTIVE"; a port that is down since it is disabled is disabled."""
    number = _number(text)
    state = None if number is None else STATES.get(number)
    if state is None:
        return None, Quality.MISSING
    if state == 0 and physical == DISABLED:
        return _DISABLED_LINK, Quality.GOOD
    return state, Quality.GOOD


def _rate(text: str | None, *, linked: bool) -> Verdict:
    """Gbit/s. Without a link sysfs shows a default (10 Gb/sec, 4X SDR), which nobody agreed on."""
    if text is None:
        return None, Quality.MISSING
    if not linked:
        return None, Quality.ABSENT
    match = _RATE.fullmatch(text)
    if match is None:
        return None, Quality.MISSING
    return judge(metric("rate_gigabits_per_second"), float(match[1]))


def _number(text: str | None) -> int | None:
    match = _STATE.fullmatch(text or "")
    return int(match[1]) if match else None


def _temperature(device: str, text: str) -> Reading:
    of = metric("optics_temperature_celsius")
    try:
        return reading(device, of, judge(of, whole_number(text), MILLIDEGREE))
    except ValueError:
        return reading(device, of, (None, Quality.MISSING))


def _counters(port: Port, device: str, out: Decoded, *, rdma_only: bool = False) -> None:
    out.unmapped.update(name.rpartition("/")[2] for name in port.unread)
    taken: set[str] = set()
    for folder in _COUNTERS:
        if rdma_only and folder != "hw_counters/":
            continue
        for name, text in port.values.items():
            column = columns().get(name.removeprefix(folder)) if name.startswith(folder) else None
            if column is None or column.metric.name in taken:
                continue
            taken.add(column.metric.name)
            try:
                verdict = judge_counter(column, text, legacy=folder == "counters/")
            except ValueError as error:
                out.problems.append(f"{device}: {name}: {error}")
                verdict = (None, Quality.MISSING)
            out.readings.append(reading(device, column.metric, verdict))


def _identity(adapter: Adapter, host: str, now: datetime) -> DeviceIdentity:
    def text(name: str) -> str:
        return adapter.values.get(name) or ""

    number = adapter.ports[0].number if adapter.ports else "1"
    return DeviceIdentity(
        device=_device(host, adapter, Port(number, {})),
        device_class=DEVICE_CLASS,
        host=host,
        source=PROTOCOL,
        serial=text("serial"),
        uuid=text("node_guid"),
        model=text("hca_type"),
        part_number=text("board_id"),
        firmware=text("fw_ver"),
        address=adapter.address,
        observed_at=now,
    )
