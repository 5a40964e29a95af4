"""Decoders of a training job's outputs: flight recorder, RAS, NVRx and NCCL inspector."""

from __future__ import annotations

import json
import pickle
import re
import textwrap
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.plain_pickle import read_pickle
from fleetops_collectors.training.ranks import RankNames, folded
from fleetops_collectors.training.recording import Recording, decode_training
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.training_data import (
    CREATED_NS,
    as_json,
    as_pickle,
    dump,
    entry,
    inspector_record,
    missing_rank,
    ras_rank,
    ras_status,
    stalled_job,
)

WRITTEN = datetime.fromtimestamp(CREATED_NS / 1e9, UTC) + timedelta(seconds=700)
NAMES = RankNames(host="node001", job="81")


def decoded(*files: tuple[str, bytes | str], names: RankNames = NAMES) -> Decoded:
    recordings = [
        Recording(name, data.encode() if isinstance(data, str) else data, WRITTEN)
        for name, data in files
    ]
    found = decode_training(recordings, names)
    check_readings(found.readings)
    return found


def dumps(job: dict[int, dict[str, Any]], form: str = "pickle") -> list[tuple[str, bytes]]:
    write = as_pickle if form == "pickle" else as_json
    return [(f"nccl_trace_rank_{rank}", write(document)) for rank, document in job.items()]


def values(found: Decoded) -> dict[tuple[str, str], object]:
    return {(one.device, one.metric): one.value for one in found.readings}


class TestFlightRecorder:
    @pytest.mark.parametrize("form", ["pickle", "json"])
    def test_the_rank_that_never_came_is_named(self, form: str) -> None:
        found = decoded(*dumps(stalled_job(), form))
        (event,) = found.events
        assert event.device == "node001/job81/rank2"
        assert event.text == (
            "all_reduce 12 of process group default_pg: ranks 2 never entered it; "
            "3 ranks wait in it"
        )
        assert event.attributes["recommended_action"] == "inspect"
        stands = values(found)
        launched = "collectives_launched_total"
        assert [stands[f"node001/job81/rank{n}", launched] for n in range(4)] == [12, 12, 11, 12]
        assert stands["node001/job81/rank0", "collectives_completed_total"] == 11

    def test_where_all_wait_inside_nobody_is_blamed(self) -> None:
        waiting = dump([entry(11), entry(12, "started")], (12, 12, 11))
        (event,) = decoded(*dumps(dict.fromkeys(range(4), waiting))).events
        assert event.device == "node001/job81"
        assert event.attributes["recommended_action"] == "check_job"
        assert "every rank that left a dump is inside" in event.text

    def test_a_rank_whose_device_did_not_begin_is_named(self) -> None:
        job = dict.fromkeys(range(4), dump([entry(12, "started")], (12, 12, 11)))
        job[3] = dump([entry(12, "scheduled")], (12, 11, 11))
        (event,) = decoded(*dumps(job)).events
        assert event.device == "node001/job81/rank3"
        assert "did not begin" in event.text

    def test_ranks_that_call_different_operations_are_the_jobs_matter(self) -> None:
        job = {
            0: dump([entry(12, "started")], (12, 12, 11)),
            1: dump([entry(12, "started", operation="nccl:broadcast")], (12, 12, 11)),
        }
        (event,) = decoded(*dumps(job)).events
        assert "different operations: all_reduce, broadcast" in event.text
        assert event.attributes["recommended_action"] == "check_job"

    def test_a_busy_job_is_no_stall(self) -> None:
        soon = 698  # seconds: entered two seconds before the dump
        busy = dump([entry(soon - 1), entry(soon, "started")], (soon, soon, soon - 1))
        behind = dump([entry(soon - 1)], (soon - 1, soon - 1, soon - 1))
        assert not decoded(*dumps({0: busy, 1: behind})).events

    def test_what_the_watchdog_gave_up_is_a_stall_however_new(self) -> None:
        given_up = dump([entry(698, "started", retired=True)], (698, 698, 697))
        assert len(decoded(*dumps({0: given_up})).events) == 1

    def test_ranks_of_other_hosts_are_not_called_missing_but_named(self) -> None:
        job = stalled_job()
        del job[2]
        (event,) = decoded(*dumps(job)).events
        assert event.attributes["ranks_without_dump"] == "2"
        assert event.attributes["recommended_action"] == "check_job"

    def test_sends_between_peers_do_not_count_as_collectives(self) -> None:
        peer = entry(99, "scheduled", is_p2p=True)
        found = decoded(*dumps({0: dump([entry(11), peer], (11, 11, 11))}))
        assert not found.events
        assert values(found)["node001/job81/rank0", "collectives_launched_total"] == 11

    def test_old_dumps_without_counts_are_counted_by_their_entries(self) -> None:
        document = dump([entry(11), entry(12, "scheduled")])
        del document["pg_status"]
        for one in document["entries"]:
            one["process_group"] = "0"  # version 2.0: the name alone
        found = decoded(("trace0", as_pickle(document)))
        stands = values(found)
        assert stands["node001/job81/rank0", "collectives_launched_total"] == 12
        assert stands["node001/job81/rank0", "collectives_completed_total"] == 11
        assert len(found.events) == 1

    def test_counts_before_the_first_collective_are_none(self) -> None:
        found = decoded(*dumps({0: dump([entry(1, "scheduled")], (1, -1, -1))}))
        assert values(found)["node001/job81/rank0", "collectives_completed_total"] == 0

    def test_an_empty_dump_is_told(self) -> None:
        found = decoded(*dumps({0: dump([], None)}))
        assert found.problems == ["rank 0: the dump holds no collective"]

    def test_the_newer_of_two_dumps_of_a_rank_counts(self) -> None:
        old = dump([entry(5)], (5, 5, 5))
        new = dump([entry(9)], (9, 9, 9))
        recordings = [
            Recording("a/rank_0", as_pickle(new), WRITTEN),
            Recording("b/rank_0", as_pickle(old), WRITTEN - timedelta(seconds=1)),
        ]
        found = decode_training(recordings, NAMES)
        check_readings(found.readings)
        assert values(found)["node001/job81/rank0", "collectives_completed_total"] == 9

    @pytest.mark.parametrize("name", ["trace", "stdin"])
    def test_a_name_without_a_rank_is_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="named for its rank"):
            decoded((name, as_pickle(dump([entry(1)]))))


