"""NCCL's RAS service and inspector, NVRx scores, and what is none of them."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from datetime import UTC, datetime

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.training.ranks import RankNames, folded
from fleetops_schemas.readings import Quality
from tests.support import fixtures
from tests.unit.collectors.training_data import (
    decoded,
    dumps,
    inspector_record,
    missing_rank,
    ras_rank,
    ras_status,
    stalled_job,
    values,
)

TEXT_LAGS = """\
#0-0 (27a079b828ff1a75) MISMATCH
  Communicator ranks have different AllReduce operation counts
  6 ranks have launched up to operation 6650
  2 ranks have launched up to operation 6649
  Rank 1 -- GPU 1 managed by process 71 on node 10.0.0.1
  Rank 5 -- GPU 1 (NVML 5) managed by process 75 on node 10.0.0.2

  Communicator ranks have different Broadcast operation counts
  7 ranks have launched up to operation 4
  Rank 6 has not launched any operations -- GPU 2 managed by process 76 on node 10.0.0.2

#1-0 (00000000000000aa) MISMATCH
  Communicator ranks have different AllGather operation counts
  3 ranks have launched up to operation 9
  Rank 2 has launched up to operation 8 -- [process information not found]

"""
TEXT_ERRORS = """\
Errors
======

DEAD
  2 job processes are considered dead (unreachable via the RAS network)
  Process 11 on node 10.0.0.1 managing GPU 0
  Process 12 on node fd00::7 managing GPUs 0,1 (NVML 4,5)

#0-0 (cf264af53edbe986) ERROR
  Asynchronous error on 1 rank
  Rank 21 reported Remote process error -- GPU 5 managed by process 7 on node 10.0.0.3

Warnings
========

