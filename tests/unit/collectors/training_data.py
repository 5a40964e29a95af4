"""Small outputs of a training job, written by hand in the shapes of their writers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.ranks import RankNames
from fleetops_collectors.training.recording import Recording, decode_training
from tests.contract.collector_contract import check_readings

CREATED_NS = 1_795_219_200 * 10**9
"""2026-11-21 00:00 UTC."""


def entry(
    sequence: int, state: str = "completed", *, operation: str = "nccl:all_reduce", **more: object
) -> dict[str, Any]:
    """One collective in the ring of the flight recorder (version 2.10)."""
    return {
        "record_id": sequence,
        "pg_id": 0,
        "process_group": ("0", "default_pg"),
        "collective_seq_id": sequence,
        "p2p_seq_id": 0,
        "op_id": sequence,
        "profiling_name": operation,
        "time_created_ns": CREATED_NS + sequence * 10**9,
        "input_sizes": [[3, 4]],
        "input_dtypes": ["Float"],
        "output_sizes": [[3, 4]],
        "output_dtypes": ["Float"],
        "state": state,
        "time_discovered_started_ns": None if state == "scheduled" else CREATED_NS,
        "time_discovered_completed_ns": CREATED_NS if state == "completed" else None,
        "retired": state == "completed",
        "timeout_ms": 600_000,
        "is_p2p": False,
        **more,
    }


def dump(
    entries: Sequence[Mapping[str, Any]],
    status: tuple[int, int, int] | None = None,
    ranks: str = "[0, 1, 2, 3]",
) -> dict[str, Any]:
    """One rank's document; ``status`` is enqueued, started, completed."""
    names = ("last_enqueued_collective", "last_started_collective", "last_completed_collective")
    counts = {"0": dict(zip(names, status, strict=True))} if status else {}
    return {
        "version": "2.10",
        "comm_lib_version": "2.27.3",
        "pg_config": {"0": {"name": "0", "desc": "default_pg", "ranks": ranks}},
        "pg_status": counts,
        "entries": list(entries),
    }


def stalled_job() -> dict[int, dict[str, Any]]:
    """Four ranks; three wait in collective 12, which rank 2 never entered."""
    waiting = dump([entry(11), entry(12, "started")], (12, 12, 11))
    late = dump([entry(10), entry(11)], (11, 11, 11))
    return {0: waiting, 1: waiting, 2: late, 3: waiting}


def as_pickle(document: object) -> bytes:
    """As ``c10d::pickle_str`` writes: plain containers, protocol 2."""
    return pickle.dumps(document, protocol=2)


def as_json(document: Mapping[str, Any]) -> bytes:
    """As ``dump_json`` writes: counts are text, an unknown time is 0."""
    status = {
        group: {name: str(count) for name, count in counts.items()}
        for group, counts in document["pg_status"].items()
    }
    entries = [
        {name: 0 if value is None else value for name, value in one.items()}
        for one in document["entries"]
    ]
    return json.dumps({**document, "pg_status": status, "entries": entries}).encode()


def ras_rank(rank: int, launched: int, *, host: str = "10.0.0.1", error: int = 0) -> dict[str, Any]:
    """A rank of a communicator in the RAS service's JSON."""
    return {
        **{"rank": rank, "host": host, "pid": 1000 + rank, "cuda_dev": rank, "nvml_dev": rank},
        "status": {
            **{"init_state": 0, "async_error": error},
            **{"finalize_called": False, "destroy_flag": False, "abort_flag": False},
        },
        "collective_counts": {"Broadcast": 3, "AllReduce": launched},
    }


def ras_status(
    ranks: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The RAS service's answer (NCCL 2.29)."""
    communicator = {
        "hash": "0xae94423cfbb2ef4a",
        "secondary_hash": "0xb7e7187447156001:0xb8242ed28a71381e",
        "size": len(ranks) + len(missing),
        "ranks_count": len(ranks),
        "missing_ranks_count": len(missing),
        "ranks": list(ranks),
        "missing_ranks": list(missing),
    }
    return json.dumps(
        {
            "nccl_version": "2.29.1",
            "timestamp": "2026-11-21 13:06:53",
            "communicators_count": 1,
            "communicators": [communicator],
            "ras": {"collection_time_sec": 0.0, "timeouts_count": 0},
        }
    )


def missing_rank(rank: int, *, dead: bool, host: str = "10.0.0.2") -> dict[str, Any]:
    """A rank that did not answer the RAS service."""
    return {
        **{"rank": rank, "host": host, "pid": 1000 + rank, "cuda_dev": rank, "nvml_dev": rank},
        "status": {"unresponsive": True, "considered_dead": dead},
    }


def inspector_record(rank: int, sequence: int, *, ranks: int = 8, **more: object) -> str:
    """A line of NCCL's inspector (format v4.2)."""
    performance = {
        **{"coll": "AllReduce", "coll_algo": "RING", "coll_proto": "LL", "coll_sn": sequence},
        **{"coll_msg_size_bytes": 2**30, "coll_exec_time_us": 61974},
        **{"coll_timing_source": "kernel_gpu", "coll_algobw_gbs": 277.2, "coll_busbw_gbs": 485.1},
    }
    return json.dumps(
        {
            "header": {
                **{"id": "0x7f8c496ae9f661", "comm_name": "dp", "rank": rank},
                **{"n_ranks": ranks, "nnodes": 1},
            },
            "metadata": {
                "inspector_output_format_version": "v4.2",
                "git_rev": "",
                "rec_mechanism": "nccl_profiler_interface",
                "dump_timestamp_us": CREATED_NS // 1000 + sequence,
                "hostname": "node007",
                "pid": 1,
            },
            "coll_perf": {**performance, **more},
        }
    )


WRITTEN = datetime.fromtimestamp(CREATED_NS / 1e9, UTC) + timedelta(seconds=700)
NAMES = RankNames(host="node001", job="81")


def decoded(*files: tuple[str, bytes | str], names: RankNames = NAMES) -> Decoded:
    """What files of a job say, written 700 s after :data:`CREATED_NS`."""
    recordings = [
        Recording(name, data.encode() if isinstance(data, str) else data, WRITTEN)
        for name, data in files
    ]
    found = decode_training(recordings, names)
    check_readings(found.readings)
    return found


def dumps(job: Mapping[int, Mapping[str, Any]], form: str = "pickle") -> list[tuple[str, bytes]]:
    """A file a rank."""
    write = as_pickle if form == "pickle" else as_json
    return [(f"nccl_trace_rank_{rank}", write(document)) for rank, document in job.items()]


def values(found: Decoded) -> dict[tuple[str, str], object]:
    """By device and metric."""
    return {(one.device, one.metric): one.value for one in found.readings}