class TestPlainPickle:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_data_is_read_as_pickle_reads_it(self, protocol: int) -> None:
        shared = ["x", 1]
        data: dict[str | int, Any] = {
            **{"a": [1, 2.5, None, True, -(2**40), 2**70], "b": ("t", (), ("u",))},
            **{"c": {"d": shared, "e": shared}, "": [], "f": "\u00e9" * 300, 7: b"raw"},
        }
        payload = pickle.dumps(data, protocol=protocol)
        if protocol < 3:  # bytes are a call of codecs.encode there
            with pytest.raises(InputError, match="only plain data"):
                read_pickle(payload)
            del data[7]
            payload = pickle.dumps(data, protocol=protocol)
        assert read_pickle(payload) == data

    @pytest.mark.parametrize(
        "payload",
        [
            b"\x80\x02cos\nsystem\n(S'touch /tmp/x'\ntR.",
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
            b"\x80\x02(i__builtin__\neval\n.",
            b"\x80\x02c__builtin__\nset\n]\x85R.",
            b"\x80\x02]\x81.",
            b"\x80\x02Pname\n.",
            b"\x80\x02U\x02idQ.",
        ],
    )
    def test_what_would_run_is_refused(self, payload: bytes) -> None:
        with pytest.raises(InputError):
            read_pickle(payload)

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\x80",
            b"\x80\x02",
            b"\x80\x02.",
            b"\x80\x02}",
            b"\x80\x02}q",
            b"\x80\x02h\x05.",
            b"\x80\x02u.",
            b"\x80\x02}(K\x01u.",
            b"\x80\x02K\x01a.",
            b"\x80\x02" + b"(" * 100_000 + b".",
            b"\x80\x02)" + b"\x85" * 100_000 + b"}h\x00s.",
            b"\x80\x02}r\xff\xff\xff\x7f.",
            b"\x80\x02)" + b"\x85" * 200_000 + b"q\x00}h\x00K\x01s.",
            b"\x80\x02\x8b\xff\xff\xff\x7f.",
        ],
        ids=range(15),
    )
    def test_what_is_broken_or_hostile_is_an_input_error_at_once(self, payload: bytes) -> None:
        try:
            read_pickle(payload)
        except InputError:
            return
        assert payload in {b"\x80\x02}r\xff\xff\xff\x7f.", b"\x80\x02" + b"(" * 100_000 + b"."}

    def test_a_class_of_the_job_is_refused(self) -> None:
        with pytest.raises(InputError, match="only plain data"):
            read_pickle(pickle.dumps(datetime.now(UTC)))


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
def test_anything_else_is_refused(payload: bytes, tmp_path: Path) -> None:
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
