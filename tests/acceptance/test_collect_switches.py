"""gNMI, SONiC and FBOSS through the command: the documented configurations, and recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.gnmi_target import TargetScript
from tests.gnmi_target import serving as serving_gnmi
from tests.redis_testbed import dump_of, fill, free_port, redis_running
from tests.support import ROOT, fixtures
from tests.tls_proxy import make_certificate
from tests.unit.collectors.http_server import Reply, serving

EXAMPLES = ROOT / "docs" / "examples"
PORT = "/interfaces/interface[name=Ethernet1/1]"
LANES = "/components/component[name=Ethernet1/1]/transceiver/physical-channels"
GNMI = {
    f"{PORT}/state/oper-status": "UP",
    f"{PORT}/state/counters": {"in-octets": "12345678901234567890"},
    LANES: {"channel": [{"index": 0, "state": {"input-power": {"instant": "-10.0"}}}]},
}
FBOSS = {
    "hwPortStats": {"eth1/1/1": {"inBytes_": 81, "inErrors_": -1}},
    "sensorData": [{"name": "SMB_TH5_TEMP", "value": 71.5, "sensorType": 3}],
}


def collect(name: str, **environ: str) -> dict[tuple[str, str], tuple[object, str]]:
    """By device and metric, what the documented configuration gives against a server."""
    done = fleetops(
        *("collect", "once", "-o", "json"), config=EXAMPLES / f"{name}.yaml", environ=environ
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    return cells(scrape["readings"])


def cells(readings: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[object, str]]:
    return {(one["device"], one["metric"]): (one["value"], one["quality"]) for one in readings}


def test_gnmi_over_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    (tmp_path / "password").write_text("s3cret\n")
    script = TargetScript(GNMI, username="fleetops", password="s3cret")  # noqa: S106
    with serving_gnmi(script, certificate) as port:
        found = collect(
            "gnmi",
            GNMI_URL=f"127.0.0.1:{port}",
            GNMI_CA_FILE=str(certificate[0]),
            GNMI_PASSWORD_FILE=str(tmp_path / "password"),
        )
    assert found["leaf1/Ethernet1-1", "link_state"] == (1, "good")
    assert found["leaf1/Ethernet1-1", "receive_bytes_total"] == (12345678901234567890, "good")
    power, quality = found["leaf1/Ethernet1-1", "optics_receive_power_milliwatts"]
    assert (power, quality) == (pytest.approx(0.1), "good")


def test_gnmi_that_is_not_there_fails_with_a_remedy(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    (tmp_path / "password").write_text("s3cret\n")
    done = fleetops(
        *("collect", "once"),
        config=EXAMPLES / "gnmi.yaml",
        environ={
            "GNMI_URL": f"127.0.0.1:{free_port()}",
            "GNMI_CA_FILE": str(certificate[0]),
            "GNMI_PASSWORD_FILE": str(tmp_path / "password"),
        },
    )
    assert done.returncode == 1
    assert "leaf1-gnmi" in done.stderr
    assert "check address" in done.stderr


@pytest.mark.fixtures
def test_sonic_from_a_real_redis(tmp_path: Path) -> None:
    folder = fixtures() / "fabric" / "sonic"
    with redis_running(tmp_path) as port:
        fill(port, {2: dump_of(folder / "counters_db.json"), 6: dump_of(folder / "state_db.json")})
        for url in (f"redis://127.0.0.1:{port}", f"unix://{tmp_path / 'redis.sock'}"):
            found = collect("sonic", SONIC_URL=url)
            assert found["leaf1/Ethernet0", "receive_bytes_total"] == (800, "good")
            assert found["leaf1/Ethernet0", "pfc_receive_total"] == (2628, "good")
            assert found["leaf1/Ethernet0", "optics_transmit_power_milliwatts"][1] == "missing"
            assert found["leaf1/leakage3", "leak_state"] == (2, "good")
            assert found["leaf1", "fan_speed_ratio"] == (None, "stale"), "written in 2020"
            assert len(found) == 140


def test_fboss_over_http_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "leaf1.json"
    path.write_text(json.dumps(FBOSS))
    with serving(lambda _: Reply(body=json.dumps(FBOSS).encode())) as url:
        for place in (f"{url}/fsdb", str(path)):
            assert collect("fboss", FBOSS_URL=place) == {
                ("leaf1/eth1-1-1", "receive_bytes_total"): (81, "good"),
                ("leaf1/eth1-1-1", "receive_errors_total"): (None, "sentinel"),
                ("leaf1", "asic_temperature_celsius"): (71.5, "good"),
            }


def test_recordings_are_decoded(tmp_path: Path) -> None:
    message = {
        **{"source": "leaf1:9339", "timestamp": 1_795_262_400_000_000_000, "prefix": ""},
        "updates": [{"Path": f"{PORT[1:]}/state/oper-status", "values": {"x": "DOWN"}}],
    }
    gnmi = answer("decode", "gnmi", "-", stdin=json.dumps(message, indent=2).encode())
    assert cells(gnmi) == {("leaf1/Ethernet1-1", "link_state"): (0, "good")}
    assert gnmi[0]["time"] == "2026-11-21T12:00:00+00:00"
    dump = {"PORT_TABLE:Ethernet0": {"type": "hash", "value": {"oper_status": "up"}}}
    sonic = answer("decode", "sonic", "-", "--host", "leaf2", stdin=json.dumps(dump).encode())
    assert cells(sonic) == {("leaf2/Ethernet0", "link_state"): (1, "good")}
    fboss = answer("decode", "fboss", "-", "--host", "leaf3", stdin=json.dumps(FBOSS).encode())
    assert cells(fboss)["leaf3", "asic_temperature_celsius"] == (71.5, "good")


@pytest.mark.parametrize("protocol", ["gnmi", "sonic", "fboss"])
@pytest.mark.parametrize("text", [b"<html>", b"{}"])
def test_recordings_that_are_none(protocol: str, text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(text)
    one_error(fleetops("decode", protocol, path), 1, "capture")
