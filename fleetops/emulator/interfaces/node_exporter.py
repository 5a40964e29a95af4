"""node_exporter: RDMA ports (``infiniband``), temperatures (``hwmon``), ``GET /nodes/HOST/node``.

Port counters stand as adapters with wide counters have them: they do not stop at 8 or 16 bits.
Octets are counted in fours by the adapter, so they come through to the three below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from typing_extensions import override

from fleetops.emulator.groups import Group
from fleetops.emulator.interfaces.base import Carried, Selection, Surroundings
from fleetops.emulator.interfaces.exporter import ExporterInterface, is_grace
from fleetops.emulator.interfaces.exposition import Lines, Series, Sheet, page
from fleetops.emulator.model.tables import Rows
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.platforms import Interface, Platform

PORT, HOST = "fabric_port", "host"
TEMPERATURE = "node_hwmon_temp_celsius"
OCTETS = 4.0
LEGACY = "_legacy_"
"""Names of the wide counters of Linux before 4.5."""
STATES = (1.0 / 3.0, -1.0 / 3.0)
"""Scale and offset from the kernel's numbers: 1 is down, 4 is active."""
COOLER_KELVIN, SHADES = 0.5, 8
"""Of several parts of a kind, each reads so much less than the one before, eight times at most
(assumed): tables have the hottest."""


class Sensor(NamedTuple):
    """The main sensor of a chip of hwmon."""

    address: str
    driver: str
    label: str


class Chip(NamedTuple):
    """A sensor, and the metric of the host that it shows."""

    address: str
    driver: str
    label: str
    metric: str
    cooler_kelvin: float


def chips_of(platform: Platform) -> tuple[Chip, ...]:
    """The chips of a host of the platform."""
    return tuple(
        Chip(*sensor, metric, COOLER_KELVIN * (number % SHADES))
        for metric, sensors in (
            ("cpu_temperature_celsius", _processors(platform)),
            ("memory_temperature_celsius", (Sensor("i2c_0_0_0018", "jc42", ""),)),
            ("disk_temperature_celsius", _drives(platform)),
            ("nic_temperature_celsius", _adapters(platform)),
        )
        for number, sensor in enumerate(sensors)
    )


class NodeExporterInterface(ExporterInterface):
    """The exporters of all hosts that have one."""

    interface: ClassVar[Interface] = Interface.NODE_EXPORTER
    path: ClassVar[str] = "node"
    name: ClassVar[str] = "node"

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Lays out one page a platform."""
        super().__init__(surroundings, selection)
        self._pages: dict[str, _Page] = {}
        for group in self.site.groups:
            if group.platform.speaks(self.interface):
                shape = self._page(group)
                hosts = self.site.hosts[group.hosts.start : group.hosts.stop]
                self._pages |= dict.fromkeys(hosts, shape)

    @override
    def carries(self) -> Mapping[str, Carried]:
        pages = set(self._pages.values())
        ports = [one.metric for shape in pages for one in shape.ports.series]
        temperatures = [one.metric for shape in pages for one in shape.temperatures.series]
        hosts = np.array(sorted(self._hosts.values()), dtype=np.intp)
        carried = {HOST: Carried(hosts, tuple(dict.fromkeys(temperatures)))}
        rows = [shape.rows for shape in pages if len(shape.rows)]
        if rows:
            octets = dict.fromkeys(("receive_bytes_total", "transmit_bytes_total"), OCTETS - 1.0)
            carried[PORT] = Carried(
                np.sort(np.concatenate(rows)), tuple(dict.fromkeys(ports)), octets
            )
        return carried

    @override
    def text(self, host: str) -> str:
        shape = self._pages[host]
        return page(
            shape.temperatures.text(host), shape.ports.text(host), shape.names, _about(host)
        )

    def _page(self, group: Group) -> _Page:
        chips = chips_of(group.platform)
        names = self.site.hosts[group.hosts.start : group.hosts.stop]
        rows = np.arange(group.hosts.start, group.hosts.stop, dtype=np.intp)
        ports = {
            name: self._ports_of(host) for name, host in zip(names, rows.tolist(), strict=True)
        }
        return _Page(
            names=_chip_names(chips),
            temperatures=Sheet(
                lambda: self.table(HOST),
                [_temperature(chip) for chip in chips],
                {name: Lines(rows[at : at + 1], ("",)) for at, name in enumerate(names)},
            ),
            ports=Sheet(lambda: self.table(PORT), _port_series(), ports),
            rows=np.concatenate([one.rows for one in ports.values()]),
        )

    def _ports_of(self, host: int) -> Lines:
        """The RDMA ports of a host: others have no such device."""
        ports = self.site.ports
        rows = np.flatnonzero((ports.host_of == host) & ports.is_backend)
        return Lines(
            rows, tuple(f'device="{ports.names[row].rpartition("/")[2]}",port="1"' for row in rows)
        )


@dataclass(frozen=True, eq=False, slots=True)
class _Page:
    """What the pages of a platform's hosts are made of."""

    names: str
    """Of chips and their sensors."""
    temperatures: Sheet
    ports: Sheet
    rows: Rows
    """Of all ports."""


