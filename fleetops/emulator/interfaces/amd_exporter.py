"""AMD's device-metrics-exporter: text of each host's accelerators, ``GET /nodes/HOST/amd``.

Names and units are those of MI3xx, unpartitioned (ROCm/device-metrics-exporter, list of metrics):
whole watts, degrees, percent and megabytes, microjoules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from fleetops.emulator.identity import uuid_of
from fleetops.emulator.interfaces.base import Carried, Selection, Surroundings
from fleetops.emulator.interfaces.exporter import ExporterInterface, accelerator_lines
from fleetops.emulator.interfaces.exposition import WHOLE, Lines, Series, Sheet, page
from fleetops.emulator.pci import pci_address
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.platforms import Interface

DEVICE_CLASS = "accelerator"
DRIVER_VERSION = "6.14.14"
PROFILER = "GPU_PROF_"
"""Fields that are measured shares, with a fraction; all others are whole."""
DIES = 8
"""Compute dies of an MI300X, each with a clock of its own."""
TOLERANCES: Mapping[str, float] = {"power_watts": 0.5}
"""Half of the last digit, where the table is finer than that."""


def fields() -> tuple[Series, ...]:
    """The fields of each metric that the exporter can carry; a clock has one for every die."""
    found: list[Series] = []
    for metric in load_catalog()[DEVICE_CLASS].metrics:
        if not (sources := metric.sources.get("amd_exporter")):
            continue
        name, _, selected = sources[0].name.partition("{")
        style = "%r" if name.startswith(PROFILER) else WHOLE
        one = Series.of(metric, sources[0], name=name.lower(), style=style)
        found += _clocks(one, selected.rstrip("}").partition("=")[2]) if selected else [one]
    return tuple(found)


def _clocks(one: Series, kind: str) -> list[Series]:
    """Clocks are numbered through: those of the dies, then the memory's."""
    indices = range(DIES) if kind == "system" else (DIES,)
    return [
        replace(one, labels=f'clock_index="{index}",clock_type="GPU_CLOCK_TYPE_{kind.upper()}"')
        for index in indices
    ]


class AmdExporterInterface(ExporterInterface):
    """The exporters of all hosts that have one."""

    interface: ClassVar[Interface] = Interface.AMD_EXPORTER
    path: ClassVar[str] = "amd"
    name: ClassVar[str] = "amd"

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Prepares the label sets once: they never change."""
        super().__init__(surroundings, selection)
        hosts: dict[str, Lines] = {}
        for group in self.site.groups:
            if group.platform.speaks(self.interface):
                hosts |= accelerator_lines(self.site, group, _labels)
        self._sheet = Sheet(lambda: self.table(DEVICE_CLASS), fields(), hosts)

    @override
    def carries(self) -> Mapping[str, Carried]:
        metrics = tuple(dict.fromkeys(one.metric for one in self._sheet.series))
        return {DEVICE_CLASS: Carried(self.rows_of_hosts(DEVICE_CLASS), metrics, TOLERANCES)}

    @override
    def text(self, host: str) -> str:
        return page(self._sheet.text(host))


def _labels(host: str, number: int, model: str) -> str:
    identity = uuid_of(f"{host}/gpu{number}")
    return (
        f'card_model="{model}",card_series="{model}",card_vendor="Advanced Micro Devices, Inc.",'
        f'driver_version="{DRIVER_VERSION}",gpu_compute_partition_type="spx",gpu_id="{number}",'
        f'gpu_memory_partition_type="nps1",gpu_partition_id="0",gpu_uuid="{identity}",'
        f'hostname="{host}",pcie_bus_id="{pci_address(number)}.0",serial_number="{identity.hex[:12]}"'
    )
