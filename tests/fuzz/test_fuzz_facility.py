from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from fleetops_collectors.facility import Limits, decode_recording
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import DecoderFuzz

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp() * 1000)
HALL = f"""BMS/v1/PUB/Metadata/System/HeartbeatTimestampBms/b {{"objectId": "BMS", "scope": ""}}
BMS/v1/PUB/Value/System/HeartbeatTimestampBms/b {{"value": {STAMP - 9000}, "timestamp": 1, "quality": 1}}
BMS/v1/PUB/Value/System/HeartbeatTimestampBms/b {{"value": {STAMP}, "timestamp": {STAMP}, "quality": 1}}
BMS/v1/PUB/Metadata/Rack/RackPower/a/p {{"engUnit": "kW", "rackLocationId": "r1", "stateText": null}}
BMS/v1/PUB/Value/Rack/RackPower/a/p {{"value": 118.5, "timestamp": {STAMP}, "quality": 1}}
BMS/v1/PUB/Metadata/CDU/LiquidTemperature/t {{"engUnit": "degF", "objectId": "cdu1", "processArea": ["Secondary", "Supply"]}}
BMS/v1/PUB/Value/CDU/LiquidTemperature/t {{"value": 90.5, "timestamp": {STAMP}, "quality": 1}}
BMS/v1/PUB/Metadata/Rack/RackLeakDetect/l {{"rackLocationId": "r1", "stateText": [{{"value": 0, "text": "NoLeak"}}]}}
BMS/v1/PUB/Value/Rack/RackLeakDetect/l {{"value": 1, "timestamp": {STAMP}, "quality": 1}}
"""  # noqa: E501
OLDER = """{"tst": "2026-11-21T12:00:00.000000Z+0000", "topic": "BMS/v1/a/leak/Metadata", "payload": {"objectType": "Rack", "pointType": "LeakDetectRack", "rackID": "r1"}}
{"tst": "2026-11-21T12:00:01.000000Z+0000", "topic": "BMS/v1/a/leak/Value", "payload": "{\\"value\\": 0, \\"timestamp\\": 1795262400}"}
"""  # noqa: E501


class TestFuzzFacility(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [HALL.encode(), OLDER.encode()]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(payload)
            file.flush()
            return decode_recording(Path(file.name), Limits(), NOW).readings
