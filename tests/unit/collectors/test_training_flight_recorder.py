"""Flight recorder dumps: whom a hanging job waits for, and pickles that are no more than data."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.training.plain_pickle import read_pickle
from fleetops_collectors.training.recording import Recording, decode_training
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.training_data import (
    NAMES,
    WRITTEN,
    as_pickle,
    decoded,
    dump,
    dumps,
    entry,
    stalled_job,
    values,
)


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
        peer = entry(99, "completed", is_p2p=True, operation="nccl:send 0->1")
        found = decoded(*dumps({0: dump([entry(11), peer], (11, 11, 11))}))
        assert not found.events
        assert values(found)["node001/job81/rank0", "collectives_launched_total"] == 11

    def test_a_pipeline_waits_for_the_rank_at_the_end_of_the_chain(self) -> None:
        def waiting(operation: str) -> dict[str, Any]:
            open_one = entry(12, "started", is_p2p=True, operation=f"nccl:{operation}")
            return dump([entry(11), open_one], (11, 11, 11), ranks="[8, 9, 10, 11]")

        job = {
            **{8: waiting("recv 0<-1"), 9: waiting("recv 1<-2"), 11: waiting("send 3->2")},
            10: dump([entry(11)], (11, 11, 11), ranks="[8, 9, 10, 11]"),
        }
        (event,) = decoded(*dumps(job)).events
        assert event.device == "node001/job81/rank10"
        assert event.attributes["waiting_ranks"] == "8-9,11"
        assert "ranks 10 wait for nobody; 3 ranks wait" in event.text

    @pytest.mark.parametrize("form", ["pickle", "json"])
    def test_what_was_started_together_ends_together(self, form: str) -> None:
        def part(record: int, operation: str, state: str = "scheduled") -> dict[str, Any]:
            numbers = {"record_id": record, "p2p_seq_id": 1, "retired": state == "completed"}
            return entry(0, state, is_p2p=True, operation=f"nccl:{operation}", **numbers)

        parts = [part(1, "send 0->1"), part(2, "recv 0<-1")]
        done = dump([*parts, part(3, "coalesced", "completed")], (0, 0, 0))
        assert not decoded(*dumps({0: done}, form)).events
        hung = dump([*parts, part(3, "coalesced", "started")], (0, 0, 0))
        peer = dump([entry(11)], (11, 11, 11))
        (event,) = decoded(*dumps({0: hung, 1: peer}, form)).events
        assert event.device == "node001/job81/rank1"
        assert "send 0->1" in event.text

    def test_collectives_that_were_started_together_are_one(self) -> None:
        parts = [entry(12, "scheduled", record_id=n, p2p_seq_id=0) for n in (1, 2)]
        whole = entry(12, "completed", record_id=3, operation="nccl:coalesced")
        alone = entry(13, "completed", record_id=4, operation="nccl:coalesced")
        found = decoded(*dumps({0: dump([*parts, whole, alone])}))
        assert not found.events
        assert values(found)["node001/job81/rank0", "collectives_completed_total"] == 13

    def test_a_collective_before_one_that_is_done_is_done(self) -> None:
        parts = [entry(n, "scheduled", operation="nccl:_broadcast_oop") for n in (12, 13)]
        whole = entry(13, "completed", record_id=14, operation="nccl:coalesced")
        assert not decoded(*dumps({0: dump([*parts, whole])})).events
        assert decoded(*dumps({0: dump([*parts, whole, entry(15, "started")])})).events

    def test_many_ends_of_the_same_operations_cost_no_time(self) -> None:
        parts = [entry(1, "scheduled", record_id=n) for n in range(5_000)]
        wholes = [entry(1, "scheduled", operation="nccl:coalesced")] * 5_000
        began = time.monotonic()
        decoded(*dumps({0: dump([*parts, *wholes])}))
        assert time.monotonic() - began < 20

    def test_the_end_of_a_chain_on_another_host_is_not_guessed(self) -> None:
        open_one = entry(12, "started", is_p2p=True, operation="nccl:recv 0<-1")
        (event,) = decoded(*dumps({0: dump([open_one], (11, 11, 11))})).events
        assert event.attributes["recommended_action"] == "check_job"
        assert "no rank at its end is known" in event.text

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

    def test_dumps_of_pytorch_2_3_know_groups_by_number_and_operations_by_one(self) -> None:
        def old(*entries: dict[str, Any]) -> dict[str, Any]:
            for one in entries:
                one["seq_id"] = one.pop("collective_seq_id")
                for name in ("process_group", "p2p_seq_id", "is_p2p"):
                    del one[name]
            return {"version": "1.4", "pg_config": {0: [0, 1], 1: [1]}, "entries": list(entries)}

        waiting = old(entry(11), entry(12, "started"))
        late = old(entry(11), entry(9, operation="nccl:send 1->0", pg_id=1))
        found = decoded(("trace_0", as_pickle(waiting)), ("trace_1", as_pickle(late)))
        stands = values(found)
        launched = "collectives_launched_total"
        assert [stands[f"node001/job81/rank{n}", launched] for n in range(2)] == [12, 11]
        (event,) = found.events
        assert "process group 0 of ranks 0-1: ranks 1 never entered it" in event.text

    def test_groups_of_one_number_and_other_ranks_are_not_taken_for_one(self) -> None:
        def of(ranks: list[int], *entries: dict[str, Any]) -> dict[str, Any]:
            for one in entries:
                del one["process_group"]
            return {"version": "1.5", "pg_config": {"1": ranks}, "entries": list(entries)}

        one = of([0, 2], entry(12, "started", pg_id=1))
        other = of([1, 3], entry(5, pg_id=1))
        (event,) = decoded(("trace_0", as_pickle(one)), ("trace_1", as_pickle(other))).events
        assert "never entered" not in event.text

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