"""


class TestRas:
    def test_text_names_who_is_behind(self) -> None:
        found = decoded(("status", TEXT_LAGS))
        assert not found.events, "one answer alone shows no stall"
        assert found.problems == [
            "communicator 27a079b828ff1a75: AllReduce 6650: 2 ranks have launched 6649"
            " (ranks 1,5); a stall if it stays so",
            "communicator 27a079b828ff1a75: Broadcast 4: 1 ranks have launched 0 (ranks 6);"
            " a stall if it stays so",
            "communicator 00000000000000aa: AllGather 9: 1 ranks have launched 8 (ranks 2);"
            " a stall if it stays so",
        ]

    def test_text_names_the_dead_and_the_failed(self) -> None:
        found = decoded(("status", TEXT_ERRORS), names=RankNames(job="81"))
        assert [(one.kind, one.host) for one in found.events] == [
            ("training_process_lost", "10.0.0.1"),
            ("training_process_lost", "fd00::7"),
            ("collective_error", "10.0.0.3"),
        ]
        assert "Remote process error" in found.events[2].text

    def test_json_counts_the_same(self) -> None:
        ranks = [ras_rank(n, 6650 - (n in {1, 5})) for n in range(8)]
        found = decoded(("status", ras_status(ranks)))
        assert found.problems == [
            "communicator ae94423cfbb2ef4a: AllReduce 6650: 2 ranks have launched 6649"
            " (ranks 1,5); a stall if it stays so"
        ]
        assert values(found)["node001/job81/rank1", "collectives_launched_total"] == 6652

    def test_a_silent_process_is_a_warning_a_dead_one_critical(self) -> None:
        answer = ras_status(
            [ras_rank(0, 1, error=6)], [missing_rank(1, dead=False), missing_rank(2, dead=True)]
        )
        found = decoded(("status", answer), names=RankNames(job="81"))
        assert [(one.kind, one.severity.value) for one in found.events] == [
            ("training_process_lost", "critical"),
            ("training_process_lost", "warning"),
            ("collective_error", "warning"),
        ]
        assert "remote process error" in found.events[2].text

    def test_a_rank_that_left_its_communicator_is_not_lost(self) -> None:
        gone = missing_rank(1, dead=False)
        gone["status"]["unresponsive"] = False
        assert not decoded(("status", ras_status([ras_rank(0, 1)], [gone]))).events

    def test_ranks_of_a_part_of_the_job_are_not_taken_for_the_jobs(self) -> None:
        document = json.loads(ras_status([ras_rank(0, 5), ras_rank(1, 5)]))
        other = json.loads(ras_status([ras_rank(2, 5), ras_rank(3, 5)]))
        document["communicators"] += other["communicators"]
        assert not decoded(("status", json.dumps(document))).readings

    def test_many_dead_are_bounded(self) -> None:
        answer = ras_status([ras_rank(0, 1)], [missing_rank(n, dead=True) for n in range(1, 500)])
        found = decoded(("status", answer))
        assert len(found.events) == 64
        assert "435 more processes left out" in found.problems

    @pytest.mark.fixtures
    def test_the_samples_of_the_users_guide(self) -> None:
        text = (fixtures() / "jobs" / "nccl-ras-doc-samples.rst").read_text("utf-8")
        blocks = re.findall(r"\.\. code::\n\n((?:  .*\n|\n)+)", text)
        assert len(blocks) == 11
        found = [decoded(("status", textwrap.dedent(b)), names=RankNames()) for b in blocks]
        kinds = [[(e.kind, e.severity.value, e.host) for e in one.events] for one in found]
        lost = "training_process_lost"
        assert kinds == [
            *([], [], [], [], []),
            [(lost, "warning", "172.16.64.213")],
            [(lost, "critical", "172.16.64.213")],
            [(lost, "warning", "172.16.64.245")],
            [],
            [(lost, "critical", "172.16.64.245")],
            [(lost, "critical", "172.16.64.245")],
        ]
        assert found[3].problems == [
            "communicator 27a079b828ff1a75: collective 6650: 6 ranks have launched 6649"
            " (ranks 0,2-5,7); a stall if it stays so"
        ]
        assert [len(one.readings) for one in found] == [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]


class TestNvrx:
    def test_scores_and_hosts_by_rank(self) -> None:
        report = {
            "gpu_relative_perf_scores": {"0": 1.0, "1": 0.5, "2": None, "3": 7.0, "x": 1.0},
            "gpu_individual_perf_scores": {"0": 0.99},
            "section_relative_perf_scores": {"fwd": {"0": 0.9, "1": 0.8}},
            "rank_to_node": {"0": "node001", "1": "node002"},
        }
        found = decoded(("r.json", json.dumps(report)), names=RankNames(job="9"))
        relative = [one for one in found.readings if one.metric == "relative_performance_score"]
        assert [(one.device, one.value, one.quality) for one in relative] == [
            ("node001/job9/rank0", 1.0, Quality.GOOD),
            ("node002/job9/rank1", 0.5, Quality.GOOD),
            ("unknown/job9/rank2", None, Quality.MISSING),
            ("unknown/job9/rank3", None, Quality.OUT_OF_RANGE),
        ]
        assert values(found)["node001/job9/rank0", "individual_performance_score"] == 0.99
        assert found.unmapped == {"section_relative_perf_scores": 2}

    def test_the_last_whole_line_of_a_growing_file_counts(self) -> None:
        lines = [
            {"timestamp": 1_795_219_200.0 + n, "performance_data": {"relative_scores": {"0": s}}}
            for n, s in enumerate((0.9, 0.8))
        ]
        text = "\n".join(map(json.dumps, lines)) + '\n{"timestamp": 17952'
        (reading,) = decoded(("job_81.jsonl", text)).readings
        assert (reading.value, reading.time) == (0.8, datetime(2026, 11, 21, 0, 0, 1, tzinfo=UTC))

    @pytest.mark.fixtures
    def test_the_sample_of_the_usage_guide(self) -> None:
        path = fixtures() / "jobs" / "nvrx-straggler-scores-sample.json"
        found = decoded((path.name, path.read_bytes()))
        assert Counter(one.quality for one in found.readings) == {Quality.GOOD: 8}
        assert values(found)["node001/job81/rank3", "relative_performance_score"] == 0.663
        assert found.unmapped == {"section_relative_perf_scores": 16}


class TestInspector:
    def test_the_newest_collective_of_a_ranks_widest_communicator(self) -> None:
        lines = [
            inspector_record(2, 1407),
            inspector_record(2, 1408, coll_busbw_gbs=100.0),
            inspector_record(2, 9000, ranks=2),
            inspector_record(3, 1408, coll_exec_time_us=2**64 - 1),
            json.dumps({**json.loads(inspector_record(2, 1)), "dump_stats": {}}),
            '{"header": {"id"',
        ]
        found = decoded(("log.jsonl", "\n".join(lines)), names=RankNames(job="81"))
        stands = values(found)
        assert stands["node007/job81/rank2", "collectives_completed_total"] == 1408
        assert stands["node007/job81/rank2", "collective_seconds"] == pytest.approx(0.061974)
        bandwidth = "collective_bus_bandwidth_bytes_per_second"
        assert stands["node007/job81/rank2", bandwidth] == 100e9
        assert stands["node007/job81/rank3", "collective_seconds"] is None
        assert found.unmapped == {"dump_stats": 1}
        assert len(found.problems) == 1

    @pytest.mark.fixtures
    def test_the_samples_of_the_readme(self) -> None:
        folder = fixtures() / "jobs"
        names = ("nccl-inspector-0.json", "nccl-inspector-1.json", "nccl-inspector.prom")
        files = [(name, (folder / name).read_bytes()) for name in names]
        found = decoded(*files, names=RankNames())
        assert Counter(one.quality for one in found.readings) == {Quality.GOOD: 8}
        stands = values(found)
        rank4 = "example-hostname/jobunknown/rank4"
        assert stands[rank4, "collectives_completed_total"] == 1231
        assert stands[rank4, "collective_seconds"] == pytest.approx(0.041057)
        assert found.unmapped.total() == 4, "Prometheus output names GPUs and no ranks"


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", b"null", b"hello", b"\xff\xfe", b"[" * 5000, b"\x89PNG\r\n"]
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match="file: "):
        decoded(("file", payload))


def test_one_bad_file_does_not_cost_the_others() -> None:
    found = decoded(*dumps(stalled_job()), ("nccl_trace_rank_9", b"\x80\x02cos\nsystem\n."))
    assert len(found.events) == 1
    assert "only plain data is read" in found.problems[0]


def test_ranks_are_folded_for_people() -> None:
    assert folded([3, 1, 2, 7, 9, 10, 9]) == "1-3,7,9-10"
    assert folded([]) == ""
    assert folded(list(range(0, 400, 2))).endswith(",...")


def test_hosts_of_ranks() -> None:
    names = RankNames(hosts=("a", "b"), ranks_per_host=2, addresses={"10.0.0.1": "c"})
    assert names.host_of(3) == "b"
    assert names.host_of(4, "10.0.0.9") == "10.0.0.9"
    assert names.host_of(0, "10.0.0.1") == "c"
    assert names.host_of(None) == "unknown"
    assert names.device(1, "job/../x", "") == "a/jobjob_.._x/rank1"
