from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.json_input import parse_documents
from fleetops_collectors.sonic import decode_sonic, tables_of
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAT = "SAI_PORT_STAT_"
COUNTERS = {
    "COUNTERS_PORT_NAME_MAP": {"Ethernet0": "oid:0x1000000000002"},
    "COUNTERS_QUEUE_NAME_MAP": {"Ethernet0:3": "oid:0x15000000000099"},
    "COUNTERS:oid:0x1000000000002": {
        f"{STAT}IF_IN_OCTETS": "12345678901234567890",
        f"{STAT}PFC_3_RX_PKTS": "17",
        f"{STAT}IF_IN_FEC_CODEWORD_ERRORS_S7": "2",
    },
    "COUNTERS:oid:0x15000000000099": {"SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": "4"},
    "RATES:oid:0x1000000000002": {"FEC_PRE_BER": "1.2e-8"},
}
STATE = {
    "PORT_TABLE|Ethernet0": {"oper_status": "up", "admin_status": "up", "speed": "400000"},
    "TRANSCEIVER_DOM_SENSOR|Ethernet0": {
        **{"temperature": "41.5", "rx1power": "-2.1dBm", "rx2power": "N/A", "tx1bias": "7.5"},
        **{"els_temperature": "32.8", "last_update_time": "Sat Nov 21 11:40:00 2026"},
    },
    "PSU_INFO|PSU 1": {"presence": "true", "status": "true", "power": "102.7"},
    "TEMPERATURE_INFO|ASIC": {"temperature": "61.5", "timestamp": "20261121 11:59:00"},
    "LIQUID_COOLING_INFO|leakage1": {"leak_status": "Yes", "leak_severity": "MINOR"},
}
LOADED = {key: {"type": "hash", "ttl": -1, "value": value} for key, value in COUNTERS.items()}


class TestFuzzSonic(DecoderFuzz):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        return [json.dumps(one).encode() for one in (COUNTERS, STATE, LOADED, [COUNTERS, STATE])]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        readings: list[Reading] = []
        for number, document in enumerate(parse_documents(payload, "dump")):
            tables, _ = tables_of(document)
            readings += decode_sonic(
                tables, switch=f"leaf{number}", now=NOW, stale_after_seconds=900
            ).readings
        return readings
