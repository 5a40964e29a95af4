from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.fboss import decode_fboss
from fleetops_collectors.fboss.structs import structs_of
from fleetops_collectors.json_input import parse_documents
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAMP = int(NOW.timestamp())
STATS = {
    "hwPortStats": {
        "eth1/1/1": {
            **{"inBytes_": 81, "outErrors_": -1, "inPfc_": {"2": 5}, "timestamp_": STAMP},
            "fecCodewords_": {"0": 100, "4": 3},
        }
    },
    "sensorData": [
        {"name": "SMB_TH5_TEMP", "value": 71.5, "timeStamp": STAMP, "sensorType": 3},
        {"name": "PSU1_L_VIN", "value": 230.5, "sensorType": 1},
    ],
}
LANE = {"rxPwr": {"value": 0.9}, "rxPwrdBm": {"value": -0.46}, "txBias": {"value": 7.0}}
MODULE = {
    "tcvrState": {
        **{"present": True, "port": 0, "vendor": {"serialNumber": "S1", "name": "Acme"}},
        "portNameToMediaLanes": {"eth1/1/1": [0]},
    },
    "tcvrStats": {
        "sensor": {"temp": {"value": 51.5}},
        "channels": [{"channel": 0, "sensors": LANE}],
        "timeCollected": STAMP,
        "elsfp": {"sensor": {"temp": {"value": 48.0}}, "channels": []},
    },
}
TABLES = {
    "transceivers": {
        "1": {
            **{"name": "eth1/1/1", "isUp": True, "isPresent": True, "temperature": 41.2},
            **{"voltage": 3.3, "currentMA": [7.1], "txPower": [0.0], "rxPower": [-3.0]},
        }
    },
    "portEntries": [
        {"name": "eth1/1/1", "adminState": "Enabled", "linkState": "Up", "speed": "400G"}
    ],
}


class TestFuzzFboss(DecoderFuzz):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        return [json.dumps(one).encode() for one in (STATS, {"0": MODULE}, TABLES)]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        structs = structs_of(parse_documents(payload, "answer"))
        return decode_fboss(structs, switch="leaf1", now=NOW, stale_after_seconds=600).readings
