"""A hall whose building management says what a test wants it to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from fleetops_collectors.facility import Facility, Limits
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.mqtt_testbed import RACK, value_body

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLOW = "Rack/RackLiquidFlow/a1/flow"
LEAK = "Rack/RackLeakDetect/a1/leak"
BEAT = "System/HeartbeatTimestampBms/bms"


class Hall:
    """A facility that is told messages."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.facility = Facility(limits or Limits())
        self.now = NOW

    def described(self, point: str, **fields: object) -> Hall:
        object_type, point_type, _ = point.split("/", 2)
        body = {"objectType": object_type, "pointType": point_type, **fields}
        self.raw(f"BMS/v1/PUB/Metadata/{point}", json.dumps(body))
        return self

    def said(self, point: str, value: object, quality: int = 1, at: datetime | None = None) -> Hall:
        body = value_body(value, at or self.now, quality)
        return self.raw(f"BMS/v1/PUB/Value/{point}", body)

    def raw(self, topic: str, payload: str | bytes) -> Hall:
        data = payload.encode() if isinstance(payload, str) else payload
        self.facility.take(topic, data, self.now)
        return self

    def later(self, seconds: float) -> Hall:
        self.now += timedelta(seconds=seconds)
        return self

    def beat(self) -> Hall:
        return self.said(BEAT, int(self.now.timestamp() * 1000))

    def readings(self) -> list[Reading]:
        readings = self.facility.decoded(self.now).readings
        check_readings(readings)
        return readings

    def one(self) -> tuple[float | None, Quality]:
        (reading,) = self.readings()
        return reading.value, reading.quality

    def warnings(self) -> list[str]:
        return self.facility.decoded(self.now).warnings()


def flow_hall(limits: Limits | None = None) -> Hall:
    return Hall(limits).described(FLOW, engUnit="LPM", **RACK)
