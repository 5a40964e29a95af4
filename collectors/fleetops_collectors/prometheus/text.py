"""Prometheus text as dcgm-exporter and training jobs write it. Pure: no network, no clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from fleetops_collectors.quality import judge
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.readings import Quality, Reading

MAX_REPORTED_LINES = 100
"""Skipped lines that are kept with number and reason; all are counted."""
MAX_INDEX_DIGITS = 9
"""Of the number of an accelerator or a rank."""

_INT_BLANKS = frozenset(
    # dcgm_structs.h: DCGM_INT32_BLANK and DCGM_INT64_BLANK, then +1 not found,
    # +2 not supported, +3 no permission; +15 leaves room for what the header may add.
    [0x7FFFFFF0 + n for n in range(4)] + [0x7FFFFFFFFFFFFFF0 + n for n in range(16)]
)
_FP64_BLANKS = frozenset(140737488355328.0 + n for n in range(16))
"""dcgm_structs.h: DCGM_FP64_BLANK and its variants."""
_INT64_BLANK_AS_FLOAT = float(0x7FFFFFFFFFFFFFF0)
"""All INT64 blanks round to 2**63 once anything on the way held them as a float."""
_ZERO_IS_BLANK = frozenset({"memory_temperature_celsius"})
"""A board without the sensor reports 0 (seen on L4, T4 and L40S)."""

_LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:[ \t]*\{(?P<labels>(?:[^"{}]|"[^"\\]*(?:\\.[^"\\]*)*")*)\})?'
    r"[ \t]*(?P<rest>[^{}#]*?)[ \t]*(?:#.*)?"
)
_LABEL = re.compile(
    r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(?:,|$)'
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")


class SkippedLine(NamedTuple):
    """A line that could not be used."""

    line: int
    """Counted from 1."""
    reason: str
    text: str
    """Its beginning."""


@dataclass(slots=True)
class DecodedText:
    """What a text held."""

    readings: list[Reading] = field(default_factory=list)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device: the labels of its class."""
    samples: int = 0
    """Well-formed sample lines, used or not."""
    skipped: list[SkippedLine] = field(default_factory=list)
    """The first of the lines that could not be used."""
    skipped_total: int = 0
    duplicates: int = 0
    """Samples of a value that came before (one GPU shared by several pods)."""
    unmapped: Counter[str] = field(default_factory=Counter)
    """Well-formed samples without a column in the catalog, by metric name."""

    def skip(self, line: int, reason: str, text: str) -> None:
        """Counts a line that could not be used, and keeps the first ones."""
        self.skipped_total += 1
        if len(self.skipped) < MAX_REPORTED_LINES:
            self.skipped.append(SkippedLine(line, reason, text[:80]))

    def warnings(self) -> list[str]:
        """What was skipped, for people: one line each, then the rest as a number."""
        lines = [f"line {skip.line}: {skip.reason}: {skip.text!r}" for skip in self.skipped[:5]]
        if self.skipped_total > len(lines):
            lines.append(f"{self.skipped_total - len(lines)} more lines skipped")
        return lines


class _Entity(NamedTuple):
    """Whom a set of labels speaks of."""

    device: str
    reason: str = ""
    """Why there is no device, if there is none."""
    labels: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Column:
    device_class: str
    metric: Metric
    source: Source
    blanks: bool
    """Whether DCGM's blank numbers are to be expected."""


@cache
def _columns() -> dict[str, _Column]:
    """By exposed name; a field's old and new name are both there."""
    found = {}
    for protocol in ("dcgm", "training"):
        for name, places in load_catalog().by_source(protocol).items():
            device_class, metric, source = places[0]
            found[name] = _Column(device_class.name, metric, source, protocol == "dcgm")
    return found


