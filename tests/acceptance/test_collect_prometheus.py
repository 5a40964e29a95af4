"""``fleetops collect once`` with the example configuration of ``prometheus``, over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.commands import answer, fleetops
from tests.support import ROOT
from tests.unit.collectors import exporter_texts as texts
from tests.unit.collectors.http_server import Reply, Request, serving, unused_url

EXAMPLE = ROOT / "docs" / "examples" / "prometheus.yaml"
TEXTS = {
    "/dcgm": texts.DCGM,
    "/amd": texts.AMD,
    "/node": texts.NODE,
    "/job": texts.TRAINING,
}


def serve(request: Request) -> Reply:
    return Reply(body=TEXTS[request.path].encode(), headers={"Content-Type": "text/plain"})


def environ(url: str) -> dict[str, str]:
    return {f"{path[1:].upper()}_URL": f"{url}{path}" for path in TEXTS}


def test_four_exporters() -> None:
    with serving(serve) as url:
        done = fleetops(*("collect", "once", "-o", "json"), config=EXAMPLE, environ=environ(url))
    assert done.returncode == 0, done.stderr
    scrapes = json.loads(done.stdout)
    cells = {
        (r["device"], r["metric"]): r["value"] for scrape in scrapes for r in scrape["readings"]
    }
    assert cells["node001/gpu0", "temperature_celsius"] == 61
    assert cells["node001/gpu0", "energy_joules"] is None  # a blank number
    assert cells["node002/gpu0", "energy_joules"] == 1.4e11
    assert cells["node001/mlx5_0", "receive_bytes_total"] == 22031403016
    assert cells["node001/mlx5_0", "link_state"] == 1
    assert cells["node001", "cpu_temperature_celsius"] == 62
    assert cells["node001/job81/rank17", "step_seconds"] == 4.31
    assert [scrape["warnings"] for scrape in scrapes] == [[], [], [], []]
    assert [scrape["events"] for scrape in scrapes] == [[], [], [], []]


def test_an_exporter_that_is_away_costs_the_others_nothing() -> None:
    with serving(serve) as url:
        done = fleetops(
            *("collect", "once", "-o", "json"),
            config=EXAMPLE,
            environ={**environ(url), "AMD_URL": unused_url()},
        )
    assert done.returncode == 3
    assert len(json.loads(done.stdout)) == 3
    assert "prometheus node002-amd" in done.stderr


def test_decoding_files(tmp_path: Path) -> None:
    for name, text in (("amd", texts.AMD), ("node", texts.NODE), ("open", texts.OPENMETRICS)):
        (tmp_path / name).write_text(text)
    amd = answer("decode", "prometheus", tmp_path / "amd")
    assert {r["device"].split("/")[0] for r in amd} == {"mi-host"}
    node = answer("decode", "prometheus", tmp_path / "node")
    assert {r["device"].split("/")[0] for r in node} == {"node001"}  # by node_uname_info
    (one,) = answer("decode", "prometheus", tmp_path / "open", "--host", "node009")
    assert (one["device"], one["metric"], one["value"]) == ("node009/gpu0", "pcie_replay_total", 7)
    assert one["time"] == "2026-01-01T11:59:50.500000+00:00"
