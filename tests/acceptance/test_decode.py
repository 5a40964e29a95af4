"""``fleetops decode``: every real payload, and doctored ones, as the JSON that was promised."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import fixtures

READING = ["device", "device_class", "metric", "value", "unit", "quality", "time"]
LINE = [
    *("line", "time", "device", "source", "code"),
    *("kind", "severity", "recommended_action", "text"),
]
GPU = 'gpu="0",Hostname="n1"'


def checked(readings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in readings:
        assert [*one] == READING
        assert (one["value"] is not None) == (one["quality"] == "good"), one
    return readings


def qualities(readings: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(one["quality"] for one in checked(readings)))


@pytest.mark.fixtures
def test_redfish_captures() -> None:
    redfish = fixtures() / "redfish"
    tray = answer("decode", "redfish", redfish / "gb300_lambda")
    assert qualities(tray) == {"good": 1569}
    assert Counter(one["device_class"] for one in tray) == {
        **{"fabric_port": 1376, "accelerator": 184},
        **{"host": 5, "coolant_unit": 4},
    }
    others = [
        *("gb300_lambda/happypath", "powershelf_delta"),
        *("public-cooling-unit", "public-power-shelf", "public-liquid-cooled-server"),
    ]
    readings = answer("decode", "redfish", *(redfish / name for name in others))
    good = 1552 + 121 + 31 + 60 + 40
    assert qualities(readings) == {"good": good, "absent": 5 + 6}


@pytest.mark.fixtures
def test_dcgm_texts() -> None:
    paths = sorted((fixtures() / "accelerators" / "dcgm-exporter").glob("*.prom"))
    readings = answer("decode", "prometheus", *paths)
    assert qualities(readings) == {"good": 58, "sentinel": 3}
    assert {one["device"] for one in readings} == {
        *("i-030791dc5a37cd257/gpu0", "ip-10-200-3-41/gpu0", "gpu1-wl8sg/gpu0")
    }


@pytest.mark.fixtures
def test_a_kernel_log() -> None:
    log = fixtures() / "accelerators" / "gpud-dmesg-with-xid-119.log"
    found = answer("decode", "kernel-log", "-", stdin=log.read_bytes())
    assert [one["line"] for one in found] == [3, 38, 40, 42, 43]
    for one in found:
        assert [*one] == LINE
        assert (one["source"], one["code"], one["kind"]) == ("xid", 119, "accelerator_gsp")
        assert one["recommended_action"] == "drain_and_reset"
    assert found[0]["time"] == "2025-02-23T16:24:18+00:00"
    assert answer("decode", "kernel-log", log, "--host", "n7")[0]["device"].startswith("n7/")


def test_kernel_lines_of_every_shape_in_one_stream() -> None:
    text = b"\n".join(
        [
            b"6,1234,5678901,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.",
            b"\xff\xfe\x00 garbage " + b"x" * 100_000,
            b"Nov 21 10:00:00 node9 kernel: NVRM: Xid (PCI:0000:3b:00): 13, pid=7, Graphics",
            b"Nov 21 10:00:00 node9 sshd[1]: NVRM: Xid (PCI:0000:3b:00): 79, I only quote it",
            b"[   12.5] mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 7: be00000",
            b"[Sun Feb 30 99:99:99 2025] NVRM: Xid (PCI:0000:3b:00): 48, pid=1, DBE",
            b"last line without an end",
        ]
    )
    found = answer("decode", "kernel-log", "-", stdin=text)
    assert [(one["line"], one["code"]) for one in found if one["source"] == "xid"] == [
        *((1, 79), (3, 13), (6, 48))
    ]
    assert [one["line"] for one in found if one["kind"] == "machine_check"] == [5]
    actions = {one["code"]: one["recommended_action"] for one in found}
    assert (actions[13], actions[79]) == ("check_job", "drain")


def test_values_of_dcgm_that_are_none() -> None:
    expected = {
        "61": (61.0, "good"),
        "NaN": (None, "missing"),
        "9223372036854775794": (None, "sentinel"),
        "140737488355328.000000": (None, "sentinel"),
        "4000": (None, "out_of_range"),
        "9" * 400: (None, "out_of_range"),
    }
    text = "".join(
        f'DCGM_FI_DEV_GPU_TEMP{{gpu="{n}",Hostname="n1"}} {raw}\n' for n, raw in enumerate(expected)
    )
    found = checked(answer("decode", "prometheus", "-", stdin=text.encode()))
    assert [(one["value"], one["quality"]) for one in found] == [*expected.values()]


def test_lines_of_garbage_are_named_and_the_rest_is_read() -> None:
    text = f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61\n%%% garbage {{\nDCGM_FI_DEV_POWER_USAGE{{gpu=\n"
    done = fleetops("decode", "prometheus", "-", "-o", "json", stdin=text.encode())
    assert done.returncode == 0
    assert [one["value"] for one in json.loads(done.stdout)] == [61.0]
    assert "line 2:" in done.stderr
    assert "line 3:" in done.stderr


@pytest.mark.parametrize("with_id", [True, False])
def test_readings_of_redfish_that_are_none(tmp_path: Path, with_id: bool) -> None:
    expected = {
        '"24.5"': (24.5, "good"),
        "24.5": (24.5, "good"),
        '"nan"': (None, "missing"),
        "NaN": (None, "missing"),
        "null": (None, "missing"),
        '"N/A"': (None, "missing"),
        "4294967295": (None, "sentinel"),
        f'"{"9" * 400}"': (None, "missing"),
    }
    for number, reading in enumerate(expected):
        uri = f"/redfish/v1/Chassis/Tray{number}/Sensors/Inlet"
        folder = tmp_path / uri.strip("/")
        folder.mkdir(parents=True)
        identity = f'"@odata.id": "{uri}",' if with_id else ""
        (folder / "index.json").write_text(
            f'{{{identity} "@odata.type": "#Sensor.v1_7_0.Sensor", "Id": "Inlet", "Name": "Inlet",'
            f' "Reading": {reading}, "ReadingUnits": "Cel", "ReadingType": "Temperature",'
            f' "PhysicalContext": "Intake", "Status": {{"State": "Enabled", "Health": "OK"}}}}'
        )
    found = checked(answer("decode", "redfish", tmp_path))
    assert {one["metric"] for one in found} == {"inlet_temperature_celsius"}
    by_device = {one["device"]: (one["value"], one["quality"]) for one in found}
    assert by_device == {f"tray{n}": judged for n, judged in enumerate(expected.values())}


@pytest.mark.parametrize(
    ("kind", "contents"),
    [
        ("prometheus", {"": "is it the text of /metrics?", "<html>502</html>": "no Prometheus"}),
        (
            "redfish",
            {
                "": "nothing instead of JSON",
                "<html>502</html>": "HTML or XML instead of JSON",
                '{"@odata.id": "/redf': "broken or cut-off JSON",
                "[1, 2]": "a JSON list instead of an object",
            },
        ),
    ],
)
def test_what_is_no_payload_is_one_line_each(
    tmp_path: Path, kind: str, contents: dict[str, str]
) -> None:
    files = [tmp_path / f"{number}.json" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    done = fleetops("decode", kind, *files)
    assert (done.returncode, done.stdout) == (1, "")
    told = done.stderr.splitlines()
    for line, file, words in zip(told, files, contents.values(), strict=True):
        assert line.startswith(f"fleetops: {file}: ")
        assert words in line
    one_error(fleetops("decode", kind, "-", stdin=b"<html>"), 1)


def test_one_bad_file_does_not_hide_the_good_one(tmp_path: Path) -> None:
    good = tmp_path / "good.prom"
    good.write_text(f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61\n")
    done = fleetops("decode", "prometheus", tmp_path / "none.prom", good, "-o", "json")
    one_error(done, 3, "none.prom: cannot read it: No such file")
    assert len(json.loads(done.stdout)) == 1


def test_a_log_without_anything_is_an_empty_list() -> None:
    assert answer("decode", "kernel-log", "-", stdin=b"<html>\x00\xff") == []
