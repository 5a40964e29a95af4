"""Slurm's recordings: groups, tables, what scontrol shows, and what others' tools recorded."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.slurm import decode_recording
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.slurm_payloads import NOW, decoded


def test_groups_of_sinfo() -> None:
    group = {
        "nodes": {"nodes": ["n0", "n1"]},
        "node": {"state": ["IDLE", "DRAIN"]},
        "reason": {"description": "fan", "time": 1795258497, "user": "root"},
        "cpus": {"load": {"minimum": 100, "maximum": 200}},
        "memory": {"minimum": 1000, "maximum": 1000, "free": {"minimum": 5, "maximum": 6}},
        "gres": {"total": "gpu:8", "used": "gpu:0(IDX:N/A)"},
    }
    other = {**group, "partition": {"name": "b"}}
    found = decoded({"sinfo": [{**group, "partition": {"name": "a"}}, other, {}]})
    assert [(one.node, one.partition) for one in found.nodes] == [("n0", "a,b"), ("n1", "a,b")]
    assert (found.nodes[0].reason, found.nodes[0].reason_by) == ("fan", "root")
    assert {one.metric for one in found.readings} == {"memory_bytes", "accelerators"}


TABLE = """NODELIST|STATE|REASON|PARTITION|CPU_LOAD|FREE_MEM|GRES
n1|mix|none|train*|2.12|1000|gpu:h100:8
n1|mix|none|debug|2.12|1000|gpu:h100:8
n2|down*|broken
on two lines|train*|N/A|N/A|gpu:h100:8
n3|idle
n4|idle|none|train*|0.00|N/A|(null)
"""


def test_a_table_with_line_breaks_in_its_fields() -> None:
    found = decoded(TABLE)
    assert [(one.node, one.partition) for one in found.nodes] == [
        *(("n1", "train,debug"), ("n2", "train"), ("n4", "train"))
    ]
    assert found.nodes[1].reason == "broken\non two lines"
    assert found.problems == ["line 6: 2 fields instead of 7"]
    by_cell = {(one.device, one.metric): one.value for one in found.readings}
    assert by_cell["n1", "load_average"] == pytest.approx(2.12)
    assert by_cell["n2", "load_average"] is None
    assert by_cell["n4", "load_average"] == 0
    assert ("n4", "accelerators") not in by_cell


def test_a_table_of_jobs() -> None:
    found = decoded(
        "JOBID|NAME|USER|ST|NODELIST(REASON)|START_TIME|JOBID\n"
        "7|train|ann|R|n[1-2]|2026-11-21T10:00:00|7\n"
        "8_[1-2]|sweep|bob|PD|(Resources)|N/A|8\n"
    )
    running, pending = found.jobs
    assert (running.id, running.state, running.nodes) == ("7", "RUNNING", ("n1", "n2"))
    assert running.started_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert (pending.id, pending.state, pending.nodes) == ("8", "PENDING", ())


SHOWN = """NodeName=n1 Arch=x86_64 CoresPerSocket=1
   CPUAlloc=0 CPUTot=8 CPULoad=2.12
   Gres=gpu:h100:8
   GresUsed=gpu:h100:3(IDX:0-2)
   OS=Linux 6.1.0 #1 SMP State of the art
   RealMemory=1000 AllocMem=0 FreeMem=N/A
   State=IDLE+DRAIN+NOT_RESPONDING ThreadsPerCore=1
   Partitions=train,debug
   Reason=fan noise = loud [root@2026-11-21T10:00:00]

NodeName=n2 State=IDLE
JobId=7 JobName=train run
   UserId=ann(1000) GroupId=ann(1000)
   JobState=RUNNING Reason=None
   StartTime=2026-11-21T10:00:00 EndTime=Unknown
   NodeList=n[1-2]
   NumNodes=2 NumTasks=4 NtasksPerN:B:S:C=2:0:*:*
   TresPerNode=gres/gpu:3
"""


def test_what_scontrol_shows() -> None:
    found = decoded(SHOWN)
    drained, idle = found.nodes
    assert (drained.states, drained.partition) == (
        ("IDLE", "DRAIN", "NOT_RESPONDING"),
        "train,debug",
    )
    assert (drained.reason, drained.reason_by) == ("fan noise = loud", "root")
    assert drained.reason_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert (idle.states, idle.jobs) == (("IDLE",), ("7",))
    (running,) = found.jobs
    assert (running.name, running.user) == ("train run", "ann")
    (held,) = running.allocations
    assert (held.nodes, held.accelerator_count, held.tasks) == ("n[1-2]", 3, 2)
    by_cell = {(one.device, one.metric): one.value for one in found.readings}
    assert by_cell["n1", "allocated_accelerators"] == 3
    assert by_cell["n1", "free_memory_bytes"] is None


UNDETAILED = """NodeName=n1 Gres=gpu:h100:8(S:0-1) State=MIXED
   CfgTRES=cpu=96,mem=1000G,billing=96,gres/gpu=8,gres/gpu:h100=8
   AllocTRES=cpu=8,mem=10G,gres/gpu=3,gres/gpu:h100=3
