"""Prometheus and OpenMetrics text of exporters and training jobs. Pure: no network, no clock."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from typing_extensions import override

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.device_names import part_name
from fleetops_collectors.prometheus.columns import AMD, Choice, Column, columns
from fleetops_collectors.prometheus.entities import Entity, entity_of
from fleetops_collectors.prometheus.hwmon import NAMES as HWMON_NAMES
from fleetops_collectors.prometheus.hwmon import TEMPERATURE, Hwmon
from fleetops_collectors.prometheus.lines import labels_of, number_of, split
from fleetops_collectors.prometheus.values import verdict
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading

MAX_REPORTED_LINES = 100
"""Skipped lines that are kept with number and reason; all are counted."""
LAST_SECOND = 253402300799
"""Of year 9999; beyond it there is no datetime."""
MAX_SHOWN = 40
"""Characters of a number that is shown because it is none."""
TOLD_LINES = 5
"""Skipped lines that are told with their text."""

_NODE_NAME = re.compile(r'^node_uname_info\{[^\n]*?\bnodename="([^"\\\n]+)"', re.MULTILINE)
_ADAPTER_INFO = "node_infiniband_info"
_JOINED = HWMON_NAMES | {_ADAPTER_INFO}
_END = "# EOF"
_SHARED_SENSORS = frozenset({"power_watts"})
"""AMD: a partition other than the first reports 0 of these, for want of a sensor of its own."""
_OF_A_SLICE = re.compile(r"DCGM_FI_(PROF_|DEV_(FB_|XID_|GPU_UTIL))")
"""DCGM: what a MIG instance has of its own. All else is the board's, repeated for each instance:
three instances of a board of 70 W would draw 210 W."""


_Held = dict[str, tuple[int, Column]]
"""Of one device, by metric: the place of its reading, and the column it came from."""


class SkippedLine(NamedTuple):
    """A line that could not be used."""

    line: int
    """Counted from 1."""
    reason: str
    text: str
    """Its beginning."""


@dataclass(slots=True)
class DecodedText(Decoded):
    """What a text held."""

    samples: int = 0
    """Well-formed sample lines, used or not."""
    skipped: list[SkippedLine] = field(default_factory=list)
    """The first of the lines that could not be used."""
    skipped_total: int = 0
    duplicates: int = 0
    """Samples of a value that came before (one GPU shared by several pods)."""

    def skip(self, line: int, reason: str, text: str) -> None:
        """Counts a line that could not be used, and keeps the first ones."""
        self.skipped_total += 1
        if len(self.skipped) < MAX_REPORTED_LINES:
            self.skipped.append(SkippedLine(line, reason, text[: 2 * MAX_SHOWN]))

    @override
    def warnings(self) -> list[str]:
        """What was skipped: one line each, then the rest as a number.

        Samples without a column are no warning: an exporter has hundreds of them by design.
        """
        told = self.skipped[:TOLD_LINES]
        lines = [f"line {skip.line}: {skip.reason}: {skip.text!r}" for skip in told]
        if self.skipped_total > len(lines):
            lines.append(f"{self.skipped_total - len(lines)} more lines skipped")
        return [*self.problems, *lines]


def decode_prometheus(
    text: str | bytes,
    *,
    host: str | None = None,
    now: datetime | None = None,
    stale_after_seconds: float = 300.0,
    openmetrics: bool | None = None,
) -> DecodedText:
    """The readings in Prometheus text (0.0.4) or OpenMetrics text (1.0).

    A line that is no sample is skipped and reported; the rest goes on.

    Args:
        text: the exposition; bytes are taken as UTF-8.
        host: the host that was scraped; without it each sample's own label is taken: ``Hostname``
            (dcgm-exporter), ``hostname`` (AMD), ``host`` (training), and for node_exporter the
            name in ``node_uname_info``.
        now: samples that carry a time older than ``stale_after_seconds`` before it are stale.
            Without it none is, and no identities are given, which need a time.
        stale_after_seconds: see ``now``.
        openmetrics: whether it must be OpenMetrics text, as the answer's content type says; a
            text cut off before its end mark is told then. None: judged by the end mark.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    decoder = _Decoder(host or _node_name(text), now, stale_after_seconds)
    ended = text.rstrip().endswith(_END)
    if openmetrics and not ended:
        text = decoder.cut_off(text)
    return decoder.decode(text, 1.0 if ended or openmetrics else 0.001)


