"""Straggler scores of the NVIDIA Resiliency Extension (NVRx). Pure: no file, no clock.

A score is a speed relative to the fastest rank, or to the rank's own best (1 is as fast, 0.5 half
as fast). A report is what ``json.dumps`` makes of ``straggler.reporting.Report``, or a line of the
files that NVRx' own example appends to (``performance_data``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.ranks import (
    RankNames,
    number_of,
    reading_of,
    text_of,
    time_of,
    whole_of,
)

METRICS = {
    "gpu_relative_perf_scores": "relative_performance_score",
    "gpu_individual_perf_scores": "individual_performance_score",
    "relative_scores": "relative_performance_score",
    "individual_scores": "individual_performance_score",
}
LAST_LINES = 16
"""Of a file with a report a line, those that are searched for the newest."""
SECTIONS = ("section_relative_perf_scores", "section_individual_perf_scores")


def is_report(document: object) -> bool:
    """Whether this is a report of NVRx."""
    return isinstance(document, dict) and (
        any(name in document for name in (*METRICS, *SECTIONS))
        or isinstance(document.get("performance_data"), dict)
    )


def decode_report(
    document: Mapping[str, Any], names: RankNames, written_at: datetime | None
) -> Decoded:
    """The GPU scores of each rank. Scores of sections have no column and are counted.

    Args:
        document: The report.
        names: How the ranks are called; ``rank_to_node`` of the report names their hosts.
        written_at: When it was written, where it does not say.
    """
    decoded = Decoded()
    time = time_of(number_of(document.get("timestamp"))) or written_at
    nodes = _by_rank(document.get("rank_to_node"))
    inner = document.get("performance_data")
    scores: dict[tuple[int, str], float] = {}
    for part in (document, inner if isinstance(inner, dict) else {}):
        for name, metric in METRICS.items():
            for rank, score in _by_rank(part.get(name)).items():
                value = number_of(score)
                scores.setdefault((rank, metric), math.nan if value is None else value)
        for name in SECTIONS:
            for section in _values(part.get(name)):
                decoded.unmapped[name] += len(_by_rank(section))
    for (rank, metric), score in scores.items():
        device = names.device(rank, said=text_of(nodes.get(rank)))
        decoded.readings.append(reading_of(device, metric, score, time))
        if names.job:
            decoded.labels[device] = {"job": names.job}
    return decoded


def newest_report(lines: Sequence[str]) -> dict[str, Any] | None:
    """The last report of a file that one is appended to a line; None where there is none."""
    for line in reversed(lines[-LAST_LINES:]):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):  # the last line may be half written
            continue
        if isinstance(document, dict) and is_report(document):
            return document
    return None


def _by_rank(scores: object) -> dict[int, Any]:
    if not isinstance(scores, dict):
        return {}
    ranks = ((whole_of(key), value) for key, value in scores.items())
    return {rank: value for rank, value in ranks if rank is not None and rank < 2**32}


def _values(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else ()
