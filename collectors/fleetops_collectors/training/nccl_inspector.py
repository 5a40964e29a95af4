"""NCCL's inspector plug-in: each collective with its time and bandwidth, a JSON document a line.

Layout of ``plugins/profiler/inspector/inspector_json.cc`` (formats v4.0 to v4.2). A rank's newest
collective of its widest communicator becomes readings. Bandwidth falls on *all* ranks where one is
late, so a low one blames nobody. Pure: no file, no clock.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.ranks import (
    RankNames,
    number_of,
    reading_of,
    text_of,
    time_of,
    whole_of,
)

MICROSECOND = 1e-6
GIGABYTE = 1e9
"""Of ``*_busbw_gbs``: bytes / 1e9 (``inspectorComputeCollBw``)."""
_SAMPLE = re.compile(r"(nccl_[a-z0-9_]{1,80})\{.*\} ")
_READ = frozenset({"header", "metadata", "coll_perf"})
MAX_BAD_LINES = 5


class Collective(NamedTuple):
    """One finished collective of one rank."""

    rank: int
    ranks: int
    """Size of its communicator."""
    host: str
    dumped_us: int
    sequence: int
    microseconds: float | None
    gigabytes_per_second: float | None


def is_record(document: object) -> bool:
    """Whether this is a record of the inspector."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("header"), dict)
        and isinstance(document.get("metadata"), dict)
        and "inspector_output_format_version" in document["metadata"]
    )


def decode_records(documents: Iterable[object], names: RankNames) -> Decoded:
    """The newest collective of each rank.

    Operations from peer to peer and statistics of the dump have no column and are counted.
    """
    decoded = Decoded()
    newest: dict[int, Collective] = {}
    for document in documents:
        if not isinstance(document, dict) or not is_record(document):
            decoded.problems.append("a line is no record of NCCL's inspector")
            continue
        decoded.unmapped.update(text_of(key, 64) for key in document if key not in _READ)
        found = _collective(document)
        if found is not None:
            kept = newest.setdefault(found.rank, found)
            if (kept.ranks, kept.dumped_us, kept.sequence) < (
                found.ranks,
                found.dumped_us,
                found.sequence,
            ):
                newest[found.rank] = found
    for collective in newest.values():
        _read(collective, names, decoded)
    return decoded


def decode_lines(lines: Iterable[str], names: RankNames) -> Decoded:
    """The same of a file with a document a line; the last line may be half written."""
    bad: list[str] = []
    decoded = decode_records(_documents(lines, bad), names)
    decoded.problems += bad[:MAX_BAD_LINES]
    if len(bad) > MAX_BAD_LINES:
        decoded.problems.append(f"{len(bad)} lines are no JSON in all")
    return decoded


def decode_prometheus_text(lines: Iterable[str]) -> Decoded:
    """The inspector's Prometheus output. It names GPUs and no ranks, so all of it is counted."""
    decoded = Decoded()
    for line in lines:
        if found := _SAMPLE.match(line):
            decoded.unmapped[found[1]] += 1
    return decoded


def _documents(lines: Iterable[str], bad: list[str]) -> Iterator[object]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            bad.append(f"line {number}: no JSON: {text_of(line, 60)!r}")


def _collective(document: Mapping[str, Any]) -> Collective | None:
    header, metadata = document["header"], document["metadata"]
    performance = document.get("coll_perf")
    rank = whole_of(header.get("rank"))
    if not isinstance(performance, dict) or rank is None or rank >= 2**32:
        return None
    return Collective(
        rank=rank,
        ranks=whole_of(header.get("n_ranks")) or 0,
        host=text_of(metadata.get("hostname")),
        dumped_us=whole_of(metadata.get("dump_timestamp_us")) or 0,
        sequence=whole_of(performance.get("coll_sn")) or 0,
        microseconds=number_of(performance.get("coll_exec_time_us")),
        gigabytes_per_second=number_of(performance.get("coll_busbw_gbs")),
    )


def _read(collective: Collective, names: RankNames, decoded: Decoded) -> None:
    device = names.device(collective.rank, said=collective.host)
    time = time_of(collective.dumped_us * MICROSECOND)
    values = (
        ("rank", collective.rank, 1.0),
        ("collectives_completed_total", collective.sequence, 1.0),
        ("collective_seconds", collective.microseconds, MICROSECOND),
        (
            "collective_bus_bandwidth_bytes_per_second",
            collective.gigabytes_per_second,
            GIGABYTE,
        ),
    )
    for metric, value, scale in values:
        number = math.nan if value is None else value
        decoded.readings.append(reading_of(device, metric, number, time, scale))
    if names.job:
        decoded.labels[device] = {"job": names.job}
