"""Slurm's JSON: 21.08 as recorded, 24.11 as a cluster gave it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.slurm.jobs import parse_job
from fleetops_collectors.slurm.nodes import parse_node
from fleetops_collectors.slurm.shapes import records
from tests.support import fixtures
from tests.unit.operate.builders import NOW


@pytest.mark.fixtures
def test_nodes_of_21_08() -> None:
    payload = (fixtures() / "schedulers/rivosinc/sinfo_out.json").read_bytes()
    raw = records(payload, "nodes", "sinfo")
    nodes = [parse_node(item, (), NOW) for item in raw]
    assert [node.node.split(".")[0] for node in nodes[:2]] == ["cs2", "cs3"]
    assert sorted(node.states for node in nodes) == [
        ("ALLOCATED",),
        ("DOWN",),
        ("IDLE",),
        ("MIXED",),
    ]
    assert [node.busy for node in nodes] == [
        node.states[0] in {"MIXED", "ALLOCATED"} for node in nodes
    ]
    assert not any(node.drained for node in nodes)
    assert {node.partition for node in nodes} == {"hw"}
    down = next(node for node in nodes if node.states == ("DOWN",))
    raw_down = next(item for item in raw if item["state"] == "down")
    assert down.reason == raw_down["reason"]
    changed = raw_down["reason_changed_at"]
    assert down.reason_at == (datetime.fromtimestamp(changed, UTC) if changed else None)


@pytest.mark.fixtures
def test_jobs_of_21_08_with_newer_shapes_mixed_in() -> None:
    payload = (fixtures() / "schedulers/rivosinc/squeue_out.json").read_bytes()
    running, pending = (parse_job(item, NOW) for item in records(payload, "jobs", "squeue"))
    assert (running.id, running.user, running.state) == ("26515966", "bkd", "RUNNING")
    assert running.nodes == ("cs75",)
    assert running.started_at == datetime.fromtimestamp(1684114921, UTC)
    assert (pending.state, pending.nodes, pending.started_at) == ("PENDING", (), None)


def test_a_node_of_24_11() -> None:
    raw = {
        "name": "n1",
        "state": ["IDLE", "DRAIN", "NOT_RESPONDING"],
        "reason": "fleetops:inc-1 hot",
        "reason_changed_at": {"set": True, "infinite": False, "number": 1795260934},
        "reason_set_by_user": "root",
        "partitions": ["train", "debug"],
    }
    node = parse_node(raw, ["7", "12"], NOW)
    assert node.states == ("IDLE", "DRAIN", "NOT_RESPONDING")
    assert node.drained
    assert node.busy
    assert node.jobs == ("12", "7")
    assert (node.reason_by, node.partition) == ("root", "train,debug")
    assert node.reason_at == datetime.fromtimestamp(1795260934, UTC)


@pytest.mark.parametrize(
    ("state", "flags", "expected", "drained"),
    [
        ("idle", ["DRAIN"], ("IDLE", "DRAIN"), True),
        ("idle+drain", None, ("IDLE", "DRAIN"), True),
        ("down*", [], ("DOWN", "NOT_RESPONDING"), False),
        (["MIXED", "DRAIN"], None, ("MIXED", "DRAIN"), True),
        (["ALLOCATED"], None, ("ALLOCATED",), False),
        (None, None, (), False),
    ],
)
def test_state_shapes(
    state: object, flags: object, expected: tuple[str, ...], drained: bool
) -> None:
    node = parse_node({"name": "n1", "state": state, "state_flags": flags}, (), NOW)
    assert (node.states, node.drained) == (expected, drained)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (0, False),
        (1795260934, True),
        ({"set": True, "infinite": False, "number": 1795260934}, True),
        ({"set": False, "infinite": False, "number": 1795260934}, False),
        ({"set": True, "infinite": True, "number": 1795260934}, False),
        (None, False),
        ("soon", False),
    ],
)
def test_number_shapes(value: object, known: bool) -> None:
    raw = {"job_id": 7, "job_state": ["RUNNING"], "nodes": "n[0-2]", "start_time": value}
    job = parse_job(raw, NOW)
    assert (job.started_at is not None) is known
    assert job.nodes == ("n0", "n1", "n2")


def test_a_completing_job_still_holds_its_nodes() -> None:
    raw = {"job_id": 7, "job_state": ["COMPLETED", "COMPLETING"], "nodes": "n3"}
    assert (parse_job(raw, NOW).state, parse_job(raw, NOW).nodes) == ("COMPLETING", ("n3",))


@pytest.mark.parametrize("payload", [b"", b"<html>", b"[]", b'{"jobs": []}', b'{"nodes": [1]}'])
def test_other_answers_are_named(payload: bytes) -> None:
    with pytest.raises(InputError, match="scontrol show node"):
        records(payload, "nodes", "scontrol show node")
