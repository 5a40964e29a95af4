"""Building management through the command: a real broker, the documented configuration."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.commands import answer, fleetops
from tests.mqtt_testbed import RACK, Broker, mqtt_broker, publishing, repeating, value_body
from tests.support import ROOT

__all__ = ["mqtt_broker"]

EXAMPLE = ROOT / "docs" / "examples" / "facility.yaml"


@pytest.mark.mqtt
def test_the_documented_configuration_reads_a_broker(mqtt_broker: Broker) -> None:
    now = datetime.now(UTC)
    with publishing(mqtt_broker.port) as publisher, repeating(publisher, now):
        done = fleetops(
            *("collect", "once", "-o", "json"),
            config=EXAMPLE,
            environ={"FACILITY_URL": mqtt_broker.url},
        )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    found = {(one["device"], one["metric"]): one["value"] for one in scrape["readings"]}
    assert found == {
        ("r001/manifold", "flow_litres_per_minute"): 61.5,
        ("r001/leak", "leak_state"): 0,
        ("cdu1", "supply_temperature_celsius"): 32.5,
    }
    assert {one["quality"] for one in scrape["readings"]} == {"good"}
    assert scrape["warnings"] == []


def test_a_recording_is_decoded(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    topic = "Rack/RackLiquidFlow/p1/flow"
    text = (
        f"BMS/v1/PUB/Metadata/{topic} {json.dumps({'engUnit': 'gpm', **RACK})}\n"
        f"BMS/v1/PUB/Value/{topic} {value_body(10, now)}\n"
        f"BMS/v1/PUB/Value/{topic} {value_body(10, now, quality=0)}\n"
    )
    (reading,) = answer("decode", "mqtt", "-", stdin=text.encode())
    assert (reading["device"], reading["value"]) == ("P1-A-01/manifold", None)
    assert reading["quality"] == "missing"
    file = tmp_path / "bms.txt"
    file.write_text(text.rsplit("\n", 2)[0])
    (reading,) = answer("decode", "mqtt", file)
    assert reading["value"] == pytest.approx(37.85412)
    assert reading["time"] == now.isoformat()