def _port_series() -> list[Series]:
    return [
        _state(metric, source) if metric.states else Series.of(metric, source)
        for metric in load_catalog()[PORT].metrics
        for source in metric.sources.get("node_exporter", ())
        if LEGACY not in source.name
    ]


def _state(metric: Metric, source: Source) -> Series:
    scale, offset = STATES
    return replace(Series.of(metric, source), scale=scale, offset=offset)


def _temperature(chip: Chip) -> Series:
    return Series(
        name=TEMPERATURE,
        metric=chip.metric,
        kind="gauge",
        about="Hardware monitor for temperature (input)",
        offset=chip.cooler_kelvin,
        style="%r",
        labels=f'chip="{chip.address}",sensor="temp1"',
    )


def _chip_names(chips: Iterable[Chip]) -> str:
    """What says which driver and which sensor a temperature is of."""
    names = [f'{{chip="{one.address}",chip_name="{one.driver}"}} 1' for one in chips]
    labels = [
        f'{{chip="{one.address}",label="{one.label}",sensor="temp1"}} 1'
        for one in chips
        if one.label
    ]
    return _family("node_hwmon_chip_names", names) + _family("node_hwmon_sensor_label", labels)


def _family(name: str, samples: Iterable[str]) -> str:
    return f"\n# TYPE {name} gauge" + "".join(f"\n{name}{sample}" for sample in samples)


def _about(host: str) -> str:
    labels = f'domainname="(none)",machine="x86_64",nodename="{host}",sysname="Linux"'
    return _family("node_uname_info", [f"{{{labels}}} 1"])


def _processors(platform: Platform) -> Iterator[Sensor]:
    if is_grace(platform):
        return
    for number in range(int(platform.processors.sockets)):
        if "EPYC" in platform.processors.model:
            yield Sensor(f"pci0000:00_0000:00:{0x18 + number:02x}_3", "k10temp", "Tccd1")
        else:
            yield Sensor(f"platform_coretemp_{number}", "coretemp", f"Package id {number}")


def _drives(platform: Platform) -> Iterator[Sensor]:
    """Flash in hosts that compute, disks behind a bus of SCSI in those that store."""
    for number in range(int(platform.board.drives)):
        if platform.serves == "storage_cache":
            yield Sensor(f"target0:0:{number}_0:0:{number}:0", "drivetemp", "")
        else:
            yield Sensor(f"nvme_nvme{number}", "nvme", "Composite")


def _adapters(platform: Platform) -> Iterator[Sensor]:
    count = sum(int(one.count) for one in platform.adapters if one.role == "backend")
    for number in range(count):
        yield Sensor(f"0000:00:01_0_0000:{number + 1:02x}:00_0", "mlx5", "asic")