def _node_name(text: str) -> str | None:
    match = _NODE_NAME.search(text)
    return match[1] if match else None


class _Decoder:
    """One text; remembers every set of labels, since each returns for every metric."""

    def __init__(self, host: str | None, now: datetime | None, stale_after_seconds: float) -> None:
        self._host = host
        self._now = now
        self._oldest = now - timedelta(seconds=stale_after_seconds) if now else None
        self._time_unit = 0.001
        self._place = 0, ""
        self._entities: dict[str, dict[str, Entity]] = defaultdict(dict)
        """By kind of column, then by the text of the labels."""
        self._held: dict[str, _Held] = defaultdict(dict)
        """By device."""
        self._places: dict[str, dict[str, tuple[str, _Held]]] = defaultdict(dict)
        """Of the entities, those that are whole devices, with what is held of them."""
        self._identities: dict[str, DeviceIdentity] = {}
        self._hwmon = Hwmon()
        self._out = DecodedText()

    def cut_off(self, text: str) -> str:
        """The text up to its last whole line; says that the end is missing."""
        whole = text[: text.rfind("\n") + 1]
        self._out.problems.append(
            f"the text was cut off: no {_END!r} after {whole.count(chr(10))} lines"
        )
        return whole

    def decode(self, text: str, time_unit_seconds: float) -> DecodedText:
        """Everything in the text, whose times count in units of so many seconds."""
        # OpenMetrics gives times in seconds, Prometheus text in milliseconds.
        self._time_unit = time_unit_seconds
        known = columns()
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line[0] == "#" or self._usual(line, known):
                continue
            line = line.strip()  # noqa: PLW2901 (the same line)
            if line and line[0] != "#":
                self._place = number, line
                self._unusual(line, known)
        self._finish()
        return self._out

    def _usual(self, line: str, known: Mapping[str, Column | Choice]) -> bool:
        """Takes a line of the usual shape whose device, or whose lack of a column, is known by now.

        False for every other line, which takes twice the time.
        """
        opening, closing = line.find("{"), line.rfind("}")
        name, out = line[:opening], self._out
        raw = number_of(line[closing + 2 :]) if line[closing + 1 : closing + 2] == " " else None
        if raw is None:
            return False
        column = known.get(name)
        if column is None and name in out.unmapped:
            self._unmapped(name)
            return True
        if not isinstance(column, Column):
            return False
        place = self._places[column.kind].get(line[opening + 1 : closing])
        if place is None or column.metric.name in place[1]:
            return False
        device, held = place
        metric = column.metric
        value, quality = verdict(column, raw)
        held[metric.name] = len(out.readings), column
        out.readings.append(
            Reading(column.device_class, device, metric.name, value, metric.unit, quality)
        )
        out.samples += 1
        return True

    def _unusual(self, line: str, known: Mapping[str, Column | Choice]) -> None:
        parts = split(line)
        if parts is None:
            self._skip("not a sample")
            return
        name, labels, value, stamp = parts
        # Other writers of OpenMetrics add the suffix of counters, or (before 2018) left it out.
        column = (
            known.get(name) or known.get(name.removesuffix("_total")) or known.get(f"{name}_total")
        )
        raw = number_of(value)
        if raw is None:
            self._skip(f"{value[:MAX_SHOWN]!r} is no number")
        elif isinstance(column, Column):
            self._sample(column, labels, raw, stamp)
        elif column is not None:
            self._choose(column, name, labels, raw, stamp)
        elif name in _JOINED:
            self._join(name, labels, raw)
        else:
            self._unmapped(name)

    def _skip(self, reason: str) -> None:
        number, line = self._place
        self._out.skip(number, reason, line)

    def _unmapped(self, name: str) -> None:
        self._out.samples += 1
        self._out.unmapped[name] += 1

    def _sample(self, column: Column, labels: str, raw: float, stamp: str) -> None:
        entity = self._entities[column.kind].get(labels)
        if entity is None:
            entity = self._entities[column.kind][labels] = self._entity(column, labels)
        device, metric, out = entity.device, column.metric, self._out
        if entity.board and not _OF_A_SLICE.match(column.source.name):
            device = entity.board
        if entity.part:
            self._unmapped(column.source.name)
            return
        if not device:
            self._skip(entity.reason)
            return
        seconds = float(stamp) * self._time_unit if stamp else 0.0
        if seconds > LAST_SECOND:
            self._skip(f"{stamp[:MAX_SHOWN]} is no time")
            return
        out.samples += 1
        time = datetime.fromtimestamp(seconds, UTC) if stamp else None
        value, quality = verdict(column, raw)
        if time and self._oldest and time < self._oldest:
            value, quality = None, Quality.STALE
        elif not entity.whole and value == 0 and _is_of_the_whole(column):
            value, quality = None, Quality.ABSENT
        reading = Reading(
            column.device_class, device, metric.name, value, metric.unit, quality, time
        )
        held = self._held[device]
        before = held.get(metric.name)
        if before is None:
            held[metric.name] = len(out.readings), column
            out.readings.append(reading)
        else:
            self._again(reading, column, *before)

    def _again(self, reading: Reading, column: Column, at: int, known: Column) -> None:
        """A further sample of a value: the better name's is taken, equal ones are combined."""
        readings, unmapped = self._out.readings, self._out.unmapped
        value, held = reading.value, readings[at].value
        if value is not None and (held is None or column.rank < known.rank):
            readings[at] = reading
            self._held[reading.device][reading.metric] = at, column
            if column.rank != known.rank:
                unmapped[known.source.name] += 1
        elif column.rank != known.rank:
            unmapped[column.source.name] += 1
        elif column.combine is None:
            self._out.duplicates += 1
        elif value is not None and held is not None:
            readings[at] = readings[at]._replace(value=column.combine(held, value))

    def _entity(self, column: Column, text: str) -> Entity:
        labels = labels_of(text)
        if labels is None:
            return Entity("", "its labels are malformed")
        entity = entity_of(column, labels, self._host)
        if entity.labels:
            self._out.labels[entity.device] = entity.labels
        if entity.identity:
            self._identify(entity.board or entity.device, column.device_class, entity.identity)
        if entity.device and entity.whole:
            self._places[column.kind][text] = entity.device, self._held[entity.device]
        return entity

    def _choose(self, choice: Choice, name: str, text: str, raw: float, stamp: str) -> None:
        """A sample whose column depends on a label."""
        labels = labels_of(text)
        if labels is None:
            self._skip("its labels are malformed")
        elif (column := choice.pick(labels)) is None:
            self._unmapped(name)
        else:
            self._sample(column, text, raw, stamp)

    def _join(self, name: str, text: str, raw: float) -> None:
        """A sample that says something only beside others."""
        labels = labels_of(text)
        if labels is None:
            self._skip("its labels are malformed")
            return
        self._out.samples += 1
        if name == _ADAPTER_INFO:
            self._adapter(labels)
        else:
            self._hwmon.take(name, labels, raw)

    def _adapter(self, labels: dict[str, str]) -> None:
        if self._host and (adapter := labels.get("device")):
            said = {
                "model": labels.get("hca_type", ""),
                "part_number": labels.get("board_id", ""),
                "firmware": labels.get("firmware_version", ""),
            }
            device = f"{part_name(self._host)}/{part_name(adapter)}"
            self._identify(device, "fabric_port", said)

    def _identify(self, device: str, device_class: str, said: dict[str, str]) -> None:
        if self._now and device not in self._identities:
            self._identities[device] = DeviceIdentity(
                device=device,
                device_class=device_class,
                host=device.split("/", 1)[0],
                source="prometheus",
                observed_at=self._now,
                **said,
            )

    def _finish(self) -> None:
        out = self._out
        out.identities.extend(self._identities.values())
        if elsewhere := self._hwmon.unmapped():
            out.unmapped[TEMPERATURE] += elsewhere
        for column, (value, quality) in self._hwmon.temperatures():
            if self._host is None:
                out.problems.append(
                    f"{column.metric.name}: the target names no host, and there is no "
                    "node_uname_info"
                )
                continue
            device, metric = part_name(self._host), column.metric
            if metric.name not in self._held[device]:
                out.readings.append(
                    Reading(column.device_class, device, metric.name, value, metric.unit, quality)
                )


def _is_of_the_whole(column: Column) -> bool:
    return column.exporter == AMD and column.metric.name in _SHARED_SENSORS