def decode_prometheus(
    text: str | bytes,
    *,
    host: str | None = None,
    now: datetime | None = None,
    stale_after_seconds: float = 300.0,
) -> DecodedText:
    """The readings in Prometheus text (0.0.4) or OpenMetrics text (1.0).

    A line that is no sample is skipped and reported; the rest goes on.

    Args:
        text: the exposition; bytes are taken as UTF-8.
        host: the host that was scraped; without it each sample's own ``Hostname`` (dcgm-exporter)
            or ``host`` (training) label is taken.
        now: samples that carry a time older than ``stale_after_seconds`` before it are stale.
            Without it none is.
        stale_after_seconds: see ``now``.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    oldest = now - timedelta(seconds=stale_after_seconds) if now else None
    # OpenMetrics ends with a mark, and gives times in seconds; Prometheus text in milliseconds.
    time_unit_seconds = 1.0 if text.rstrip().endswith("# EOF") else 0.001
    return _Decoder(host, oldest, time_unit_seconds).decode(text)


class _Decoder:
    """One text; remembers every set of labels, since each returns for every metric."""

    def __init__(self, host: str | None, oldest: datetime | None, time_unit: float) -> None:
        self._host = host
        self._oldest = oldest
        self._time_unit = time_unit
        self._entities: dict[tuple[str, str], _Entity] = {}
        self._seen: set[tuple[str, str]] = set()
        self._out = DecodedText()

    def decode(self, text: str) -> DecodedText:
        columns = _columns()
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line[0] == "#" or not (line := line.strip()) or line[0] == "#":
                continue
            parts = _split(line)
            if parts is None:
                self._out.skip(number, "not a sample", line)
                continue
            name, labels, value, stamp = parts
            column = columns.get(name) or columns.get(name.removesuffix("_total"))
            raw = _number(value)
            if raw is None:
                self._out.skip(number, f"{value!r} is no number", line)
            elif column is None:
                self._out.samples += 1
                self._out.unmapped[name] += 1
            else:
                self._sample(number, line, column, labels, raw, stamp)
        return self._out

    def _sample(
        self, number: int, line: str, column: _Column, labels: str, raw: float, stamp: str
    ) -> None:
        key = (column.device_class, labels)
        entity = self._entities.get(key)
        if entity is None:
            entity = self._entities[key] = _entity(column.device_class, labels, self._host)
        if not entity.device:
            self._out.skip(number, entity.reason, line)
            return
        self._out.samples += 1
        metric = column.metric
        if (entity.device, metric.name) in self._seen:
            self._out.duplicates += 1
            return
        self._seen.add((entity.device, metric.name))
        if entity.labels:
            self._out.labels[entity.device] = entity.labels
        time = datetime.fromtimestamp(float(stamp) * self._time_unit, UTC) if stamp else None
        value, quality = _judge(column, raw)
        if time and self._oldest and time < self._oldest:
            value, quality = None, Quality.STALE
        self._out.readings.append(
            Reading(
                column.device_class, entity.device, metric.name, value, metric.unit, quality, time
            )
        )


def _split(line: str) -> tuple[str, str, str, str] | None:
    """Name, label text, value and time ("" without one); None if it is no sample."""
    opening = line.find("{")
    if opening > 0 and "#" not in line:  # the usual shape, without a regular expression
        closing = line.rfind("}")
        name, labels, rest = line[:opening], line[opening + 1 : closing], line[closing + 1 :]
        if not name.isidentifier() or closing < opening:
            return None
    else:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name, labels, rest = match["name"], match["labels"] or "", match["rest"]
    parts = rest.split()
    if len(parts) == 1:
        return name, labels, parts[0], ""
    if len(parts) == 2 and _is_time(parts[1]):  # noqa: PLR2004 (value and time)
        return name, labels, parts[0], parts[1]
    return None


def _is_time(text: str) -> bool:
    number = _number(text)
    # Year 9999 in milliseconds; beyond it there is no datetime.
    return number is not None and 0 <= number < 2.5e14  # noqa: PLR2004


def _number(text: str) -> float | None:
    """The number, whole ones exactly: a blank 64 bit integer would not survive as a float."""
    if "_" in text:
        return None  # Python's own grouping, not Prometheus'
    try:
        return int(text) if text.isdecimal() and text.isascii() else float(text)
    except ValueError:
        return None


def _judge(column: _Column, raw: float) -> tuple[float | int | None, Quality]:
    if raw != raw:  # noqa: PLR0124 (only NaN is unequal to itself)
        return None, Quality.MISSING
    if column.blanks and (
        raw in _INT_BLANKS
        or raw in _FP64_BLANKS
        or raw == _INT64_BLANK_AS_FLOAT
        or (raw == 0 and column.metric.name in _ZERO_IS_BLANK)
    ):
        return None, Quality.SENTINEL
    return judge(column.metric, raw, column.source.scale, column.source.offset)


def _entity(device_class: str, text: str, host: str | None) -> _Entity:
    labels = _labels(text)
    if labels is None:
        return _Entity("", "its labels are malformed")
    name: Callable[[dict[str, str], str | None], _Entity]
    name = _rank if device_class == "training_rank" else _accelerator
    return name(labels, host)


def _labels(text: str) -> dict[str, str] | None:
    """The labels, unescaped; None if malformed."""
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _LABEL.match(text, position)
        if match is None:
            return None if text[position:].strip() else labels
        value = match[2]
        if "\\" in value:
            value = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[0]), value)
        labels[match[1]] = value
        position = match.end()
    return labels


def _is_number(label: str) -> bool:
    return label.isdecimal() and len(label) <= MAX_INDEX_DIGITS


def _accelerator(labels: dict[str, str], host: str | None) -> _Entity:
    host = host or labels.get("Hostname") or labels.get("hostname")
    gpu = labels.get("gpu", "")
    if not _is_number(gpu):
        return _Entity("", "it has no gpu label; it speaks of no single accelerator")
    if not host:
        return _Entity("", "it has no Hostname label and the target names no host")
    if "nvlink" in labels:
        return _Entity("", "it speaks of one link; only whole accelerators have columns")
    device = f"{_safe(host)}/gpu{int(gpu)}"
    if instance := labels.get("GPU_I_ID"):
        device = f"{device}/mig{_safe(instance)}"
    return _Entity(device)


def _rank(labels: dict[str, str], host: str | None) -> _Entity:
    host = host or labels.get("host")
    job, rank = labels.get("job"), labels.get("rank", "")
    if not host or not job or not _is_number(rank):
        return _Entity("", "a training sample needs the labels job, host and rank")
    return _Entity(f"{_safe(host)}/job{_safe(job)}/rank{int(rank)}", labels={"job": job})


def _safe(text: str) -> str:
    """The text as one part of a device name."""
    return _UNSAFE.sub("_", text)
