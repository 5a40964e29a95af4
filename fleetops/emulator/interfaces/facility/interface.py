"""The facility interface: the coolant units' points over MQTT, with a heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import orjson
from typing_extensions import override

from fleetops.emulator.interfaces.base import (
    LOOPBACK,
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.interfaces.facility.broker import Broker
from fleetops.emulator.interfaces.facility.points import (
    DEVICE_CLASS,
    PREFIX,
    Shape,
    object_id,
    points_of,
    value_body,
)
from fleetops_schemas.platforms import Interface

HEARTBEAT_SECONDS: Final = 10.0
METADATA_SECONDS: Final = 100.0
"""dsx-exchange: metadata are sent again so often."""
DELIVERY_SECONDS: Final = 2.0
"""How long a tick waits, at most, for readers that confirm."""
POINTS_AT_ONCE: Final = 64
HEARTBEAT: Final = "System/HeartbeatTimestampBms/bms"
SYSTEM: Final = "BMS"


class FacilityInterface(ServedInterface):
    """Building management of all coolant units; its variants are shapes of topics.

    Metadata are retained and sent first. Values are not retained: they are sent at every tick,
    changed or not.
    """

    interface: ClassVar[Interface] = Interface.FACILITY
    settle_seconds: ClassVar[float] = 0.5

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Names every point."""
        super().__init__(surroundings, selection)
        self._shape = self.variant(Shape.PUB)
        self._broker = Broker()
        self._loops = [self.site.loops[index] for index in selection.loops]
        table = self.table(DEVICE_CLASS)
        self._points = [
            point for loop in self._loops for point in points_of(self.site, loop, table)
        ]
        self._beating: asyncio.Task[None] | None = None

    @override
    def carries(self) -> Mapping[str, Carried]:
        rows = np.unique(np.array([point.row for point in self._points], dtype=np.intp))
        metrics = tuple(sorted({point.metric for point in self._points}))
        return {DEVICE_CLASS: Carried(rows, metrics)}

    @override
    def collectors(self) -> list[dict[str, Any]]:
        names = {object_id(loop.name): loop.name for loop in self._loops}
        return [
            {
                "kind": "facility",
                "name": "facility",
                # so that a tick is over when its values were heard: see refresh
                "qos": 1,
                "names": {key: name for key, name in names.items() if key != name},
                "targets": [{"name": "bms", "url": f"mqtt://{LOOPBACK}:{self._broker.port}"}],
            }
        ]

    @override
    async def start(self) -> None:
        await self._broker.open(LOOPBACK)
        self._beating = asyncio.create_task(self._beat())

    @override
    async def refresh(self) -> None:
        table, now = self.table(DEVICE_CLASS), self.surroundings.clock.now()
        for number, point in enumerate(self._points):
            payload = point.value(table, now, self._shape)
            self._broker.publish(point.topic("Value", self._shape), payload)
            if number % POINTS_AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._broker.delivered(DELIVERY_SECONDS)

    @override
    async def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        await self._broker.close()

    async def _beat(self) -> None:
        beats = 0
        while True:
            if beats * HEARTBEAT_SECONDS % METADATA_SECONDS == 0.0:
                self._describe()
            now = self.surroundings.clock.now()
            body = value_body(round(now.timestamp() * 1000.0), now, self._shape)
            self._broker.publish(self._topic("Value"), body)
            beats += 1
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _describe(self) -> None:
        """Sends all metadata."""
        _, point_type, _ = HEARTBEAT.split("/")
        system = {"objectType": "System", "pointType": point_type}
        system |= {"objectName": SYSTEM, "objectId": SYSTEM}
        self._broker.publish(self._topic("Metadata"), orjson.dumps(system), retain=True)
        for point in self._points:
            topic = point.topic("Metadata", self._shape)
            self._broker.publish(topic, point.metadata, retain=True)

    def _topic(self, message: str) -> str:
        """Of the heartbeat."""
        if self._shape is Shape.OLDER:
            return f"{PREFIX}/{HEARTBEAT}/{message}"
        return f"{PREFIX}/PUB/{message}/{HEARTBEAT}"
