"""FBOSS: what a site's exporter makes of a switch's Thrift services, ``GET /switches/NAME/fboss``.

The exporter runs on the switch: with a switch that is down it is gone too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

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
from fleetops.emulator.interfaces.fboss_document import (
    MODULE_METRICS,
    STATISTICS,
    SUPPLY_SENSORS,
    TEMPERATURES,
    FbossDocument,
)
from fleetops.emulator.interfaces.switches import (
    HOST,
    PORT,
    POWER_UNIT,
    carried_of,
    switches_of,
)
from fleetops_schemas.platforms import Interface


class FbossInterface(ServedInterface):
    """The exporters of all switches that run FBOSS."""

    interface: ClassVar[Interface] = Interface.FBOSS

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Builds the documents but for their values."""
        super().__init__(surroundings, selection)
        self._switches = switches_of(surroundings.fleet, selection)
        self._documents = {one.name: FbossDocument(one) for one in self._switches}

    @override
    def carries(self) -> Mapping[str, Carried]:
        metrics = {
            PORT: (
                "link_state",
                "rate_gigabits_per_second",
                *STATISTICS.values(),
                *MODULE_METRICS,
            ),
            HOST: (*TEMPERATURES.values(), "fan_speed_rpm"),
            POWER_UNIT: tuple(sensor.metric for sensor in SUPPLY_SENSORS),
        }
        return carried_of(self._switches, metrics, {})

    @override
    def collectors(self) -> list[dict[str, Any]]:
        base = f"{self.surroundings.base_url}/switches"
        targets = [one.target(f"{base}/{one.name}/fboss") for one in self._switches]
        return [{"kind": "fboss", "name": "fboss", "targets": targets}]

    @override
    def routes(self) -> Sequence[BaseRoute]:
        async def answer(request: Request) -> Response:
            name = request.path_params["name"]
            document = self._documents.get(name)
            if document is None:
                return PlainTextResponse(f"no switch {name}\n", status_code=404)
            if not document.switch.answers(self.surroundings.fleet):
                return PlainTextResponse(f"{name} is down\n", status_code=503)
            body = document.filled(self.surroundings.fleet.tables, self.surroundings.clock.now())
            return Response(body, media_type="application/json")

        return [Route("/switches/{name}/fboss", answer)]
