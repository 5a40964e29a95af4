"""What all exporters of hosts share: a page a host, and a collector that reads it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from typing_extensions import override

from fleetops.emulator.delivery import hosts_in_band
from fleetops.emulator.groups import NONE, Group
from fleetops.emulator.interfaces.base import Selection, ServedInterface, Surroundings
from fleetops.emulator.interfaces.exposition import Lines
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Platform

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LabelsOf = Callable[[str, int, str], str]
"""The labels of an accelerator, of its host's name, its number and its model."""


class ExporterInterface(ServedInterface):
    """Exporters of one kind, one a host, ``GET /nodes/HOST/PATH``.

    Each would have a port of its own, where nothing listens while its host is down or its process
    is gone; here they share a server, which says 503 then.
    """

    path: ClassVar[str]
    name: ClassVar[str]
    """Of the collector."""

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Serves every selected host."""
        super().__init__(surroundings, selection)
        self._hosts = {self.site.hosts[host]: host for host in selection.hosts}
        self._host_of_row: dict[str, NDArray[np.intp]] = {}
        self._runs_at = -1
        self._up: NDArray[np.bool_] = np.ones(len(self.site.hosts), dtype=np.bool_)

    @abstractmethod
    def text(self, host: str) -> str:
        """The exporter's page; empty where it has nothing to say."""

    def serves(self, host: str) -> bool:
        """Whether the exporter of a host is a target at all."""
        return host in self._hosts

    @override
    def answering(self, device_class: str) -> NDArray[np.bool_]:
        host = self._host_of_row.get(device_class)
        if host is None:
            index = {name: at for at, name in enumerate(self.site.hosts)}
            names = self.table(device_class).roster.hosts
            host = np.array([index.get(name, NONE) for name in names], dtype=np.intp)
            self._host_of_row[device_class] = host
        answers: NDArray[np.bool_] = self._runs()[host] & (host != NONE)
        return answers & super().answering(device_class)

    @override
    def collectors(self) -> list[dict[str, Any]]:
        targets = [
            {
                "name": host,
                "url": f"{self.surroundings.base_url}/nodes/{host}/{self.path}",
                "host": host,
                "rack": self.site.standing[index].rack,
            }
            for host, index in self._hosts.items()
            if self.serves(host)
        ]
        return [{"kind": "prometheus", "name": self.name, "targets": targets}] if targets else []

    @override
    def routes(self) -> Sequence[BaseRoute]:
        async def answer(request: Request) -> Response:
            host = request.path_params["host"]
            if host not in self._hosts:
                return PlainTextResponse(f"no {self.name} on {host}\n", status_code=404)
            text = self.text(host) if self._runs()[self._hosts[host]] else ""
            if not text:
                return PlainTextResponse(f"{self.name} of {host} does not run\n", status_code=503)
            return Response(text, media_type=CONTENT_TYPE)

        return [Route(f"/nodes/{{host}}/{self.path}", answer)]

    def _runs(self) -> NDArray[np.bool_]:
        """(hosts,) whether the exporter answers at this tick."""
        fleet = self.surroundings.fleet
        if self._runs_at != fleet.ticks:
            self._up = hosts_in_band(fleet) & (fleet.effects["down"] < 1.0)
            self._runs_at = fleet.ticks
        return self._up


def is_grace(platform: Platform) -> bool:
    """Whether its processors are NVIDIA's: DCGM reads them, and hwmon has no name for them."""
    return "Grace" in platform.processors.model


def accelerator_lines(site: Site, group: Group, labels: LabelsOf) -> dict[str, Lines]:
    """The lines of a group's accelerators, by host; the group has some."""
    accelerator, count = group.platform.accelerator, group.platform.accelerators
    assert accelerator is not None  # noqa: S101  their exporter was asked for
    hosts = range(group.hosts.start, group.hosts.stop)
    starts = range(group.accelerators.start, group.accelerators.stop, count)
    return {
        site.hosts[host]: Lines(
            np.arange(start, start + count, dtype=np.intp),
            tuple(labels(site.hosts[host], number, accelerator.model) for number in range(count)),
        )
        for host, start in zip(hosts, starts, strict=True)
    }
