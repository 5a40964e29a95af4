"""dcgm-exporter: Prometheus text of each host's accelerators, ``GET /nodes/HOST/metrics``.

Which field carries which metric, and in which unit, is the catalogue's: an exporter's value is the
metric's, divided by the source's scale. Names are the exporter's older ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from typing_extensions import override

from fleetops.emulator.groups import Group
from fleetops.emulator.identity import uuid_of
from fleetops.emulator.interfaces.base import Carried, Selection, Surroundings
from fleetops.emulator.interfaces.exporter import ExporterInterface, accelerator_lines, is_grace
from fleetops.emulator.interfaces.exposition import WHOLE, Lines, Series, Sheet, page
from fleetops.emulator.pci import pci_address
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.platforms import Interface

DRIVER_VERSION = "580.95.05"
DEVICE_CLASS, HOST = "accelerator", "host"
PROCESSOR_METRIC = "cpu_temperature_celsius"
COOLER_KELVIN = 0.5
"""Each processor below the one before (assumed): tables have the hottest."""
DOUBLE = "%f"
"""How the exporter writes fields of type DCGM_FT_DOUBLE; all others are 64 bit integers."""
HALF_DIGIT = 5e-7
"""How far that rounds."""
BLANK_INTEGER, BLANK_DOUBLE = "9223372036854775794", "140737488355330.000000"
"""DCGM_INT64_NOT_SUPPORTED and DCGM_FP64_NOT_SUPPORTED (dcgm_structs.h), as they are printed."""


def fields() -> tuple[Series, ...]:
    """The field of each metric that dcgm-exporter can carry."""
    return tuple(
        Series.of(metric, sources[0], style=DOUBLE if _is_double(metric, sources[0]) else WHOLE)
        for metric in load_catalog()[DEVICE_CLASS].metrics
        if (sources := metric.sources.get("dcgm"))
    )


class DcgmInterface(ExporterInterface):
    """The exporters of all hosts that have one."""

    interface: ClassVar[Interface] = Interface.DCGM
    path: ClassVar[str] = "metrics"
    name: ClassVar[str] = "dcgm"

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Prepares the label sets once: they never change."""
        super().__init__(surroundings, selection)
        self._sheets: dict[str, Sheet] = {}
        self._processors: dict[str, Sheet] = {}
        for group in self.site.groups:
            if group.platform.speaks(self.interface):
                hosts = accelerator_lines(self.site, group, _labels)
                blanks = _blanks() if _prints_blanks(group) else {}
                sheet = Sheet(lambda: self.table(DEVICE_CLASS), fields(), hosts, blanks)
                self._sheets |= dict.fromkeys(hosts, sheet)
                if is_grace(group.platform):
                    self._processors |= dict.fromkeys(hosts, self._processor_sheet(group))

    @override
    def carries(self) -> Mapping[str, Carried]:
        shown = {one.metric: one for sheet in self._sheets.values() for one in sheet.series}
        tolerances = {name: HALF_DIGIT for name, one in shown.items() if one.style == DOUBLE}
        rows = self.rows_of_hosts(DEVICE_CLASS)
        carried = {DEVICE_CLASS: Carried(rows, tuple(shown), tolerances)}
        if self._processors:
            hosts = sorted(self._hosts[name] for name in self._processors)
            carried[HOST] = Carried(np.array(hosts, dtype=np.intp), (PROCESSOR_METRIC,))
        return carried

    @override
    def text(self, host: str) -> str:
        """The exporter's page of a host. A lost accelerator is simply not on it."""
        processors = self._processors.get(host)
        return page(self._sheets[host].text(host), processors.text(host) if processors else "")

    def _processor_sheet(self, group: Group) -> Sheet:
        """Processors that the driver of accelerators reads, the first of them the hottest."""
        metric = load_catalog()[HOST].metric(PROCESSOR_METRIC)
        first = Series.of(metric, metric.sources["dcgm"][0], style=DOUBLE)
        series = [
            replace(first, labels=f'cpu="{number}"', offset=number * COOLER_KELVIN)
            for number in range(int(group.platform.processors.sockets))
        ]
        hosts = {
            self.site.hosts[host]: Lines(
                np.array([host], dtype=np.intp), (f'Hostname="{self.site.hosts[host]}"',)
            )
            for host in range(group.hosts.start, group.hosts.stop)
        }
        return Sheet(lambda: self.table(HOST), series, hosts)


def _is_double(metric: Metric, source: Source) -> bool:
    """Watts and shares of 1; percent, degrees, clocks, bytes, counts and times are whole."""
    return not metric.type.is_integer and metric.unit in {"W", "1"} and source.scale == 1.0


def _prints_blanks(group: Group) -> bool:
    return any(one.blanks for one in group.platform.management if one.interface is Interface.DCGM)


def _blanks() -> dict[str, str]:
    return {one.metric: BLANK_DOUBLE if one.style == DOUBLE else BLANK_INTEGER for one in fields()}


def _labels(host: str, number: int, model: str) -> str:
    identity = uuid_of(f"{host}/gpu{number}")
    domain, bus, device = pci_address(number).upper().split(":")
    return (
        f'gpu="{number}",UUID="GPU-{identity}",pci_bus_id="0000{domain}:{bus}:{device}.0",'
        f'device="nvidia{number}",modelName="{model}",Hostname="{host}",'
        f'DCGM_FI_DRIVER_VERSION="{DRIVER_VERSION}"'
    )
