"""Dumps of a switch's databases: every shape, what is none, and real ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.sonic import SonicCollector
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.sonic_tables import NOW, OID, PORT_MAP, cells

SHAPES: dict[str, object] = {
    "redis-dump-load": {
        "COUNTERS_PORT_NAME_MAP": {"type": "hash", "ttl": -0.001, "value": {"Ethernet0": OID}},
        f"COUNTERS:{OID}": {"type": "hash", "value": {"SAI_PORT_STAT_IF_IN_OCTETS": "81"}},
        "a list": {"type": "list", "value": ["x"]},
    },
    "hashes alone": {**PORT_MAP, f"COUNTERS:{OID}": {"SAI_PORT_STAT_IF_IN_OCTETS": 81}},
    "databases": {
        "COUNTERS_DB": {**PORT_MAP, f"COUNTERS:{OID}": {"SAI_PORT_STAT_IF_IN_OCTETS": "81"}},
        "STATE_DB": {"PORT_TABLE|Ethernet0": {}},
    },
    "a database beside its name": {
        "id": "COUNTERS_DB",
        "data": {**PORT_MAP, f"COUNTERS:{OID}": {"SAI_PORT_STAT_IF_IN_OCTETS": "81"}},
    },
    "sonic-cfggen": {
        **PORT_MAP,
        "COUNTERS": {OID: {"SAI_PORT_STAT_IF_IN_OCTETS": "81"}},
        "DEVICE_METADATA": {"localhost": {"hostname": "spine7"}},
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_dumps_of_every_shape(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(SHAPES[shape]))
    decoded = SonicCollector.decode_recording(path, None, NOW)
    (reading,) = decoded.readings
    name = "spine7" if shape == "sonic-cfggen" else "switch"
    assert (reading.device, reading.value) == (f"{name}/Ethernet0", 81)
    named = SonicCollector.decode_recording(path, "leaf1", NOW)
    assert named.readings[0].device == "leaf1/Ethernet0"


def test_counters_without_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps({f"COUNTERS:{OID}": {"SAI_PORT_STAT_IF_IN_OCTETS": "81"}}))
    with pytest.raises(InputError, match="counters without COUNTERS_PORT_NAME_MAP"):
        SonicCollector.decode_recording(path, None, NOW)


@pytest.mark.parametrize(
    "text",
    [
        '{"A_DB": ' * 900 + "{}" + "}" * 900,
        "",
        "<html>",
        "{}",
        "[1, 2]",
        '{"a": {"b": "c"}}',
        '{"a": [',
    ],
)
def test_what_is_none_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"dump\.json"):
        SonicCollector.decode_recording(path, None, NOW)


@pytest.mark.fixtures
def test_real_counters() -> None:
    folder = fixtures() / "fabric" / "sonic"
    mock = SonicCollector.decode_recording(folder / "counters_db.json", "leaf1", NOW)
    check_readings(mock.readings)
    found = cells(mock)
    assert set(found) == {"Ethernet0", "Ethernet4", "Ethernet8", *(f"PORT{n}" for n in range(8))}
    assert Counter(one.quality for one in mock.readings) == {Quality.GOOD: 85}
    assert found["Ethernet0"] == {
        "receive_bytes_total": 800,
        "transmit_bytes_total": 1000,
        "receive_errors_total": 10,
        "receive_discards_total": 100,
        "fec_corrected_total": 130402,
        "fec_uncorrectable_total": 3,
        "symbol_errors_total": 4,
        "fec_tail_symbols": 7,
        "pfc_receive_total": 1200 + sum(range(201, 208)),
        "pfc_transmit_total": 1210 + sum(range(211, 218)),
        "pfc_receive_seconds_total": pytest.approx(
            12 + sum(20.000000 + n / 1e6 for n in range(1, 8))
        ),
        "ecn_marked_total": 1088,
        "queue_dropped_total": 1088,
    }
    t1 = SonicCollector.decode_recording(folder / "t1_counter_db.json", "leaf1", NOW)
    check_readings(t1.readings)
    assert len({one.device for one in t1.readings}) == 34
    assert Counter(one.quality for one in t1.readings) == {Quality.GOOD: 374}


@pytest.mark.fixtures
def test_real_states() -> None:
    path = fixtures() / "fabric" / "sonic" / "state_db.json"
    decoded = SonicCollector.decode_recording(path, "leaf1", NOW)
    check_readings(decoded.readings)
    found = cells(decoded)
    assert Counter(one.quality for one in decoded.readings) == {
        Quality.GOOD: 48,
        Quality.MISSING: 4,
        Quality.ABSENT: 3,
    }
    assert found["Ethernet0"]["optics_transmit_power_milliwatts"] is Quality.MISSING
    assert found["Ethernet0"]["optics_receive_power_milliwatts"] == pytest.approx(10 ** (-0.04871))
    assert found["Ethernet8"]["optics_receive_power_milliwatts"] == pytest.approx(10 ** (-2.29243))
    assert found["Ethernet44"] == {"pre_fec_bit_error_rate": pytest.approx(4.6578e-4, rel=1e-4)}
    assert [found[f"leakage{n}"]["leak_state"] for n in (1, 2, 3)] == [0, 0, 2]
    assert (found["psu1"]["health"], found["psu2"]["health"]) == (1, 0)
    assert found[""] == {"fan_speed_ratio": pytest.approx(0.3)}
    serials = {one.device: one.serial for one in decoded.identities}
    assert serials["leaf1/Ethernet0"] == "MT1706FT02064"
    assert serials["leaf1/psu1"] == "CN-0J6J4K-17972-5AF-0086-A00"
