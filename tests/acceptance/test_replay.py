"""Real recordings through a whole running line: what they show, and whom they drain."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from fleetops.api.client import Client
from fleetops_schemas.records import Action, Incident
from tests.acceptance.commands import answer, fleetops, one_error
from tests.line import TestLine, wait_until
from tests.support import fixtures

pytestmark = [pytest.mark.fixtures, pytest.mark.timeout(180)]
PLANNER = "fleetops:planner"
BESIDE_HOSTS = {"power_unit", "coolant_unit"}


def trace(name: str) -> Path:
    return fixtures() / "jobs" / "straggler-analysis" / f"trace-{name}.parquet"


def incidents_of(client: Client, job: str) -> list[Incident]:
    return [one for one in client.incidents(limit=500).items if one.job == job]


def drains(client: Client) -> dict[str, str]:
    """State of every drain that nobody asked for by hand, by node."""
    actions: list[Action] = [*client.actions(limit=500).items]
    own = (action for action in actions if action.requested_by == PLANNER)
    return {node: action.state.value for action in own for node in action.nodes}


def out_of_service(client: Client) -> set[str]:
    """Nodes that the scheduler gives no new work."""
    return {node.name for node in client.all_nodes() if node.status.value.startswith("drain")}


def test_a_job_with_one_slow_worker_drains_its_node_alone(line: TestLine) -> None:
    nodes = [f"node{n:03d}" for n in range(17, 33)]
    sent = answer(
        *("replay", "job-trace", trace("AR"), "--nodes", "node[017-032]", "--speed", "200"),
        config=line.config_path,
    )
    assert sent["steps"] == 44
    assert sent["hosts"] == nodes
    with line.client() as client:
        wait_until("a drain", lambda: drains(client).get("node017") == "done", 40)
        (found,) = incidents_of(client, "trace-AR")
        assert (found.verdict.value, found.suspect_hosts) == ("hardware", ("node017",))
        assert found.kind == "slow_rank"
        assert drains(client) == {"node017": "done"}
        wait_until("the scheduler says so", lambda: out_of_service(client) == {"node017"}, 20)


def test_a_job_with_a_long_last_stage_is_told_so_and_nothing_is_drained(line: TestLine) -> None:
    done = fleetops(
        *("replay", "job-trace", trace("ST"), "--speed", "10", "--job", "st"),
        config=line.config_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sent 32 steps\nworkers on node[")
    with line.client() as client:
        wait_until("an incident about the job", lambda: bool(incidents_of(client, "st")), 40)
        (found,) = incidents_of(client, "st")
        assert (found.verdict.value, found.suspect_hosts) == ("job", ())
        assert found.kind == "job_stage_imbalance"
        assert "stage 3 (the last)" in found.explanation
        assert drains(client).keys() <= {"node017"}


def stored(client: Client, readings: list[dict[str, object]]) -> dict[tuple[str, str], float]:
    """What the pages show of the devices of these readings, by device and metric."""
    found: dict[tuple[str, str], float] = {}
    devices = sorted({(str(one["device_class"]), str(one["device"])) for one in readings})
    for (kind, top), group in groupby(devices, key=lambda one: (one[0], one[1].split("/")[0])):
        names = {device for _, device in group}
        if kind in BESIDE_HOSTS:
            series = [s for name in names for s in client.series(name, kind).series]
        else:
            series = [*client.node_series(top, kind).series]
        for one in series:
            for metric, values in one.values.items():
                seen = {value for value in values if value is not None}
                if seen and one.device in names:
                    assert len(seen) == 1, f"{one.device} {metric}: {seen}"
                    found[one.device, metric] = seen.pop()
    return found


CAPTURES = [
    ("redfish", "redfish/gb300_lambda/happypath"),
    ("redfish", "redfish/powershelf_delta"),
    ("prometheus", "accelerators/dcgm-exporter/*.prom"),
]


@pytest.mark.parametrize(("kind", "place"), CAPTURES, ids=[place for _, place in CAPTURES])
def test_every_good_reading_of_a_capture_is_shown_and_no_other(
    line: TestLine, kind: str, place: str
) -> None:
    paths = sorted(fixtures().glob(place))
    readings = answer("decode", kind, *paths)
    good = {(r["device"], r["metric"]): r["value"] for r in readings if r["quality"] == "good"}
    sent = answer("replay", kind, *paths, config=line.config_path)
    assert (sent["readings"], sent["good_readings"]) == (len(readings), len(good))
    with line.client() as client:
        wait_until(f"{len(good)} values", lambda: len(stored(client, readings)) >= len(good), 30)
        shown = stored(client, readings)
        assert shown.keys() == good.keys()
        for cell, value in good.items():
            assert shown[cell] == pytest.approx(value, rel=1e-5), cell
        hosts = {
            r["device"].split("/")[0] for r in readings if r["device_class"] not in BESIDE_HOSTS
        }
        assert hosts <= {node.name for node in client.all_nodes(rack="replay")}


def test_a_kernel_log_opens_an_incident_and_is_in_the_history_of_its_node(line: TestLine) -> None:
    log = fixtures() / "accelerators" / "gpud-dmesg-with-xid-119.log"
    sent = answer("replay", "kernel-log", log, "--host", "node020", config=line.config_path)
    assert sent["events"] == len(answer("decode", "kernel-log", log)) == 5
    with line.client() as client:
        wait_until("the drain", lambda: "node020" in drains(client), 40)
        history = client.history("node020").items
        kinds = [(str(entry.type), entry.kind) for entry in history]
        assert kinds.count(("event", "accelerator_gsp")) == 5
        (found,) = client.incidents(node="node020").items
        assert (found.kind, found.suspect_hosts) == ("accelerator_gsp", ("node020",))
        assert drains(client).keys() == {"node017", "node020"}


def test_a_leak_in_two_captures_in_a_row_is_an_incident(line: TestLine) -> None:
    capture = fixtures() / "redfish" / "gb300_lambda"
    answer("replay", "redfish", capture, capture, "--host", "node030", config=line.config_path)
    with line.client() as client:
        wait_until("a leak", lambda: bool(leaks(client, "node030")), 30)
        (found,) = leaks(client, "node030")
        assert (found.severity.value, found.cause_device.split("/")[0]) == ("critical", "node030")


def leaks(client: Client, node: str) -> list[Incident]:
    return [one for one in client.incidents(node=node).items if one.kind == "coolant_leak"]


def test_one_bad_source_stops_no_other(line: TestLine, tmp_path: Path) -> None:
    (tmp_path / "page.prom").write_text("<html>502</html>")
    (good,) = fixtures().glob("accelerators/dcgm-exporter/v1.35_kops*")
    done = fleetops("replay", "prometheus", tmp_path / "page.prom", good, config=line.config_path)
    one_error(done, 3, "page.prom", "no Prometheus sample")
    assert done.stdout.startswith("sent 22 readings (21 good)\n")


def test_too_few_nodes_for_a_trace(line: TestLine) -> None:
    done = fleetops(
        "replay", "job-trace", trace("AR"), "--nodes", "node[001-004]", config=line.config_path
    )
    one_error(done, 1, "its 16 workers need as many nodes and there are 4", "--nodes")
    assert done.stdout == "sent nothing\n"


def test_where_no_line_ever_ran(tmp_path: Path) -> None:
    environ = {"FLEETOPS_BUS__PATH": str(tmp_path / "none.sqlite")}
    done = fleetops("replay", "job-trace", trace("ST"), environ=environ)
    one_error(done, 1, "no line ever ran on this bus", "fleetops up")
