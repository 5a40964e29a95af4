"""Kubernetes' objects: every rule by hand, and the conditions of node-problem-detector."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.kubernetes import decode_cluster
from fleetops_collectors.kubernetes.objects import quantity
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Job, NodeState
from tests.contract.collector_contract import check_readings
from tests.support import fixtures

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SINCE = "2026-11-21T10:00:00Z"


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "message": message, "lastTransitionTime": SINCE}


def node(name: str = "n1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "metadata": {"name": name, "labels": fields.pop("labels", {})},
        "spec": fields.pop("spec", {}),
        "status": {
            "conditions": [
                condition("Ready", fields.pop("ready", "True"), "kubelet is posting"),
                *fields.pop("conditions", []),
            ],
            "capacity": {"cpu": "96", "memory": "1Ti", "nvidia.com/gpu": "8"},
            **fields,
        },
    }


def pod(name: str, on: str = "", *, gpus: int = 8, phase: str = "Running") -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {
        "metadata": {"name": name, "namespace": "train"},
        "spec": {"nodeName": on, "containers": [{"resources": {"limits": limits}}]},
        "status": {"phase": phase, "startTime": SINCE},
    }


def labelled(one: dict[str, Any], **labels: str) -> dict[str, Any]:
    one["metadata"]["labels"] = labels
    return one


def decoded(nodes: list[Any], pods: list[Any] | None = None) -> Decoded:
    found = decode_cluster(nodes, pods or [], NOW)
    check_readings(found.readings)
    return found


def state(**fields: Any) -> NodeState:  # noqa: ANN401
    (found,) = decoded([node(**fields)]).nodes
    return found


def job(*pods: dict[str, Any]) -> Job:
    (found,) = decoded([], list(pods)).jobs
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("96", 96),
        ("1Ti", 2**40),
        ("1500m", 1.5),
        ("1e3", 1000),
        ("128974848", 128974848),
        ("123Mi", 123 * 2**20),
        ("5k", 5000),
        (8, 8),
        ("1X", None),
        ("", None),
        ("-1", None),
        (None, None),
    ],
)
def test_quantities(text: object, value: float | None) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize(
    ("ready", "states", "reason"),
    [
        ("True", ("READY",), ""),
        ("False", ("DOWN", "NOT_READY"), "kubelet is posting"),
        ("Unknown", ("NOT_RESPONDING",), "kubelet is posting"),
    ],
)
def test_readiness(ready: str, states: tuple[str, ...], reason: str) -> None:
    found = state(ready=ready)
    assert (found.states, found.reason, found.drained) == (states, reason, False)


def test_a_node_without_conditions_does_not_respond() -> None:
    (found,) = decoded([{"metadata": {"name": "n1"}}]).nodes
    assert found.states == ("NOT_RESPONDING",)


def test_a_cordoned_node_takes_no_new_work() -> None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": SINCE}
    dedicated = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    found = state(spec={"unschedulable": True, "taints": [dedicated, taint]})
    assert (found.drained, found.states) == (True, ("READY", "UNSCHEDULABLE"))
    assert found.reason_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert not state(spec={"taints": [dedicated]}).drained, "a taint keeps others away, not its own"


def test_problems_are_states_and_events_and_good_conditions_are_none() -> None:
    conditions = [
        condition("MemoryPressure", "True", "low memory"),
        condition("DiskPressure", "False"),
        condition("KernelDeadlock", "True", "task blocked"),
        condition("GpuHealthy", "False", "xid 79"),
        condition("FabricReady", "True"),
        condition("KubeletUnhealthy", "Unknown"),
        condition("EtcdIsVoter", "True"),
    ]
    found = decoded([node(conditions=conditions)])
    assert found.nodes[0].states == ("READY", "MEMORY_PRESSURE", "KERNEL_DEADLOCK", "GPU_HEALTHY")
    assert found.nodes[0].reason == "low memory; task blocked; xid 79"
    deadlock, unhealthy = found.events
    assert (deadlock.kind, deadlock.host) == ("kernel_fault", "n1")
    assert (unhealthy.kind, unhealthy.text) == ("unclassified", "GpuHealthy: xid 79")
    assert decoded([node(conditions=conditions)]).events[0].id == deadlock.id
    (worker,) = decoded([node(conditions=[condition("EtcdIsVoter", "False")])]).nodes
    assert worker.states == ("READY",)


@pytest.mark.fixtures
def test_conditions_of_node_problem_detector_are_good_when_it_says_so() -> None:
    """As its configurations have them: status False with the default reason is health."""
    for path in sorted((fixtures() / "schedulers" / "npd").glob("*.json")):
        for one in json.loads(path.read_text()).get("conditions", []):
            for status, problems in (("False", 0), ("True", 1)):
                told = condition(one["type"], status, one["message"])
                assert len(decoded([node(conditions=[told])]).events) == problems, one["type"]


def test_what_a_host_has_and_which_machine_it_is() -> None:
    raw = node(
        labels={"topology.kubernetes.io/rack": "r1", "nvidia.com/gpu.machine": "DGXH100"},
        nodeInfo={"systemUUID": "4C4C4544-0042"},
        addresses=[{"type": "InternalIP", "address": "10.0.0.1"}],
        allocatable={"nvidia.com/gpu": "7"},
    )
    found = decoded([raw], [pod("a", "n1", gpus=3), pod("b", "n1", gpus=2, phase="Pending")])
    assert {one.metric: one.value for one in found.readings} == {
        "memory_bytes": 2**40,
        "accelerators": 7,
        "allocated_accelerators": 5,
    }
    (identity,) = found.identities
    assert (identity.uuid, identity.address) == ("4c4c4544-0042", "10.0.0.1")
    assert (identity.model, identity.placement["rack"]) == ("DGXH100", "r1")


@pytest.mark.parametrize(
    ("labels", "counted"),
    [
        ({"gpu.replicas": "1", "gpu.product": "NVIDIA-H100-80GB-HBM3"}, True),
        ({"gpu.replicas": "4", "gpu.product": "NVIDIA-L4"}, False),
        ({"gpu.replicas": "1", "gpu.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"}, False),
    ],
)
def test_shares_are_no_accelerators(labels: dict[str, str], counted: bool) -> None:
    own = {f"nvidia.com/{name}": value for name, value in labels.items()}
    found = decoded([node(labels=own)], [pod("a", "n1", gpus=1)]).readings
    assert ("accelerators" in {one.metric for one in found}) is counted
    assert ("allocated_accelerators" in {one.metric for one in found}) is counted


def test_quantities_that_are_none_are_no_values() -> None:
    raw = node(capacity={"memory": "lots", "nvidia.com/gpu": "x"})
    assert [(one.metric, one.quality) for one in decoded([raw]).readings] == [
        ("memory_bytes", Quality.MISSING)
    ]


def test_an_indexed_job() -> None:
    def of(index: int, on: str, phase: str = "Running") -> dict[str, Any]:
        labels = {"batch.kubernetes.io/job-name": "llm"}
        labels["batch.kubernetes.io/job-completion-index"] = str(index)
        return labelled(pod(f"llm-{index}-x", on, phase=phase), **labels)

    found = job(of(1, "n2"), of(0, "n1"), of(2, "n7"))
    assert (found.id, found.name, found.state) == ("train/llm", "llm", "RUNNING")
    assert found.nodes == ("n1", "n2", "n7")
    (held,) = found.allocations
    assert (held.nodes, held.accelerator_count) == ("n[1-2,7]", 8)
    assert (held.tasks, held.first_rank) == (1, 0)
    assert found.started_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    waiting = job(of(0, "", "Pending"), of(1, "", "Pending"))
    assert (waiting.state, waiting.nodes, waiting.tasks) == ("PENDING", (), 2)


def test_a_training_job_of_kubeflow_counts_its_workers_behind_the_master() -> None:
    def of(kind: str, index: int, on: str) -> dict[str, Any]:
        labels = {"training.kubeflow.org/job-name": "llm"}
        labels["training.kubeflow.org/replica-type"] = kind
        labels["training.kubeflow.org/replica-index"] = str(index)
        return labelled(pod(f"llm-{kind}-{index}", on), **labels)

    found = job(of("worker", 0, "n2"), of("worker", 1, "n1"), of("master", 0, "n3"))
    assert found.nodes == ("n3", "n2", "n1")
    ranks = [(one.nodes, one.first_rank) for one in found.allocations]
    assert ranks == [("n3", 0), ("n2", 1), ("n1", 2)]


def test_each_group_of_a_leader_worker_set_is_a_job() -> None:
    def of(group: int, worker: int) -> dict[str, Any]:
        labels = {"leaderworkerset.sigs.k8s.io/name": "serve"}
        labels["leaderworkerset.sigs.k8s.io/group-index"] = str(group)
        labels["leaderworkerset.sigs.k8s.io/worker-index"] = str(worker)
        return labelled(pod(f"serve-{group}-{worker}", f"n{group}{worker}"), **labels)

    found = decoded([], [of(0, 0), of(0, 1), of(1, 0)]).jobs
    assert [(one.id, one.nodes) for one in found] == [
        ("train/serve-0", ("n00", "n01")),
        ("train/serve-1", ("n10",)),
    ]


def test_a_set_of_one_job_has_its_ranks() -> None:
    def of(index: int, on: str) -> dict[str, Any]:
        labels = {"jobset.sigs.k8s.io/jobset-name": "set", "batch.kubernetes.io/job-name": "set-a"}
        labels["batch.kubernetes.io/job-completion-index"] = str(index)
        return labelled(pod(f"set-a-{index}", on), **labels)

    found = job(of(1, "n1"), of(0, "n2"))
    assert found.id == "train/set"
    assert [(one.nodes, one.first_rank) for one in found.allocations] == [("n2", 0), ("n1", 1)]
    assert [one.first_rank for one in job(of(0, "n1"), of(0, "n2")).allocations] == [None]


@pytest.mark.parametrize(("gpus", "first"), [(0, 0), (8, 1)])
def test_a_launcher_is_a_rank_where_it_holds_accelerators(gpus: int, first: int) -> None:
    def of(kind: str, gpus: int, **index: str) -> dict[str, Any]:
        labels = {f"training.kubeflow.org/replica-{name}": value for name, value in index.items()}
        labels |= {"training.kubeflow.org/job-name": "mpi"}
        labels |= {"training.kubeflow.org/replica-type": kind}
        return labelled(pod(f"mpi-{kind}", f"n-{kind}", gpus=gpus), **labels)

    found = job(of("launcher", gpus), of("worker", 8, index="0"))
    assert {one.nodes: one.first_rank for one in found.allocations}["n-worker"] == first


def test_devices_that_are_claimed_are_a_job_of_unknown_size() -> None:
    claiming = pod("dra", "n1", gpus=0)
    claiming["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "one"}]
    (held,) = job(claiming).allocations
    assert (held.nodes, held.accelerator_count, held.tasks) == ("n1", None, 1)
    both = pod("channel", "n1")
    both["spec"]["resourceClaims"] = claiming["spec"]["resourceClaims"]
    assert job(both).allocations[0].accelerator_count == 8


def test_ranks_that_come_twice_are_none() -> None:
    labels = {"jobset.sigs.k8s.io/jobset-name": "set", "batch.kubernetes.io/job-name": "set-a-0"}
    found = job(*(labelled(pod(f"p{n}", f"n{n}"), **labels) for n in range(2)))
    assert found.id == "train/set"
    assert [one.first_rank for one in found.allocations] == [None]


def test_pods_of_one_node_are_counted_together() -> None:
    labels = {"job-name": "small"}
    found = job(*(labelled(pod(f"p{n}", "n1", gpus=1), **labels) for n in range(4)))
    (held,) = found.allocations
    assert (held.accelerator_count, held.tasks, held.first_rank) == (4, 4, None)


def test_what_holds_no_accelerators_is_no_job_of_ours_and_what_ended_holds_nothing() -> None:
    web = pod("web", "n1", gpus=0)
    done = pod("done", "n1", phase="Succeeded")
    found = decoded([node()], [web, done, {}, {"metadata": {}}])
    assert found.jobs == []
    assert (found.nodes[0].busy, found.nodes[0].jobs) == (False, ())
    # but the launcher of a job whose workers hold some belongs to it
    labels = {"job-name": "mpi"}
    both = job(
        labelled(pod("launcher", "n1", gpus=0), **labels), labelled(pod("w", "n2"), **labels)
    )
    assert (both.nodes, both.tasks) == (("n1", "n2"), 2)


def test_pods_without_a_job_go_by_their_owner_or_their_own_name() -> None:
    owned = pod("serve-abc", "n1")
    owned["metadata"]["ownerReferences"] = [{"name": "x"}, {"name": "serve", "controller": True}]
    assert [one.id for one in decoded([], [owned, pod("debug", "n2")]).jobs] == [
        *("train/serve", "train/debug")
    ]


def test_requests_of_all_kinds_of_containers() -> None:
    one = pod("p", "n1")
    one["spec"]["containers"] = [
        {"resources": {"limits": {"nvidia.com/gpu": "2"}}},
        {"resources": {"requests": {"amd.com/gpu": "1"}}},
        {},
    ]
    one["spec"]["initContainers"] = [{"resources": {"limits": {"nvidia.com/gpu": "4"}}}]
    assert job(one).allocations[0].accelerator_count == 4


@pytest.mark.parametrize("junk", [{}, {"metadata": []}, {"metadata": {"name": 7}}, {"status": "x"}])
def test_objects_of_another_shape_are_told(junk: dict[str, Any]) -> None:
    found = decoded([node(), junk, node()], [junk])
    assert [one.node for one in found.nodes] == ["n1"]
    assert found.problems == ["node 1: it has no name"]
