"""What a file of a training job is, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training import flight_recorder, nccl_inspector, nccl_ras, nvrx
from fleetops_collectors.training.flight_recorder import Dump
from fleetops_collectors.training.nccl_ras import RasStatus
from fleetops_collectors.training.nccl_ras_text import is_status_text, parse_status_text
from fleetops_collectors.training.ranks import RankNames
from fleetops_collectors.training.stalls import decode_dumps

STALL_SECONDS = 300.0
_RANK_AT_END = re.compile(r"(\d{1,7})$")
_SUFFIXES = frozenset({".json", ".pkl", ".pickle", ".bin"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One file, taken in whole."""

    name: str
    """For errors, and for the rank that a flight recorder's file name ends in."""
    data: bytes
    written_at: datetime


def decode_training(
    recordings: Iterable[Recording], names: RankNames, stall_seconds: float = STALL_SECONDS
) -> Decoded:
    """What files of one job say together; their kind is told by their content.

    One file is held at a time, where ``recordings`` makes them as they are asked for.

    A file that cannot be used is a problem; the rest is good. Of a device's value that several
    files give, the first one stays.

    Raises:
        InputError: none of them can be used; says why of the first.
    """
    whole = Decoded()
    dumps: dict[int, Dump] = {}
    seen: set[tuple[str, str]] = set()
    failures: list[str] = []
    used = 0
    for recording in recordings:
        try:
            part = _decode(recording, names)
        except InputError as error:
            failures.append(f"{recording.name}: {error}")
            continue
        used += 1
        if not isinstance(part, Dump):
            _add(whole, part, seen)
        elif part.rank not in dumps or part.written_at > dumps[part.rank].written_at:
            dumps[part.rank] = part
    if failures and not used:
        raise InputError(failures[0])
    _add(whole, decode_dumps(list(dumps.values()), names, stall_seconds), seen)
    whole.problems += failures
    return whole


def _decode(recording: Recording, names: RankNames) -> Decoded | Dump:
    data = recording.data
    if data[:1] == b"\x80":
        return _dump(flight_recorder.load(data), recording)
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    document = _document(text)
    if flight_recorder.is_dump(document):
        return _dump(document, recording)
    return _decode_text(text, document, names, recording.written_at)


def _decode_text(text: str, document: Any, names: RankNames, written_at: datetime) -> Decoded:  # noqa: ANN401
    """What a text says that is no dump of the flight recorder.

    Args:
        text: All of it.
        document: The same as JSON, or None where it is none.
        names: How the ranks are called.
        written_at: When it was written.

    Raises:
        InputError: it is nothing that is known.
    """
    if nvrx.is_report(document):
        return nvrx.decode_report(document, names, written_at)
    if nccl_inspector.is_record(document):
        return nccl_inspector.decode_records([document], names)
    status = _ras_status(document)
    if status is None and document is None:
        lines = text.splitlines()
        if (decoded := _decode_lines(lines, names, written_at)) is not None:
            return decoded
        status = parse_status_text(lines) if is_status_text(text) else None
    if status is None:
        raise InputError(
            f"{text[:40]!r}... is no dump of the flight recorder, RAS status, NVRx report or output"
            " of NCCL's inspector"
        )
    return nccl_ras.decode_status(status, names, written_at)


def _decode_lines(lines: Sequence[str], names: RankNames, written_at: datetime) -> Decoded | None:
    """What a file with a document or a sample a line says; None where it is none."""
    if (report := nvrx.newest_report(lines)) is not None:
        return nvrx.decode_report(report, names, written_at)
    if any(nccl_inspector.is_record(_document(line)) for line in lines[:3]):
        return nccl_inspector.decode_lines(lines, names)
    counted = nccl_inspector.decode_prometheus_text(lines)
    return counted if counted.unmapped else None


def _ras_status(document: Any) -> RasStatus | None:  # noqa: ANN401
    if nccl_ras.is_status(document):
        return nccl_ras.parse_status(document)
    return nccl_ras.parse_peer_event(document) if nccl_ras.is_peer_event(document) else None


def _dump(document: Any, recording: Recording) -> Dump:  # noqa: ANN401
    """The rank is in the file's name alone (``nccl_trace_rank_17``, ``comm_lib_trace_rank_17``)."""
    path = Path(recording.name)
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    found = _RANK_AT_END.search(stem)
    if found is None:
        raise InputError("a flight recorder's file is named for its rank; this name ends in none")
    return flight_recorder.parse_dump(document, int(found[1]), recording.written_at)


def _document(text: str) -> Any:  # noqa: ANN401
    """The text as one JSON document; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _add(whole: Decoded, part: Decoded, seen: set[tuple[str, str]]) -> None:
    for reading in part.readings:
        cell = (reading.device, reading.metric)
        if cell not in seen:
            seen.add(cell)
            whole.readings.append(reading)
    whole.events += part.events
    whole.labels.update(part.labels)
    whole.unmapped += part.unmapped
    whole.problems += part.problems
