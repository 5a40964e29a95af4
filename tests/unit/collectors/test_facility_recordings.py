"""Recorded messages of building management."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.facility import FacilityCollector
from tests.mqtt_testbed import RACK, value_body
from tests.unit.collectors.facility_hall import FLOW, NOW


def test_recordings_of_both_kinds(tmp_path: Path) -> None:
    flow = json.dumps({"engUnit": "LPM", **RACK})
    verbose = tmp_path / "verbose.txt"
    old = datetime(2025, 1, 1, tzinfo=UTC)
    verbose.write_text(
        f"BMS/v1/PUB/Metadata/{FLOW} {flow}\n\nBMS/v1/PUB/Value/{FLOW} {value_body(61.5, old)}\n"
        "BMS/v1/PUB/Value/Rack/RackPower/a b/c (null)\n"
    )
    decoded = FacilityCollector.decode_recording(verbose, None, NOW)
    assert [(one.value, one.time) for one in decoded.readings] == [(61.5, old)]
    lines = tmp_path / "lines.json"
    stamp = "2026-11-21T13:00:00.000000Z+0100"
    said = value_body(61.5, NOW)
    lines.write_text(
        "\n".join(
            [
                json.dumps({"tst": stamp, "topic": f"BMS/v1/PUB/Metadata/{FLOW}", "payload": flow}),
                json.dumps(
                    {
                        "tst": stamp,
                        "topic": f"BMS/v1/PUB/Value/{FLOW}",
                        "payload": json.loads(said),
                    }
                ),
                "{broken",
            ]
        )
    )
    decoded = FacilityCollector.decode_recording(lines, None, NOW)
    assert [(one.value, one.time) for one in decoded.readings] == [(61.5, NOW)]
    assert decoded.problems == ["1 lines are no message; the first: line 3"]


def indented(body: str) -> str:
    return json.dumps(json.loads(body), indent=2)


def indented_object(topic: str, body: str) -> str:
    return json.dumps({"topic": topic, "payload": json.loads(body)}, indent=1)


def test_recordings_of_other_makings(tmp_path: Path) -> None:
    flow, said = json.dumps({"engUnit": "LPM", **RACK}), value_body(61.5, NOW)
    topics = {f"BMS/v1/PUB/Metadata/{FLOW}": flow, f"BMS/v1/PUB/Value/{FLOW}": said}
    wrapped = {"specversion": "1.0", "type": "x", "data": json.loads(said)}
    contents = [
        "\n".join(f"2026-11-21T12:00:00+0000 {topic} {body}" for topic, body in topics.items()),
        "\n".join(f"{topic}\t{body}" for topic, body in topics.items()),
        "\n\n".join(f"{topic} {indented(body)}" for topic, body in topics.items()),
        "\r\n".join(indented_object(topic, body) for topic, body in topics.items()),
        json.dumps([{"topic": topic, "message": body} for topic, body in topics.items()], indent=1),
        "\n".join(f"{topic} {body}" for topic, body in topics.items()).replace("BMS", "cronus"),
        "\n".join(f"{topic} {body}" for topic, body in topics.items()).replace(
            said, json.dumps(wrapped)
        ),
    ]
    file = tmp_path / "recorded"
    for content in contents:
        file.write_text(content)
        decoded = FacilityCollector.decode_recording(file, None, NOW)
        assert [one.value for one in decoded.readings] == [61.5], content
        assert decoded.warnings() == []


def test_a_message_that_broke_off_takes_no_other_along(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    flow, said = json.dumps({"engUnit": "LPM", **RACK}), value_body(61.5, NOW)
    broken = indented(flow)[:20]
    file.write_text(
        f"BMS/v1/PUB/Metadata/{FLOW}2 {broken}\nBMS/v1/PUB/Metadata/{FLOW} {flow}\n"
        f'BMS/v1/PUB/Value/{FLOW} {said}\n{{"topic": \n'
    )
    decoded = FacilityCollector.decode_recording(file, None, NOW)
    assert [one.value for one in decoded.readings] == [61.5]
    assert decoded.problems == [
        "1 messages could not be used: no JSON",
        "1 lines are no message; the first: line 5",
    ]


@pytest.mark.parametrize(
    "content", ["", "<html>502</html>", "zigbee/kitchen {}\n", "{}\n", "[1]\n"]
)
def test_what_is_no_recording_is_one_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.txt"
    file.write_text(content)
    with pytest.raises(InputError, match=r"x\.txt: no message of building management"):
        FacilityCollector.decode_recording(file, None, NOW)
