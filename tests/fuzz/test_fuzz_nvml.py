from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.nvml import decode_device, parse_answer
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WELL = b"""{"device": 0, "values": {"nvmlDeviceGetTemperature": 61,
"nvmlDeviceGetPowerUsage": 512250, "82": 70, "83": 4742776, "3": 12, "94": 7, "230": 0,
"nvmlDeviceGetMemoryInfo.used": 4294967296},
"errors": {"29": 3, "nvmlDeviceGetSramEccErrorStatus": 13},
"identity": {"uuid": "GPU-1", "serial": "165", "address": "00000000:31:00.0"}}"""
FAILING = b'{"device": 7, "values": {"145": 1}, "errors": {"82": 999, "nvmlDeviceGetClockInfo": 4}}'


class TestFuzzNvml(DecoderFuzz):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        return [WELL, FAILING]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_device(parse_answer(payload), "node001", NOW).readings
