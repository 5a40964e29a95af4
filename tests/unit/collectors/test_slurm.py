"""Slurm's nodes and jobs: every rule by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fleetops_collectors.allocations import Share, allocations
from fleetops_collectors.slurm import decode_cluster
from fleetops_collectors.slurm.gres import accelerators
from fleetops_collectors.slurm.jobs import distributions
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Job
from tests.unit.collectors.slurm_payloads import NOW, decoded


def node(**fields: object) -> dict[str, tuple[float | None, Quality]]:
    raw = {"name": "n1", "state": ["IDLE"], **fields}
    return {r.metric: (r.value, r.quality) for r in decoded({"nodes": [raw]}).readings}


def job(**fields: object) -> Job:
    raw = {"job_id": 7, "job_state": ["RUNNING"], "nodes": "n[0-1]", **fields}
    (found,) = decoded({"jobs": [raw]}).jobs
    return found


def number(value: float, *, is_set: bool = True, infinite: bool = False) -> dict[str, object]:
    return {"set": is_set, "infinite": infinite, "number": value}


@pytest.mark.parametrize(
    ("text", "count", "indices"),
    [
        ("gpu:h100:3(IDX:0,2-3)", 3, (0, 2, 3)),
        ("gpu:8(S:0-1)", 8, ()),
        ("gpu(IDX:0-3)", 4, (0, 1, 2, 3)),
        ("gpu:h100:0(IDX:N/A)", 0, ()),
        ("gres/gpu:8", 8, ()),
        ("gres/gpu=8", 8, ()),
        ("gpu:a100:2(IDX:0,2),gpu:v100:1(IDX:4),mps:10", 3, (0, 2, 4)),
        ("tmpfs:100G,gpu:gen:8(S:0-1)", 8, ()),
        ("gpu", 1, ()),
        ("gpu:3090:2", 2, ()),
        ("gpu:99999999999", None, ()),
    ],
)
def test_accelerators(text: str, count: int | None, indices: tuple[int, ...]) -> None:
    assert accelerators(text) == (count, indices)


@pytest.mark.parametrize("text", ["", "mps:10", "(null)", "shard:gpu:4", "cpu=4,mem=2G"])
def test_no_accelerators(text: str) -> None:
    assert accelerators(text) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (212, (2.12, Quality.GOOD)),
        (number(212), (2.12, Quality.GOOD)),
        (None, (None, Quality.MISSING)),
        ("N/A", (None, Quality.MISSING)),
        (number(0, is_set=False), (None, Quality.MISSING)),
        (number(0, infinite=True), (None, Quality.SENTINEL)),
        (0xFFFFFFFE, (None, Quality.SENTINEL)),
        (0xFFFFFFFF, (None, Quality.SENTINEL)),
        (number(0xFFFFFFFFFFFFFFFE), (None, Quality.SENTINEL)),
        (-2, (None, Quality.SENTINEL)),
        (True, (None, Quality.MISSING)),
        (1e300, (None, Quality.OUT_OF_RANGE)),
    ],
)
def test_numbers_that_are_none(value: object, expected: tuple[float | None, Quality]) -> None:
    assert node(cpu_load=value)["load_average"] == expected


def test_what_a_host_has() -> None:
    found = node(
        real_memory=2_000_000,
        free_mem=number(65_535),
        gres="gpu:h100:8",
        gres_used="gpu:h100:3(IDX:0-2)",
        boot_time=number(1795258497),
    )
    assert found == {
        "memory_bytes": (2_000_000 * 1024**2, Quality.GOOD),
        "free_memory_bytes": (65_535 * 1024**2, Quality.GOOD),
        "accelerators": (8, Quality.GOOD),
        "allocated_accelerators": (3, Quality.GOOD),
        "boot_time_seconds": (1795258497, Quality.GOOD),
    }


def test_energy_counts_while_a_plug_in_gathers_it() -> None:
    def energy(last_collected: float) -> dict[str, object]:
        return {
            "average_watts": 500,
            "consumed_energy": 1_000_000,
            "current_watts": number(512),
            "last_collected": last_collected,
        }

    now = NOW.timestamp()
    assert node(energy=energy(0)) == {}
    assert node(energy=energy(now - 10)) == {
        "power_watts": (512, Quality.GOOD),
        "energy_joules": (1_000_000, Quality.GOOD),
    }
    assert set(node(energy=energy(now - 1000)).values()) == {(None, Quality.STALE)}
    none = {"current_watts": number(0xFFFFFFFE), "last_collected": now}
    assert node(energy=none) == {"power_watts": (None, Quality.SENTINEL)}
    assert node(energy=[]) == {}


@pytest.mark.parametrize("state", ["down*", ["DOWN"], ["IDLE", "NOT_RESPONDING"], "idle~"])
def test_what_was_last_heard_of_a_silent_node_is_stale(state: object) -> None:
    found = node(state=state, cpu_load=212, free_mem=1000, real_memory=2000)
    assert found["load_average"] == found["free_memory_bytes"] == (None, Quality.STALE)
    assert found["memory_bytes"] == (2000 * 1024**2, Quality.GOOD)


@pytest.mark.parametrize(
    ("text", "states", "drained", "busy"),
    [
        ("drain*", ("DRAIN", "NOT_RESPONDING"), True, False),
        ("drng", ("DRAINING",), True, True),
        ("mix-", ("MIXED", "PLANNED"), False, True),
        ("alloc$", ("ALLOCATED", "MAINTENANCE"), False, True),
        ("idle~", ("IDLE", "POWERED_DOWN"), False, False),
        ("mixed+drain", ("MIXED", "DRAIN"), True, True),
    ],
)
def test_states_of_tables(text: str, states: tuple[str, ...], drained: bool, busy: bool) -> None:
    (found,) = decoded({"nodes": [{"name": "n1", "state": text}]}).nodes
    assert (found.states, found.drained, found.busy) == (states, drained, busy)


def test_who_holds_which_accelerators() -> None:
    found = job(gres_detail=["gpu:h100:2(IDX:0-1)", "gpu:h100:2(IDX:4-5)"])
    first, second = found.allocations
    assert (first.nodes, first.accelerators) == ("n0", (0, 1))
    assert (second.nodes, second.accelerators, second.accelerator_count) == ("n1", (4, 5), 2)
    (alike,) = job(gres_detail=["gpu:8(IDX:0-7)"] * 2).allocations
    assert (alike.nodes, alike.accelerator_count) == ("n[0-1]", 8)
    # without the detail, or with one that is of other nodes: as many as were asked for
    for detail in ([], ["gpu:1(IDX:0)"]):
        (asked,) = job(gres_detail=detail, tres_per_node="gres/gpu:4").allocations
        assert (asked.accelerators, asked.accelerator_count) == ((), 4)
    (none,) = job(gres_detail=None).allocations
    assert none.accelerator_count is None


@pytest.mark.parametrize(
    ("tasks", "per_node", "distribution", "each", "first"),
    [
        (4, 2, "Block", 2, 0),
        (4, 2, "Cyclic", 2, None),
        (4, 2, "", 2, None),
        (4, 0, "Block", None, None),  # four over two nodes may be three and one
        (5, 2, "Block", None, None),
        (0, 0, "Block", None, None),
        (number(4), number(2), "Block,Cyclic", 2, 0),
        (0xFFFFFFFE, 2, "Block", None, None),
    ],
)
def test_ranks_only_where_they_are_certain(
    tasks: object, per_node: object, distribution: str, each: int | None, first: int | None
) -> None:
    raw = {"job_id": 7, "job_state": "RUNNING", "nodes": "n[0-1]", "tasks": tasks}
    steps = [
        {"id": "7.batch", "number_tasks": 1, "task": {"distribution": "Unknown"}},
        {"id": "7.0", "number_tasks": 1, "task": {"distribution": "Plane"}},
        {"id": "7.1", "number_tasks": 4, "task": {"distribution": distribution}},
    ]
    out = decode_cluster([], [{**raw, "tasks_per_node": per_node}], NOW, steps=steps)
    (held,) = out.jobs[0].allocations
    assert (held.tasks, held.first_rank) == (each, first)


def test_all_on_one_node_is_certain() -> None:
    (held,) = job(nodes="n3", tasks=8).allocations
    assert (held.nodes, held.tasks, held.first_rank) == ("n3", 8, 0)


def test_steps_that_say_nothing() -> None:
    steps: list[dict[str, Any]] = [{}, {"id": 7}, {"id": "7.0"}, {"id": "7.0", "task": "Block"}]
    assert distributions(steps) == {}


def test_thousands_of_equal_nodes_are_one_record() -> None:
    found = job(nodes="n[0001-4096]", tasks=4096, gres_detail=["gpu:8(IDX:0-7)"] * 4096)
    (held,) = found.allocations
    assert held.nodes == "n[0001-4096]"
    assert len(held.encode()) < 200


def test_shares_are_folded_in_their_order() -> None:
    shares = [Share("n2", tasks=1, first_rank=0), Share("n1", tasks=1, first_rank=1)]
    assert [one.nodes for one in allocations(shares)] == ["n2", "n1"]
    shares = [Share(f"n{n}", tasks=2, first_rank=2 * n) for n in (1, 2, 4)]
    assert [(one.nodes, one.first_rank) for one in allocations(shares)] == [
        ("n[1-2]", 2),
        ("n4", 8),
    ]


def test_names_that_no_hostlist_can_hold_stand_one_by_one() -> None:
    (held,) = allocations([Share("a[1"), Share("b\n2")])
    assert held.nodes == "a[1,b\n2"
    found = decoded({"jobs": [{"job_id": 7, "job_state": "RUNNING", "nodes": "n1\nn2"}]})
    assert found.jobs == []
    assert found.problems == ["job 7: 'n1\\nn2' is not a hostlist"]


def test_an_instance_of_a_cloud_is_an_identity() -> None:
    raw = {"name": "n1", "state": "idle", "instance_id": "i-0a", "instance_type": "p5"}
    (one,) = decoded(
        {"nodes": [raw, {"name": "n2", "state": "idle", "instance_id": ""}]}
    ).identities
    assert (one.device, one.uuid, one.model, one.source) == ("n1", "i-0a", "p5", "slurm")


def test_nodes_know_their_jobs() -> None:
    found = decoded(
        {
            "nodes": [{"name": "n1", "state": "idle"}, {"name": "n1"}, {"state": "idle"}, {}],
            "jobs": [
                {"job_id": 7, "job_state": "RUNNING", "nodes": "n1"},
                {"job_id": "8_1", "job_state": "PENDING", "nodes": ""},
                {"job_id": 9, "job_state": "RUNNING", "nodes": "n["},
            ],
        }
    )
    assert [(one.node, one.jobs, one.busy) for one in found.nodes] == [("n1", ("7",), True)]
    assert [one.id for one in found.jobs] == ["7", "8_1"]
    assert len(found.problems) == 3


def test_a_clock_far_off_is_no_crash() -> None:
    raw = {"name": "n1", "state": "idle", "reason": "x", "reason_changed_at": 1e18}
    (found,) = decoded({"nodes": [raw]}).nodes
    assert found.reason_at is None
