from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.training.ranks import RankNames
from fleetops_collectors.training.recording import Recording, decode_training
from fleetops_collectors.training.reporter import BODY, HEAD, MAGIC, VERSION
from fleetops_collectors.training.steps import decode_steps, parse_step
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import DecoderFuzz
from tests.unit.collectors.training_data import (
    as_json,
    as_pickle,
    inspector_record,
    missing_rank,
    ras_rank,
    ras_status,
    stalled_job,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STEP = (
    HEAD.pack(MAGIC, VERSION, 2, 3, -1, 1, 4, 1.0, 7)
    + b"81"
    + BODY.pack(*(1, 2, 3, 1200, 1_795_219_200.0), *(1.25, 1.0, 0.2, 0.05))
)


class Recorded(DecoderFuzz):
    """Files of a job, whose kind is told by what they hold."""

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        recording = Recording("nccl_trace_rank_2", payload, NOW)
        return decode_training([recording], RankNames(job="81")).readings


class TestFuzzFlightRecorderPickle(Recorded):
    @override
    def seeds(self) -> Sequence[bytes]:
        job = stalled_job()
        return [as_pickle(job[0]), as_pickle(job[2])]


class TestFuzzFlightRecorderJson(Recorded):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [as_json(stalled_job()[0])]


class TestFuzzNccl(Recorded):
    @override
    def seeds(self) -> Sequence[bytes]:
        lines = [inspector_record(rank, 1407 + rank) for rank in range(3)]
        status = ras_status([ras_rank(0, 12), ras_rank(1, 11)], [missing_rank(2, dead=True)])
        return [status.encode(), lines[0].encode(), "\n".join(lines).encode()]


class TestFuzzNvrx(Recorded):
    @override
    def seeds(self) -> Sequence[bytes]:
        report = {
            "gpu_relative_perf_scores": {"0": 0.703, "1": 0.978},
            "gpu_individual_perf_scores": {"0": 1.0},
            "section_relative_perf_scores": {"fwd": {"0": 0.994}},
            "rank_to_node": {"0": "node001"},
        }
        line = {"timestamp": 1_795_219_200.5, "performance_data": {"relative_scores": {"0": 0.9}}}
        two = json.dumps(line) + "\n" + json.dumps(line)
        return [json.dumps(report).encode(), two.encode()]


class TestFuzzSteps(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [STEP, STEP + b"and what a later version may add"]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_steps([parse_step(payload)], RankNames(host="node001")).readings


RAS_TEXT = b"""\
Communicators... (2.05s)
DEAD
  1 job process is considered dead (unreachable via the RAS network)
  Process 3487984 on node 10.0.0.1 managing GPU 5
#0-0 (27a079b828ff1a75) MISMATCH
  Communicator ranks have different AllReduce operation counts
  3 ranks have launched up to operation 6650
  Rank 2 has launched up to operation 6649 -- GPU 2 managed by process 4 on node 10.0.0.1
"""


class TestFuzzRasText(Recorded):
    """Text gives events and problems and hardly a reading; its seed is held to the event."""

    @override
    def seeds(self) -> Sequence[bytes]:
        return [RAS_TEXT]

    @override
    def test_the_seeds_decode(self) -> None:
        recording = Recording("status", RAS_TEXT, NOW)
        assert len(decode_training([recording], RankNames()).events) == 1
