"""The contract of collectors, kept by ``slurm`` against a real cluster, and its faults."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typing_extensions import override

from fleetops.core.clock import SystemClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.slurm import SlurmCollector, SlurmConfig
from fleetops_collectors.slurm.commands import JOBS, NODES, OLD_NODES, PING, STEPS
from fleetops_schemas.records import ENDED, GONE, Job, NodeState
from tests.contract.collector_contract import CollectorContract, RefusesGarbage, check_readings
from tests.slurm_testbed import SlurmCluster, cluster_fixture
from tests.unit.collectors.http_server import Reply, serving, unused_url

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    yield from cluster_fixture(3, rest=True)


class TestSlurmCollector(CollectorContract, RefusesGarbage):
    collector_class = SlurmCollector

    @override
    @pytest.fixture
    def options(self, cluster: SlurmCluster) -> dict[str, Any]:
        return {"bin_dir": str(cluster.bin_dir)}

    @override
    @pytest.fixture
    def target(self) -> Target:
        return Target(name="cluster")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="cluster-gone", url=unused_url())

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with serving(lambda _: Reply(body=b"<html>")) as url:
            yield Target(name="web-page", url=url)


def collector_of(cluster: SlurmCluster | Path, **options: object) -> SlurmCollector:
    bin_dir = cluster if isinstance(cluster, Path) else cluster.bin_dir
    config = SlurmConfig.model_validate({"name": "test", "bin_dir": bin_dir, **options})
    return SlurmCollector.create(config, SystemClock())


def read(collector: SlurmCollector, url: str = "") -> Scrape:
    async def act() -> Scrape:
        try:
            return await collector.collect(Target(name="cluster", url=url))
        finally:
            await collector.close()

    scrape = asyncio.run(act())
    check_readings(scrape.readings)
    return scrape


def nodes(scrape: Scrape) -> dict[str, NodeState]:
    return {one.node: one for one in scrape.nodes}


def jobs(scrape: Scrape) -> dict[str, Job]:
    return {one.id: one for one in scrape.jobs}


@pytest.fixture(scope="module")
def job(cluster: SlurmCluster) -> Iterator[str]:
    """Two nodes, three accelerators and two ranks on each, running."""
    ranks = f"{cluster.bin_dir}/srun --distribution=block sleep 300"
    number = cluster.submit("-N2", "--ntasks-per-node=2", "--gres=gpu:3", command=ranks)
    end = time.monotonic() + 60
    while f"{number}.0" not in cluster.command("squeue", "-hs", "-o", "%i"):
        assert time.monotonic() < end, cluster.job_state(number)
        time.sleep(0.2)
    yield number
    cluster.command("scancel", number)


@pytest.fixture
def token(cluster: SlurmCluster, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    said = cluster.command("scontrol", "token", "lifespan=600", "username=nobody")
    file.write_text(said.partition("=")[2])
    return file


def check_cluster(scrape: Scrape, job: str, first_rank: int | None) -> None:
    assert scrape.warnings == []
    assert set(nodes(scrape)) == {"n0", "n1", "n2"}
    found = jobs(scrape)[job]
    assert (found.state, found.nodes, found.tasks) == ("RUNNING", ("n0", "n1"), 4)
    (held,) = found.allocations
    assert (held.nodes, held.accelerators, held.accelerator_count) == ("n[0-1]", (0, 1, 2), 3)
    assert (held.tasks, held.first_rank) == (2, first_rank)
    assert nodes(scrape)["n0"].jobs == (job,)
    assert nodes(scrape)["n0"].busy
    assert not nodes(scrape)["n2"].busy
    of_n0 = {one.metric: one.value for one in scrape.readings if one.device == "n0"}
    assert (of_n0["accelerators"], of_n0["allocated_accelerators"]) == (8, 3)
    assert of_n0["memory_bytes"] == 1000 * 1024**2
    assert 0 <= (of_n0["load_average"] or 0) < 1000
    assert "power_watts" not in of_n0, "without a plug-in Slurm's zeros are no measurement"


def test_by_commands_nodes_jobs_and_who_holds_what(cluster: SlurmCluster, job: str) -> None:
    check_cluster(read(collector_of(cluster)), job, first_rank=0)


def test_by_rest_the_same_without_ranks(cluster: SlurmCluster, job: str, token: Path) -> None:
    collector = collector_of(cluster, username="nobody", token_file=token)
    check_cluster(read(collector, cluster.rest_url), job, first_rank=None)


def test_over_a_unix_socket(cluster: SlurmCluster, job: str, token: Path, tmp_path: Path) -> None:
    socket = tmp_path / "restd.socket"
    port = int(cluster.rest_url.rpartition(":")[2])

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote_reader, remote_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, remote_writer), pipe(remote_reader, writer))

    async def act() -> Scrape:
        collector = collector_of(cluster, username="nobody", token_file=token)
        async with await asyncio.start_unix_server(forward, socket):
            try:
                return await collector.collect(Target(name="cluster", url=f"unix:{socket}"))
            finally:
                await collector.close()

    check_cluster(asyncio.run(act()), job, first_rank=None)


def test_a_wrong_token_is_told_as_such(cluster: SlurmCluster, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("not-a-token")
    collector = collector_of(cluster, username="nobody", token_file=file)
    with pytest.raises((InputError, TemporaryError), match=r"cluster: http://127.*(40|50|51)\d"):
        read(collector, cluster.rest_url)


def test_a_drain_with_its_reason_and_who_made_it(cluster: SlurmCluster) -> None:
    cluster.command("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=fan noise")
    try:
        node = nodes(read(collector_of(cluster)))["n2"]
    finally:
        cluster.command("scontrol", "update", "NodeName=n2", "State=UNDRAIN")
    assert node.drained
    assert (node.reason, node.reason_by) == ("fan noise", "root")
    assert node.reason_at is not None


def test_what_is_listed_no_longer_is_told_once_as_gone(cluster: SlurmCluster) -> None:
    collector = collector_of(cluster)
    number = cluster.submit("-N1", "--hold")
    first = asyncio.run(collector.collect(Target(name="cluster")))
    assert jobs(first)[number].state == "PENDING"
    cluster.command("scancel", number)
    assert jobs(read(collector))[number].state == ENDED
    assert number not in jobs(read(collector))
    # and after a restart, from the cursor
    again = collector_of(cluster)
    again.resume({"cluster": '[["n0", "n1", "n2", "n9"], ["4711"]]'})
    scrape = read(again)
    assert jobs(scrape)["4711"].state == ENDED
    assert nodes(scrape)["n9"].states == (GONE,)
    broken = collector_of(cluster)
    broken.resume({"cluster": "no cursor"})
    assert read(broken).cursor


def test_only_these_commands_are_ever_run(cluster: SlurmCluster, tmp_path: Path) -> None:
    log = tmp_path / "argv"
    for program in cluster.bin_dir.iterdir():
        logged = tmp_path / program.name
        logged.write_text(f'#!/bin/sh\necho "{program.name} $*" >> {log}\nexec {program} "$@"\n')
        logged.chmod(0o755)
    collector = collector_of(tmp_path)
    for _ in range(3):
        read(collector)
    allowed = {" ".join(command) for command in (PING, NODES, OLD_NODES, JOBS, STEPS)}
    assert set(log.read_text().splitlines()) == allowed - {" ".join(OLD_NODES)}
    writes = ("update", "create", "delete", "reboot", "requeue", "hold", "cancel", "reconfigure")
    assert not [command for command in allowed if any(word in command for word in writes)]


def test_a_dead_controller_is_known_at_once_and_a_hung_one_in_time(cluster: SlurmCluster) -> None:
    collector = collector_of(cluster, deadline_seconds=2)
    cluster.controller(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(TemporaryError, match="cluster: slurm: scontrol ping"):
            read(collector)
        assert time.monotonic() - began < 4
    finally:
        cluster.controller(signal.SIGCONT)
    cluster.kill_controller()
    try:
        began = time.monotonic()
        with pytest.raises(TemporaryError, match=r"scontrol ping: .*DOWN"):
            read(collector)
        assert time.monotonic() - began < 2
    finally:
        cluster.start()


def fake(folder: Path, **programs: str) -> Path:
    """Programs that print what they are given: answers that no real cluster gives on demand."""
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


UP = 'case "$*" in ping) echo "Slurmctld(primary) at c is UP";; *) {};; esac'


@pytest.mark.parametrize(
    ("scontrol", "squeue", "error", "words"),
    [
        ("echo '<html>'", "true", InputError, "scontrol show node --json: its answer is not JSON"),
        ('echo \'{"nodes": [{"name": \'', "true", InputError, "is not JSON"),
        ("echo '{\"nodes\": []}'", "echo '[]'", InputError, "a JSON list instead of an object"),
        ("echo '{\"nodes\": []}'", "echo no >&2; false", TemporaryError, "squeue: no"),
        ("sleep 30", "true", TemporaryError, "show node --json: no answer in time"),
        ("yes", "true", InputError, "printed more than .* raise max_body_bytes"),
        (
            'echo \'{"nodes": [], "errors": [{"description": "Zero Bytes"}]}\'',
            *("true", InputError, "it says: Zero Bytes"),
        ),
    ],
)
def test_answers_that_are_none(
    tmp_path: Path, scontrol: str, squeue: str, error: type[Exception], words: str
) -> None:
    bin_dir = fake(tmp_path, scontrol=UP.format(scontrol), squeue=squeue, sinfo="false")
    with pytest.raises(error, match=f"cluster: slurm: .*{words}"):
        read(collector_of(bin_dir, deadline_seconds=1, max_body_bytes=100_000))


def test_an_old_slurm_is_asked_by_sinfo_and_one_bad_job_hides_no_other(tmp_path: Path) -> None:
    listed = '{"jobs": [{"job_id": 1, "job_state": "RUNNING", "nodes": "n[1"},'
    listed += '{"job_id": 2, "job_state": "RUNNING", "nodes": "n1"}]}'
    bin_dir = fake(
        tmp_path,
        scontrol=UP.format("echo \"unrecognized option '--json'\" >&2; exit 1"),
        sinfo='echo \'{"nodes": [{"name": "n1", "state": "mixed"}, {"state": "idle"}]}\'',
        squeue=f"echo '{listed}'",
    )
    scrape = read(collector_of(bin_dir))
    assert [(one.node, one.jobs) for one in scrape.nodes] == [("n1", ("2",))]
    assert [one.id for one in scrape.jobs] == ["2"]
    assert len(scrape.warnings) == 2


def test_missing_commands_are_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="see bin_dir"):
        read(collector_of(tmp_path))


@pytest.mark.parametrize("url", ["ftp://x", "http://", "unix:", "slurm"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValidationError, match="no address of slurmrestd"):
        SlurmConfig(name="s", targets=(Target(name="c", url=url),))


def test_an_upgraded_slurmrestd_is_found_again(cluster: SlurmCluster) -> None:
    asked: list[str] = []
    served = ["v0.0.41"]

    def answer(request: Any) -> Reply:  # noqa: ANN401
        asked.append(request.path)
        if f"/slurm/{served[0]}/" not in request.path:
            return Reply(404, b"Unable find requested URL")
        what = "jobs" if "jobs" in request.path else "nodes"
        return Reply(200, f'{{"{what}": []}}'.encode())

    with serving(answer) as url:
        collector = collector_of(cluster)
        target = Target(name="cluster", url=url)

        async def act() -> None:
            await collector.collect(target)
            served[0] = "v0.0.44"
            with pytest.raises(InputError, match="404"):
                await collector.collect(target)
            await collector.collect(target)
            await collector.close()

        asyncio.run(act())
    assert asked[-2:] == ["/slurm/v0.0.44/nodes/", "/slurm/v0.0.44/jobs/"]
