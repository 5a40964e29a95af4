"""Saved output of the fabric's tools."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband import decode_text
from fleetops_collectors.infiniband.recordings import decode_recording
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.support import fixtures

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LEGACY = """\
# Port counters: Lid 6 port 1 (CapMask: 0x1400)
PortSelect:......................1
CounterSelect:...................0x0000
SymbolErrorCounter:..............65535
LinkDownedCounter:...............255
ExcessiveBufferOverrunErrors:....15
PortRcvErrors:...................14
PortXmitData:....................4294967295
PortRcvData:.....................100
PortXmitWait:....................7
"""
EXTENDED = """\
# Port extended counters: Lid 6 port {port} (CapMask: 0x5300{mask})
PortSelect:......................1
PortXmitData:....................36298026860928
PortRcvData:.....................5
SymbolErrorCounter:..............{symbols}
ExcessiveBufferOverrunErrors:....15
PortXmitWait:....................0
"""
WITH_ERRORS, WITHOUT = " CapMask2: 0x0000002", " CapMask2: 0x0000000"


def decoded(text: str, host: str | None = None) -> Decoded:
    out = decode_text(text.encode(), host=host, now=NOW)
    check_readings(out.readings)
    return out


def cells(out: Decoded) -> dict[tuple[str, str], tuple[float | None, Quality]]:
    return {(one.device, one.metric): (one.value, one.quality) for one in out.readings}


def test_narrow_counters_of_perfquery_saturate() -> None:
    found = cells(decoded(LEGACY))
    for metric in ("symbol_errors_total", "link_downed_total", "buffer_overruns_total"):
        assert found["lid6/1", metric] == (None, Quality.SATURATED)
    assert found["lid6/1", "transmit_bytes_total"] == (None, Quality.SATURATED)
    assert found["lid6/1", "receive_bytes_total"] == (400, Quality.GOOD)
    assert found["lid6/1", "receive_errors_total"] == (14, Quality.GOOD)


def test_wide_counters_of_perfquery_do_not() -> None:
    found = cells(decoded(EXTENDED.format(port=2, mask=WITH_ERRORS, symbols=65535), "leaf1"))
    assert found["leaf1/2", "symbol_errors_total"] == (65535, Quality.GOOD)
    assert found["leaf1/2", "buffer_overruns_total"] == (15, Quality.GOOD)
    assert found["leaf1/2", "transmit_wait_total"] == (0, Quality.GOOD)
    assert found["leaf1/2", "transmit_bytes_total"] == (36298026860928 * 4, Quality.GOOD)


@pytest.mark.parametrize("mask", [WITHOUT, ""])
def test_zeros_of_counters_that_the_port_does_not_have_are_absent(mask: str) -> None:
    found = cells(decoded(EXTENDED.format(port=1, mask=mask, symbols=0)))
    assert found["lid6/1", "symbol_errors_total"] == (None, Quality.ABSENT)
    assert found["lid6/1", "transmit_wait_total"] == (None, Quality.ABSENT)
    assert found["lid6/1", "receive_bytes_total"] == (20, Quality.GOOD)


def test_of_both_attributes_the_one_with_a_number_counts() -> None:
    wide = EXTENDED.format(port=1, mask=WITH_ERRORS, symbols=70_000)
    for text in (LEGACY + wide, wide + LEGACY):
        found = cells(decoded(text))
        assert found["lid6/1", "symbol_errors_total"] == (70_000, Quality.GOOD)
        assert found["lid6/1", "transmit_bytes_total"] == (36298026860928 * 4, Quality.GOOD)
        assert found["lid6/1", "receive_errors_total"] == (14, Quality.GOOD)


def test_all_ports_together_are_the_node() -> None:
    found = cells(decoded(EXTENDED.format(port=255, mask=WITH_ERRORS, symbols=0)))
    assert ("lid6", "receive_bytes_total") in found


def test_a_counter_that_is_no_number_is_missing_and_told() -> None:
    out = decoded(LEGACY.replace("....14", "....foo"))
    assert cells(out)["lid6/1", "receive_errors_total"] == (None, Quality.MISSING)
    assert out.problems == ["line 7: 'foo' is no number"]


TOPOLOGY = """\
CA    88  1 0xb83fd20300da1138 4x HDR - SW    51 79 0x946dae0300630bf6 ( 'node7 mlx5_3' - 'leaf1 ' )
CA    89  2 0xb83fd20300da1139 4x XDR - SW    51 78 0x946dae0300630bf6 ( 'node7 mlx5_3' - 'leaf1 ' )
SW    51 79 0x946dae0300630bf6 4x HDR - CA    88  1 0xb83fd20300da1138 ( 'MF0;leaf1:MQM9700/U1' - 'node7 mlx5_3' )
SW    51 80 0x946dae0300630bf6 4x SDR                                    'MF0;leaf1:MQM9700/U1'
SW    60  1 0x0002c9020040f160 ?? ??? - SW    61  1 0x0002c9020040f161 ( 'Infiniscale-IV' - 'Infiniscale-IV' )
SW    61  1 0x0002c9020040f161 4x QDR - SW    60  1 0x0002c9020040f160 ( 'Infiniscale-IV' - 'Infiniscale-IV' )
"""  # noqa: E501


def test_the_fabric_s_topology() -> None:
    out = decoded(TOPOLOGY)
    assert not out.problems
    states = {r.device: r.value for r in out.readings if r.metric == "link_state"}
    rates = {r.device: r.value for r in out.readings if r.metric.startswith("rate_")}
    assert states == {
        **{"node7/mlx5_3": 1, "node7/mlx5_3/2": 1, "leaf1/79": 1, "leaf1/80": 0},
        # two switches that nobody gave a name
        **{"0x0002c9020040f160/1": 1, "0x0002c9020040f161/1": 1},
    }
    assert rates["node7/mlx5_3"] == 200
    assert rates["node7/mlx5_3/2"] == 800
    assert rates["leaf1/80"] is None  # 4x SDR is what a port without a link shows
    assert rates["0x0002c9020040f160/1"] is None
    assert rates["0x0002c9020040f161/1"] == 40


def test_a_line_that_is_no_port_is_told() -> None:
    out = decoded(TOPOLOGY + "Segmentation fault\n")
    assert out.problems == ["line 7: not a port: 'Segmentation fault'"]


SWITCH = """\
=================================================
Quantum Mellanox Technologies
=================================================
part number        | MQM8790-HS2F
serial number      | MT2152T10239
product name       | Jaguar Unmng IB 200
PSID               | MT_0000000063
GUID               | 0x08c0eb0300d9f672
firmware version   | 27.2010.3118
-------------------------------------------------
PSU0 status        | OK
     P/N           | MTEF-PSF-AC-C
     S/N           | MT2150T22468
     DC power      | ERROR
     fan status    | OK
     power (W)     | 154
