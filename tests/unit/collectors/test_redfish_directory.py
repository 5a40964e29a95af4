"""Captures in folders: the mockup layout, loose files, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.redfish import read_directory, read_document
from tests.unit.collectors.redfish_service import link, resource

V1 = "/redfish/v1"
SENSOR = f"{V1}/Chassis/Tray/Sensors/Inlet"


def write(folder: Path, place: str, body: Any) -> None:  # noqa: ANN401 (JSON, or none)
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(body if isinstance(body, str) else json.dumps(body))


@pytest.mark.parametrize("prefix", ["redfish/v1/", "v1/", ""])
def test_the_mockup_layout_with_and_without_its_prefix(tmp_path: Path, prefix: str) -> None:
    write(tmp_path, f"{prefix}index.json", {"RedfishVersion": "1.17.0"})
    write(tmp_path, f"{prefix}Chassis/Tray/Sensors/Inlet/index.json", {"Reading": 1})
    tree, warnings = read_directory(tmp_path)
    assert set(tree) == {V1, SENSOR}
    assert warnings == []


def test_loose_files_count_by_the_id_they_hold(tmp_path: Path) -> None:
    write(tmp_path, "some_sensor.json", resource(SENSOR, "Sensor", Reading=1))
    write(tmp_path, "package.json", {"name": "no resource"})
    tree, _ = read_directory(tmp_path)
    assert set(tree) == {SENSOR}


def test_a_file_in_its_place_is_believed_before_copies(tmp_path: Path) -> None:
    place = "redfish/v1/Chassis/Tray/Sensors/Inlet/index.json"
    write(tmp_path, "a_copy.json", resource(SENSOR, "Sensor", Reading=1))
    write(tmp_path, place, resource(SENSOR, "Sensor", Reading=2))
    write(tmp_path, place.replace("Tray", "Other"), resource(SENSOR, "Sensor", Reading=3))
    tree, warnings = read_directory(tmp_path)
    assert tree[SENSOR]["Reading"] == 2
    assert warnings == []


def test_copies_that_differ_are_named(tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path, f"{n}.json", resource(SENSOR, "Sensor", Reading=n))
    tree, warnings = read_directory(tmp_path)
    assert tree[SENSOR]["Reading"] == 0
    assert warnings == [f"{SENSOR}: several files differ on it; one was taken"]


def test_expanded_members_are_resources_and_wishes_are_not(tmp_path: Path) -> None:
    uri = f"{V1}/Systems/S/Processors/GPU_0/Ports"
    port = resource(
        f"{uri}/NVLink_0", "Port", Metrics=resource(f"{uri}/NVLink_0/Metrics", "PortMetrics")
    )
    port["@Redfish.Settings"] = {"SettingsObject": resource(f"{uri}/NVLink_0/Settings", "Port")}
    body = {"@odata.id": uri, "Members": [port, link(f"{uri}/NVLink_1")]}
    write(tmp_path, "hashed/0f3d.json", body)
    tree, _ = read_directory(tmp_path)
    assert set(tree) == {uri, f"{uri}/NVLink_0", f"{uri}/NVLink_0/Metrics"}


def test_a_file_of_several_resources(tmp_path: Path) -> None:
    other = SENSOR.replace("Sensors/", "Sensors/Other")
    one, two = (resource(uri, "Sensor", Reading=1) for uri in (SENSOR, other))
    for bundle in ({SENSOR: one, other: two}, {"sensors": [one, two]}):
        write(tmp_path, "dump.json", bundle)
        tree, warnings = read_directory(tmp_path)
        assert (set(tree), warnings) == ({SENSOR, other}, [])


def test_broken_files_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path, "good.json", resource(SENSOR, "Sensor", Reading=1))
    write(tmp_path, "cut.json", '{"Reading": ')
    write(tmp_path, "page.json", "<html></html>")
    write(tmp_path, "list.json", [1])
    tree, warnings = read_directory(tmp_path)
    assert set(tree) == {SENSOR}
    assert [warning.split("/")[-1].split(":")[0] for warning in warnings] == [
        "cut.json",
        "list.json",
        "page.json",
    ]


def test_bare_nan_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    body = json.dumps(resource(SENSOR, "Sensor", Reading=float("nan")))
    (tmp_path / "one.json").write_bytes(b"\xef\xbb\xbf" + body.encode())
    (tmp_path / "a_folder.json").mkdir()
    tree, warnings = read_directory(tmp_path)
    assert str(tree[SENSOR]["Reading"]) == "nan"
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html>", "HTML or XML instead of JSON"),
        ('{"Reading": ', "cut-off JSON"),
        ("", "nothing instead of JSON"),
        ("[" * 2000 + "NaN", "cut-off JSON"),
        ('{"name": 1}', "none with an @odata.id"),
    ],
)
def test_a_single_file_that_is_none_says_why(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(InputError, match=f"one.json: no Redfish resource in it: .*{why}"):
        read_directory(tmp_path / "one.json")


def test_a_single_file(tmp_path: Path) -> None:
    write(tmp_path, "one.json", resource(SENSOR, "Sensor", Reading=1))
    tree, _ = read_directory(tmp_path / "one.json")
    assert set(tree) == {SENSOR}


@pytest.mark.parametrize("name", ["none", "empty"])
def test_no_capture_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=name):
        read_directory(tmp_path / name)


def test_a_document_from_standard_input() -> None:
    body = json.dumps(resource(SENSOR, "Sensor", Reading=1)).encode()
    assert set(read_document(body, "stdin")) == {SENSOR}
    with pytest.raises(InputError, match="stdin: HTML or XML instead of JSON"):
        read_document(b"<html>", "stdin")
