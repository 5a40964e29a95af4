from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from fleetops_collectors.json_input import parse_json
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.dump import read_dump
from fleetops_collectors.rackmon.dumped_devices import DumpReader
from fleetops_collectors.rackmon.map_json import read_rackmond_map
from fleetops_collectors.rackmon.memory import read_memory
from fleetops_collectors.rackmon.profile_json import is_profile, read_profile
from fleetops_collectors.rackmon.readings import Device, Sample, read_device
from fleetops_collectors.rackmon.rows import rows_of_source
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.register_maps import load_register_maps
from tests.fuzz.decoder_fuzz import SENTINELS, DecoderFuzz
from tests.unit.collectors.rackmon_data import dumped, entry, flags_entry, words_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
T = int(NOW.timestamp())
PSU = dumped(
    "ORV3_PSU",
    200,
    {
        (24, "PSU_MFR_Serial"): [entry(T, "strValue", "SN42")],
        (60, "General_Alarm_Status_Register"): [flags_entry(T - 9, 0), flags_entry(T, 2048)],
        (67, "PSU_RPM_Fan0"): [entry(T, "intValue", 9000)],
        (79, "PSU_Output_Voltage"): [entry(T, "floatValue", 50.0)],
        (92, "Power_Cycle_Unix_Time"): [entry(T, "longValue", 2**33)],
        (93, "Blob"): [entry(T, "rawValue", [1, 2])],
    },
)
RAW = {
    **{"addr": 48, "deviceType": "ORV3_HPR_BBU", "baudrate": 115200, "mode": "ACTIVE"},
    "ranges": [
        {"begin": 90, "readings": [{"time": T, "data": "0ba5"}]},
        {"begin": 104, "readings": [{"time": T, "data": "0080"}]},
    ],
}
RPU = dumped("ORV3_RPU", 12, {(37378, "Leakage"): [flags_entry(T, 1 << 8 | 1 << 13)]})


class TestFuzzRackmonDumps(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        answers = ([PSU], [RAW], {"status": "SUCCESS", "data": [RPU, PSU]})
        return [json.dumps(answer).encode() for answer in answers]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        rows_of_source(payload, load_register_maps()["orv3_psu"], "seed")
        dump = read_dump(parse_json(payload, "seed"), "seed")
        alarms = Alarms(timedelta(seconds=300))
        reader = DumpReader(prefix="r01", maps=load_register_maps(), alarms=alarms)
        return reader.read(dump, NOW).readings


class TestFuzzRackmonRegisters(DecoderFuzz):
    """Words of every shipped map."""

    @override
    def seeds(self) -> Sequence[bytes]:
        return [
            json.dumps(
                {"registers": [{"address": at, "words": [word]} for at, word in words.items()]}
            ).encode()
            for words in (words_of("orv3_psu"), words_of("orv3_rpu"), words_of("orv2_psu"))
        ]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        for one in load_register_maps().values():
            rows_of_source(payload, one, "seed")
        document = parse_json(payload, "seed")
        entries = document.get("registers") if isinstance(document, dict) else None
        memory = read_memory(entries if isinstance(entries, list) else [])
        found: list[Reading] = []
        for one in load_register_maps().values():
            samples = [Sample(register, value) for register, value in memory.values(one)]
            found += read_device(Device(f"r01/{one.name}", one, "bus"), samples, NOW).readings
        return found


RACKMOND_MAP = {
    **{"name": "M", "address_range": [[1, 3]], "probe_register": 8, "baudrate": 19200},
    "registers": [
        {"begin": 0, "length": 2, "name": "Text", "format": "STRING", "keep": 2},
        {
            "begin": 2,
            "length": 1,
            "name": "Flags",
            "format": "FLAGS",
            "flags": [[0, "A"], [3, "B"]],
        },
        {"begin": 3, "length": 2, "name": "Whole", "format": "INTEGER", "endian": "L"},
        {"begin": 5, "length": 1, "name": "T", "format": "FLOAT", "precision": 7, "scale": 0.5},
        {"begin": 6, "length": 4, "name": "Long", "format": "LONG", "sign": True},
    ],
}
PROFILE = {
    **{"DeviceType": "Valve", "DeviceModel": "V", "Parity": "None", "BaudRate": 19200},
    "ProbeRegister": {"Offset": "0x3", "Size": 1, "ExpectedValue": 4},
    "SensorRegisters": [
        {"Name": "T", "Type": "Temperature", "Offset": "0xD", "Size": 1, "Format": "FixedPoint"},
        {"Name": "F", "Type": "LiquidFlow", "Offset": "0xE", "Size": 2, "Format": "Float32"},
    ],
    "StatusRegisters": [
        {"Offset": "0x2", "Bits": [{"Name": "A", "BitPosition": 3, "Value": False}]}
    ],
}
WORDS = json.dumps({"registers": [{"address": 0, "words": [0x4142] * 20}]}).encode()


class TestFuzzRackmonMaps(DecoderFuzz):
    """Maps that nobody has seen, over words that are always the same."""

    @override
    def seeds(self) -> Sequence[bytes]:
        return [json.dumps(RACKMOND_MAP).encode(), json.dumps(PROFILE).encode()]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        document = parse_json(payload, "seed")
        if not isinstance(document, dict):
            return []
        read = (read_profile if is_profile(document) else read_rackmond_map)(document, "seed")
        rows = rows_of_source(WORDS, read.map, "seed").rows
        for row in rows:
            assert (row.value.value is None) == (row.value.quality is not Quality.GOOD)
            assert row.value.flags or row.value.value not in SENTINELS
            json.dumps(row.as_dict(), allow_nan=False)
        return [
            Reading("power_unit", f"d{n}", "output_voltage_volts", 1.0, "V", Quality.GOOD)
            for n, _ in enumerate(rows)
        ]