PSU1 status        |
     S/N           | MT2150T22467
     power (W)     |
-------------------------------------------------
temperature (C)    | 53
max temp (C)       | 58
-------------------------------------------------
fan status         | OK
fan#1 (rpm)        | 6125
fan#2 (rpm)        |
fan#3 (rpm)        | 5251
"""


def test_a_switch_s_health() -> None:
    out = decoded(SWITCH)
    name = "0x08c0eb0300d9f672"
    assert cells(out) == {
        (name, "board_temperature_celsius"): (53, Quality.GOOD),
        (name, "fan_speed_rpm"): (5251, Quality.GOOD),
        (name, "health"): (0, Quality.GOOD),
        (f"{name}/psu0", "health"): (2, Quality.GOOD),
        (f"{name}/psu0", "input_power_watts"): (154, Quality.GOOD),
        (f"{name}/psu1", "health"): (None, Quality.MISSING),
        (f"{name}/psu1", "input_power_watts"): (None, Quality.MISSING),
    }
    serials = {one.device: one.serial for one in out.identities}
    assert serials == {
        name: "MT2152T10239",
        f"{name}/psu0": "MT2150T22468",
        f"{name}/psu1": "MT2150T22467",
    }
    assert {one.device for one in decoded(SWITCH, "ib1").readings} == {
        "ib1",
        "ib1/psu0",
        "ib1/psu1",
    }


VITALS = """\
uptime (sec)       : 86400
psu0.power (W)     : 91
psu1.power (W)     : 99
cur.temp (C)       : 61
max.temp (C)       : 70
QSFP#01.temp (C)   : 44
fan#1.speed (rpm)  : 6400
fan#2.speed (rpm)  : 5200
"""
STATUS = """\
psu0.status        : OK
psu0.dc            : OK
psu0.fan           : ERROR
psu1.status        : OK
fans               : ERROR
"""
INVENTORY = """\
part_number        : MQM8790-HS2F
serial             : MT2100X00001
product_name       : Jaguar Unmng IB 200
fw_version         : 27.2010.1202
psu0.part_number   : MTEF-PSF-AC-C
psu0.serial        : MT2100X00002
"""


def test_a_switch_s_outputs_of_one_kind(tmp_path: Path) -> None:
    for name, text in (("vitals", VITALS), ("status", STATUS), ("inventory", INVENTORY)):
        (tmp_path / f"{name}.out").write_text(text)
    vitals = decode_recording(tmp_path / "vitals.out", None, NOW)
    assert {place: value for place, (value, _) in cells(vitals).items()} == {
        ("vitals/psu0", "input_power_watts"): 91,
        ("vitals/psu1", "input_power_watts"): 99,
        ("vitals", "board_temperature_celsius"): 61,
        ("vitals", "fan_speed_rpm"): 5200,
    }
    assert set(vitals.unmapped) == {"uptime (sec)", "max temp (C)", "QSFP#01.temp (C)"}
    assert vitals.identities == []
    status = decode_recording(tmp_path / "status.out", "leaf1", NOW)
    assert {place: value for place, (value, _) in cells(status).items()} == {
        ("leaf1/psu0", "health"): 2,
        ("leaf1/psu1", "health"): 0,
        ("leaf1", "health"): 2,
    }
    inventory = decode_recording(tmp_path / "inventory.out", "leaf1", NOW)
    assert [(one.device, one.serial, one.part_number) for one in inventory.identities] == [
        ("leaf1", "MT2100X00001", "MQM8790-HS2F"),
        ("leaf1/psu0", "MT2100X00002", "MTEF-PSF-AC-C"),
    ]
    assert inventory.identities[0].firmware == "27.2010.1202"


IBSTAT = """\
CA 'mlx5_0'
\tCA type: MT4129
\tNumber of ports: 1
\tFirmware version: 28.39.1002
\tNode GUID: 0xb83fd203002a1a1c
\tPort 1:
\t\tState: Active
\t\tPhysical state: LinkUp
\t\tRate: 400
\t\tBase lid: 1
\t\tCapability mask: 0xa750e848
\t\tLink layer: InfiniBand
CA 'mlx5_1'
\tCA type: MT4129
\tPort 1:
\t\tState: Down
\t\tPhysical state: Disabled
\t\tRate: 40
\t\tLink layer: InfiniBand
\tPort 2:
\t\tState: Initializing
\t\tPhysical state: LinkUp
\t\tRate: 40 (FDR10)
CA 'mlx5_2'
\tCA type: MT4129
\tPort 1:
\t\tState: Down
\t\tPhysical state: Polling
\t\tRate: 2.5
"""
IBSTATUS = """\
Infiniband device 'mlx5_0' port 1 status:
\tdefault gid:\t fe80:0000:0000:0000:506b:4b03:00f5:ce9c
\tbase lid:\t 0xf
\tstate:\t\t 4: ACTIVE
\tphys state:\t 5: LinkUp
\trate:\t\t 100 Gb/sec (4X EDR)
\tlink_layer:\t InfiniBand