NodeName=n2 Gres=gpu:h100:8 State=IDLE CfgTRES=cpu=96,gres/gpu=8 AllocTRES=
NodeName=n3 Gres=gpu:h100:8 State=MIXED CfgTRES=cpu=96 AllocTRES=cpu=8
"""


def test_without_details_the_accounts_tell_what_is_held() -> None:
    found = decoded(UNDETAILED).readings
    held = {one.device: one.value for one in found if one.metric == "allocated_accelerators"}
    # n3: accelerators are not accounted for there, so nothing is said of them
    assert held == {"n1": 3, "n2": 0}


DETAILED = """JobId=7 JobName=train JobState=RUNNING NodeList=n[1-3] NumNodes=3 NumTasks=3
   JOB_GRES=gpu:8
     Nodes=n[1-2] CPU_IDs=0-7 Mem=1024 GRES=gpu:h100:3(IDX:0-2)
     Nodes=n3 CPU_IDs=0-1 Mem=512 GRES=gpu:h100:2(IDX:6-7)
   Command=train.sh
JobId=8 JobState=RUNNING NodeList=n4 TresPerNode=gres/gpu:1
     Nodes=n[ CPU_IDs=0 Mem=1 GRES=gpu:1(IDX:5)
"""


def test_details_tell_which_accelerators_are_held() -> None:
    first, second = decoded(DETAILED).jobs
    assert [(one.nodes, one.accelerators) for one in first.allocations] == [
        ("n[1-2]", (0, 1, 2)),
        ("n3", (6, 7)),
    ]
    (asked,) = second.allocations
    assert (asked.accelerators, asked.accelerator_count) == ((), 1)


def test_jobs_of_sacct_as_json() -> None:
    state = {"current": ["RUNNING"], "reason": "None"}
    running = {"job_id": 7, "user": "ann", "state": state, "nodes": "n[1-2]"}
    waiting = {"job_id": 8, "state": {"current": "PENDING"}, "nodes": "None assigned"}
    found = decoded({"jobs": [{**running, "time": {"start": 1795258497}}, waiting]})
    assert found.problems == []
    first, second = found.jobs
    assert (first.state, first.user, first.nodes) == ("RUNNING", "ann", ("n1", "n2"))
    assert first.started_at == datetime.fromtimestamp(1795258497, UTC)
    assert (second.state, second.nodes) == ("PENDING", ())


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "nodes", "jobs", "qualities", "problems"),
    [
        ("rivosinc/sinfo_out.json", 4, 0, {"good": 14, "stale": 2}, 0),
        ("rivosinc/squeue_out.json", 0, 2, {}, 0),
        ("rivosinc/sinfo_fallback.txt", 4, 0, {"good": 10, "missing": 2}, 0),
        ("rivosinc/squeue_fallback.txt", 0, 6, {}, 2),
        ("gcm/sample-sinfo-output.txt", 3, 0, {"good": 10, "stale": 2}, 0),
        ("gcm/sample-sacct-multiple-multiline.txt", 0, 2, {}, 1),
        ("gcm/sample-sacct-one-multiline.txt", 0, 2, {}, 1),
        ("gcm/sample-sacct-fake-line-break.txt", 0, 2, {}, 1),
        ("gcm/sample-sacct-output-midnight-edge-case.txt", 0, 306, {}, 1),
        ("gcm/sample-sacct-output-with-invalid-lines.txt", 0, 0, {}, 1),
        ("gcm/sample-sacct-output.txt", 0, 0, {}, 1),
        ("gcm/sample-sacct-running-output-large.txt", 0, 0, {}, 1),
    ],
)
def test_every_recording(
    name: str, nodes: int, jobs: int, qualities: dict[str, int], problems: int
) -> None:
    found = decode_recording(fixtures() / "schedulers" / name, NOW)
    check_readings(found.readings)
    assert (len(found.nodes), len(found.jobs)) == (nodes, jobs)
    assert Counter(one.quality for one in found.readings) == qualities
    assert len(found.problems) == problems


@pytest.mark.fixtures
@pytest.mark.parametrize("kind", ["multiple-multiline", "one-multiline", "fake-line-break"])
def test_line_breaks_in_names_are_put_together_as_others_do(kind: str) -> None:
    folder = fixtures() / "schedulers" / "gcm"
    broken = decode_recording(folder / f"sample-sacct-{kind}.txt", NOW)
    mended = decode_recording(folder / f"sample-sacct-{kind}-expected.txt", NOW)
    assert [(one.id, one.state) for one in broken.jobs] == [
        (one.id, one.state) for one in mended.jobs
    ]


@pytest.mark.fixtures
def test_nodes_of_a_table_that_others_recorded() -> None:
    found = decode_recording(fixtures() / "schedulers" / "gcm" / "sample-sinfo-output.txt", NOW)
    drained, busy, _ = found.nodes
    assert (drained.node, drained.states) == ("node0201", ("DRAIN", "NOT_RESPONDING"))
    assert drained.drained
    assert (drained.reason, drained.reason_by) == ("replace", "root")
    assert drained.reason_at == datetime(2022, 6, 2, 5, 54, 34, tzinfo=UTC)
    assert (busy.states, busy.busy, busy.reason_by) == (("ALLOCATED",), True, "")
    loads = {r.device: r.value for r in found.readings if r.metric == "load_average"}
    assert loads == {"node0201": None, "node1537": pytest.approx(12.28), "node4180": 1.24}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no table of Slurm"),
        ("<html>", "no table of Slurm"),
        ("a|b\nc|d\n", "names no columns of nodes or jobs"),
        ("[]", "a JSON list instead of an object"),
        ('{"licenses": []}', "neither nodes nor jobs"),
        ('{"nodes": {}}', "no list 'nodes'"),
        ('{"nodes": [1]}', "no list 'nodes'"),
        ('{"nodes": [', "broken or cut-off JSON"),
    ],
)
def test_what_is_none_of_them_is_one_error(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(InputError, match=rf"x\.json: .*{words}"):
        decode_recording(file, NOW)
