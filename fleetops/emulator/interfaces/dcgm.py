"""dcgm-exporter: Prometheus text of each host's accelerators, ``GET /nodes/HOST/metrics``.

Which field carries which metric, and in which unit, is the catalogue's: an exporter's value is the
metric's, divided by the source's scale. Names are the exporter's older ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from typing_extensions import override

from fleetops.emulator.interfaces.base import (
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.pci import pci_address
from fleetops_schemas.catalog import MetricKind, load_catalog
from fleetops_schemas.platforms import Interface

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DRIVER_VERSION = "580.95.05"
DEVICE_CLASS = "accelerator"
WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class Field:
    """One exporter's field."""

    name: str
    metric: str
    head: str
    scale: float
    offset: float


def fields() -> tuple[Field, ...]:
    """The field of each metric that dcgm-exporter can carry."""
    found = []
    for metric in load_catalog()[DEVICE_CLASS].metrics:
        if sources := metric.sources.get("dcgm"):
            source = sources[0]
            kind = "counter" if metric.kind is MetricKind.COUNTER else "gauge"
            head = f"# HELP {source.name} {metric.description}\n# TYPE {source.name} {kind}"
            found.append(Field(source.name, metric.name, head, source.scale, source.offset))
    return tuple(found)


class DcgmInterface(ServedInterface):
    """The exporters of all hosts that have one."""

    interface: ClassVar[Interface] = Interface.DCGM

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Prepares the label sets once: they never change."""
        super().__init__(surroundings, selection)
        table = self.table(DEVICE_CLASS)
        self._fields = [field for field in fields() if field.metric in table.columns]
        self._rows = {self.site.hosts[host]: self._rows_of(host) for host in selection.hosts}
        self._labels = {host: self._labels_of(host) for host in self._rows}

    @override
    def carries(self) -> Mapping[str, Carried]:
        metrics = tuple(field.metric for field in self._fields)
        return {DEVICE_CLASS: Carried(self.rows_of_hosts(DEVICE_CLASS), metrics)}

    @override
    def collectors(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": "prometheus",
                "name": "dcgm",
                "targets": [
                    {
                        "name": host,
                        "url": f"{self.surroundings.base_url}/nodes/{host}/metrics",
                        "host": host,
                        "rack": self.site.standing[index].rack,
                    }
                    for host, index in zip(self._rows, self.selection.hosts, strict=True)
                ],
            }
        ]

    @override
    def routes(self) -> Sequence[BaseRoute]:
        async def answer(request: Request) -> Response:
            host = request.path_params["host"]
            if host not in self._rows:
                return PlainTextResponse(f"no host {host}\n", status_code=404)
            return Response(self.text(host), media_type=CONTENT_TYPE)

        return [Route("/nodes/{host}/metrics", answer)]

    def text(self, host: str) -> str:
        """The exporter's page of a host. A lost accelerator is simply not on it."""
        table, rows, labels = self.table(DEVICE_CLASS), self._rows[host], self._labels[host]
        present = table.present[rows]
        lines: list[str] = []
        for field in self._fields:
            values = (table[field.metric][rows] - field.offset) / field.scale
            shown = present & ~np.isnan(values)
            if shown.any():
                lines.append(field.head)
                lines += [
                    f"{field.name}{labels[at]} {_number(values[at])}"
                    for at in np.flatnonzero(shown)
                ]
        return "\n".join(lines) + "\n"

    def _rows_of(self, host: int) -> range:
        accelerators = np.flatnonzero(self.site.host_of_accelerator == host)
        return range(int(accelerators[0]), int(accelerators[-1]) + 1)

    def _labels_of(self, host: str) -> list[str]:
        group = self.site.group_of(self.site.hosts.index(host))
        assert group.platform.accelerator is not None  # noqa: S101  it has an exporter
        return [
            _labels(host, number, group.platform.accelerator.model)
            for number in range(group.platform.accelerators)
        ]


def _labels(host: str, number: int, model: str) -> str:
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.gpu{number}.emulated")
    domain, bus, device = pci_address(number).upper().split(":")
    return (
        f'{{gpu="{number}",UUID="GPU-{identity}",pci_bus_id="0000{domain}:{bus}:{device}.0",'
        f'device="nvidia{number}",modelName="{model}",Hostname="{host}",'
        f'DCGM_FI_DRIVER_VERSION="{DRIVER_VERSION}"}}'
    )


def _number(value: float) -> str:
    nearest = round(value)
    return str(nearest) if abs(value - nearest) < WHOLE else repr(float(value))