Infiniband device 'mlx5_0' port 2 status:
\tstate:\t\t 1: DOWN
\tphys state:\t 2: Polling
\trate:\t\t 10 Gb/sec (4X SDR)
"""


def test_ibstat() -> None:
    out = decoded(IBSTAT, "n1")
    found = cells(out)
    assert {d: v for (d, m), (v, _) in found.items() if m == "link_state"} == {
        **{"n1/mlx5_0": 1, "n1/mlx5_1": 4, "n1/mlx5_1/2": 2, "n1/mlx5_2": 0}
    }
    assert {d: v for (d, m), (v, _) in found.items() if m.startswith("rate_")} == {
        **{"n1/mlx5_0": 400, "n1/mlx5_1": None, "n1/mlx5_1/2": 40, "n1/mlx5_2": None}
    }
    assert out.identities[0].firmware == "28.39.1002"
    assert out.identities[0].uuid == "0xb83fd203002a1a1c"


def test_ibstatus() -> None:
    found = cells(decoded(IBSTATUS))
    assert found["unknown/mlx5_0", "rate_gigabits_per_second"] == (100, Quality.GOOD)
    assert found["unknown/mlx5_0/2", "link_state"] == (0, Quality.GOOD)
    assert found["unknown/mlx5_0/2", "rate_gigabits_per_second"] == (None, Quality.ABSENT)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "<html>no</html>", "GUID | 1", "serial : 1", "# Port counters"]
)
def test_what_none_of_them_printed_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.out"
    path.write_text(text)
    with pytest.raises(InputError, match=str(path)):
        decode_recording(path, None, NOW)


@pytest.mark.parametrize(
    "line",
    [" " * 200_000 + "x", "SW 1 1 0x1 4x QDR" + " " * 200_000, "a" * 200_000 + "|"],
    ids=["blanks", "trailing", "key"],
)
def test_a_long_line_takes_no_long_time(line: str) -> None:
    begun = perf_counter()
    for text in (TOPOLOGY, SWITCH, LEGACY):
        decoded(text + line + "\n")
    assert perf_counter() - begun < 2


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "qualities"),
    [
        ("perfquery/0x506b4b03005c2740.out", {"good": 17}),
        ("perfquery/0x7cfe9003009ce5b0.out", {"good": 34}),
        # CapMask2 0: these ports count no errors in the wide attribute
        ("perfquery/0x7cfe9003003b4b96.out", {"good": 4, "absent": 13}),
        ("perfquery/0x7cfe9003003b4bde.out", {"good": 4, "absent": 13}),
        ("ibnetdiscover/test.out", {"good": 16, "absent": 2}),
        ("ibnetdiscover/test2.out", {"good": 9, "absent": 3}),
        ("ibnetdiscover/test3.out", {"good": 1, "absent": 1}),
        ("ibswinfo/test1.out", {"good": 7}),
        ("ibswinfo/test2.out", {"good": 7}),
        ("ibswinfo/test3.out", {"good": 6}),
        ("ibswinfo/test-err1.out", {"good": 6, "missing": 1}),
        ("ibswinfo/test-err2.out", {"good": 6, "missing": 1}),
        ("ibswinfo/test-err3.out", {"good": 7}),
        ("ibswinfo/test1-missing.out", {"good": 4}),
    ],
)
def test_real_outputs(name: str, qualities: dict[str, int]) -> None:
    path = fixtures() / "fabric" / "infiniband_exporter" / name
    out = decode_recording(path, None, NOW)
    check_readings(out.readings)
    assert Counter(one.quality.value for one in out.readings) == qualities


def test_a_folder_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "a.out").write_text(LEGACY)
    (tmp_path / "b.out").write_text(LEGACY.replace("port 1", "port 2"))
    (tmp_path / "c.out").write_text(LEGACY)
    (tmp_path / "d.out").write_text("")
    out = decode_recording(tmp_path, None, NOW)
    check_readings(out.readings)
    assert {one.device for one in out.readings} == {"lid6/1", "lid6/2"}
    assert [problem.rpartition("/")[2].partition(":")[0] for problem in out.problems] == [
        "c.out",
        "d.out",
    ]


@pytest.mark.fixtures
def test_folders_of_real_outputs() -> None:
    folder = fixtures() / "fabric" / "infiniband_exporter"
    for name, readings in (("perfquery", 85), ("ibnetdiscover", 30), ("ibswinfo", 20)):
        assert len(decode_recording(folder / name, None, NOW).readings) == readings


@pytest.mark.fixtures
def test_error_details_have_no_column_and_the_empty_file_says_so() -> None:
    folder = fixtures() / "fabric" / "infiniband_exporter"
    for path in (folder / "perfquery-rcv-error").iterdir():
        out = decode_recording(path, None, NOW)
        assert out.unmapped.total() == 6
    with pytest.raises(InputError, match="empty"):
        decode_recording(folder / "perfquery" / "0x506b4b0300cc02a6.out", None, NOW)
