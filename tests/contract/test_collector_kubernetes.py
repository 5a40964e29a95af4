"""The contract of collectors, kept by ``kubernetes`` against a real API server, and its faults."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typing_extensions import override

from fleetops.core.clock import SystemClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.kubernetes import KubernetesCollector, KubernetesConfig
from fleetops_collectors.kubernetes import api as api_module
from fleetops_schemas.records import ENDED
from tests.contract.collector_contract import CollectorContract, RefusesGarbage, check_readings
from tests.kubernetes_testbed import KubernetesCluster, kubernetes_cluster
from tests.support import ROOT
from tests.unit.collectors.http_server import Reply, Request, serving, unused_url

__all__ = ["kubernetes_cluster"]

pytestmark = pytest.mark.kubernetes

WAIT_SECONDS = 30


@pytest.fixture
def access(kubernetes_cluster: KubernetesCluster, tmp_path: Path) -> dict[str, str]:
    token, authority = kubernetes_cluster.write_access("fleetops", tmp_path)
    return {"token_file": str(token), "ca_file": str(authority)}


class TestKubernetesCollector(CollectorContract, RefusesGarbage):
    collector_class = KubernetesCollector

    @override
    @pytest.fixture
    def options(self, access: dict[str, str]) -> dict[str, Any]:
        return dict(access)

    @override
    @pytest.fixture
    def target(self, kubernetes_cluster: KubernetesCluster) -> Target:
        return Target(name="cluster", url=kubernetes_cluster.url)

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="cluster-gone", url=unused_url())

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b"<html>")) as url:
            yield Target(name="web-page", url=url)


def collector_of(**options: object) -> KubernetesCollector:
    config = KubernetesConfig.model_validate({"name": "test", **options})
    return KubernetesCollector.create(config, SystemClock())


def read(collector: KubernetesCollector, url: str) -> Scrape:
    async def act() -> Scrape:
        try:
            return await collector.collect(Target(name="cluster", url=url))
        finally:
            await collector.close()

    scrape = asyncio.run(act())
    check_readings(scrape.readings)
    return scrape


def read_until(
    collector: KubernetesCollector, url: str, reached: Callable[[Scrape], bool]
) -> Scrape:
    end = time.monotonic() + WAIT_SECONDS
    while not reached(scrape := read(collector, url)):
        assert time.monotonic() < end, scrape.jobs
        time.sleep(0.2)
    return scrape


def indexed_job(name: str, pods: int) -> dict[str, object]:
    container = {
        "name": "train",
        "image": "none",
        "resources": {"limits": {"nvidia.com/gpu": "8"}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": pods,
            "parallelism": pods,
            "completionMode": "Indexed",
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def test_a_job_its_nodes_accelerators_and_ranks(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str]
) -> None:
    collector, url = collector_of(**access), kubernetes_cluster.url
    kubernetes_cluster.kubectl("apply", "-f", "-", stdin=indexed_job("llm", 4))

    def runs(scrape: Scrape) -> bool:
        return any(len(one.nodes) == 4 and one.state == "RUNNING" for one in scrape.jobs)

    scrape = read_until(collector, url, runs)
    assert len(scrape.nodes) == 20
    assert {one.states[0] for one in scrape.nodes} == {"READY"}
    (job,) = scrape.jobs
    assert (job.id, job.tasks) == ("default/llm", 4)
    assert {one.accelerator_count for one in job.allocations} == {8}
    assert min(one.first_rank or 0 for one in job.allocations) == 0
    placed = json.loads(kubernetes_cluster.kubectl("get", "pods", "-o", "json"))["items"]
    index = "batch.kubernetes.io/job-completion-index"
    by_rank = {int(p["metadata"]["labels"][index]): p["spec"]["nodeName"] for p in placed}
    assert job.nodes == tuple(by_rank[rank] for rank in range(4))
    held = {r.device: r.value for r in scrape.readings if r.metric == "allocated_accelerators"}
    assert {node for node, value in held.items() if value == 8} == set(job.nodes)
    assert {one.node for one in scrape.nodes if one.busy} == set(job.nodes)
    kubernetes_cluster.kubectl("delete", "job", "llm", "--cascade=foreground")
    ended = read_until(collector, url, lambda found: any(one.state == ENDED for one in found.jobs))
    assert [one.id for one in ended.jobs] == ["default/llm"]
    assert read(collector, url).jobs == []


def test_a_cordon_and_a_problem(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str]
) -> None:
    collector, url = collector_of(**access), kubernetes_cluster.url
    kubernetes_cluster.kubectl("cordon", "node-00002")
    condition = {
        "type": "KernelDeadlock",
        "status": "True",
        "reason": "DockerHung",
        "message": "task docker:7 blocked for more than 120 seconds",
        "lastTransitionTime": "2026-11-21T10:00:00Z",
        "lastHeartbeatTime": "2026-11-21T10:00:00Z",
    }
    patch = json.dumps({"status": {"conditions": [condition]}})
    arguments = ("patch", "node", "node-00003", "--subresource=status", "--type=strategic")
    kubernetes_cluster.kubectl(*arguments, "-p", patch)
    try:
        scrape = read_until(collector, url, lambda found: any(one.drained for one in found.nodes))
        nodes = {one.node: one for one in scrape.nodes}
        assert "UNSCHEDULABLE" in nodes["node-00002"].states
        assert "KERNEL_DEADLOCK" in nodes["node-00003"].states
        assert "docker:7 blocked" in nodes["node-00003"].reason
        (event,) = scrape.events
        assert (event.kind, event.host) == ("kernel_fault", "node-00003")
        assert read(collector, url).events == [], "told once"
    finally:
        kubernetes_cluster.kubectl("uncordon", "node-00002")


def test_pages_are_put_together(
    kubernetes_cluster: KubernetesCluster,
    access: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_module, "PAGE_OBJECTS", 7)
    scrape = read(collector_of(**access), kubernetes_cluster.url)
    assert [one.node for one in scrape.nodes] == [f"node-{number:05}" for number in range(1, 21)]
    monkeypatch.setattr(api_module, "MAX_PAGES", 2)
    with pytest.raises(InputError, match="more than 14 objects"):
        read(collector_of(**access), kubernetes_cluster.url)


def test_nodes_can_be_chosen_by_label(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str]
) -> None:
    collector = collector_of(**access, node_selector="rack=r002")
    assert 0 < len(read(collector, kubernetes_cluster.url).nodes) < 20


def test_the_documented_rights_are_enough(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str], tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "collectors" / "kubernetes.md").read_text()
    (role,) = [
        one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "ClusterRole" in one
    ]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "fleetops-collect"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "fleetops-collect",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "unprivileged", "namespace": "fleetops"}],
    }
    kubernetes_cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_load(role))
    kubernetes_cluster.kubectl("apply", "-f", "-", stdin=binding)
    token, _ = kubernetes_cluster.write_access("unprivileged", tmp_path)
    try:
        scrape = read(collector_of(**{**access, "token_file": str(token)}), kubernetes_cluster.url)
        assert len(scrape.nodes) == 20
    finally:
        kubernetes_cluster.kubectl("delete", "clusterrolebinding", "fleetops-collect")


def test_rights_that_are_missing_are_told(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str], tmp_path: Path
) -> None:
    token, _ = kubernetes_cluster.write_access("unprivileged", tmp_path)
    collector = collector_of(**{**access, "token_file": str(token)})
    with pytest.raises(InputError, match=r"403: nodes is forbidden.*grant get and list"):
        read(collector, kubernetes_cluster.url)


def test_a_rotated_token_is_taken_up(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str]
) -> None:
    file = Path(access["token_file"])
    good = file.read_text()
    collector = collector_of(**access)
    target = Target(name="cluster", url=kubernetes_cluster.url)

    async def act() -> None:
        assert (await collector.collect(target)).nodes
        file.write_text("expired")
        with pytest.raises(InputError, match=r"401.*check token_file"):
            await collector.collect(target)
        file.write_text(good)
        assert (await collector.collect(target)).nodes
        await collector.close()

    asyncio.run(act())


def test_a_server_that_nobody_vouches_for_is_refused(
    kubernetes_cluster: KubernetesCluster, access: dict[str, str]
) -> None:
    collector = collector_of(token_file=access["token_file"])
    with pytest.raises(TemporaryError, match="CERTIFICATE_VERIFY_FAILED"):
        read(collector, kubernetes_cluster.url)


def test_only_get_of_nodes_and_pods_leaves_us() -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: Request) -> Reply:
        asked.append((request.method, request.path.partition("?")[0]))
        return Reply(body=b'{"items": []}')

    with serving(answer) as url:
        for _ in range(2):
            read(collector_of(), url)
    assert set(asked) == {("GET", "/api/v1/nodes"), ("GET", "/api/v1/pods")}


def test_a_list_that_expired_is_begun_anew_once() -> None:
    asked: list[str] = []
    first = b'{"items": [{"metadata": {"name": "n1"}}], "metadata": {"continue": "x"}}'

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        if "continue" not in request.path:
            return Reply(body=b'{"items": []}' if "pods" in request.path else first)
        expired = len(asked) == 2
        return Reply(410, b"{}") if expired else Reply(body=b'{"items": []}')

    with serving(answer) as url:
        assert [one.node for one in read(collector_of(), url).nodes] == ["n1"]
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b'{"message": "too many requests"}', TemporaryError, "429: too many requests"),
        (503, b"", TemporaryError, "503"),
        (404, b"404 page not found", InputError, "no JSON: HTTP status 404"),
        (200, b'{"items": {}}', InputError, "no list of objects"),
        (200, b"[]", InputError, "no list of objects"),
        (410, b"{}", TemporaryError, "changes faster than it can be read"),
    ],
)
def test_answers_that_are_none(
    status: int, body: bytes, error: type[Exception], words: str
) -> None:
    with (
        serving(lambda _: Reply(status, body)) as url,
        pytest.raises(error, match=f"cluster: .*{words}"),
    ):
        read(collector_of(), url)
