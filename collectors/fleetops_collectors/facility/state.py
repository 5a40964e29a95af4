"""What the messages of a building management add up to. Pure: no network; time is handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.facility.heartbeat import Heartbeat
from fleetops_collectors.facility.points import (
    HEARTBEAT,
    Point,
    Unmapped,
    point_of,
)
from fleetops_collectors.facility.topics import Address, Kind, parse_topic
from fleetops_collectors.facility.values import Json, Sample, read_json, read_value
from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.catalog import MetricKind
from fleetops_schemas.readings import Quality, Reading

MAX_HEARTBEATS = 64
SKEW_TOLD_SECONDS = 60.0
"""A publisher's clock that is further off than this is told."""
_WORSE = {"leak_state": max, "leak_detector_ok": min}
"""Of several points of one device and metric, the one that counts; of others the first does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is believed for how long, and how much is kept."""

    prefix: str = "BMS/v1"
    names: Mapping[str, str] = field(default_factory=dict)
    stale_after: timedelta = timedelta(seconds=250)
    silence: timedelta = timedelta(seconds=30)
    max_points: int = 50_000
    max_payload_bytes: int = 65_536


class Facility:
    """All points of one broker: metadata and the newest value of each."""

    def __init__(self, limits: Limits) -> None:
        """Knows nothing yet."""
        self._limits = limits
        self._points: dict[str, Point | Unmapped] = {}
        self._samples: dict[tuple[str, str], Sample] = {}
        """By publisher and point."""
        self._heartbeats: dict[str, Heartbeat] = {}
        self._skew = timedelta()
        self.messages = 0
        """Messages of either shape that could be read."""
        self.refused: Counter[str] = Counter()
        """Messages that could not be used, by reason."""
        self.first_refused = ""

    @property
    def complete(self) -> bool:
        """Whether every point that has a column has a value."""
        wanted = [(p.publisher, key) for key, p in self._points.items() if isinstance(p, Point)]
        return bool(wanted) and all(key in self._samples for key in wanted)

    def take(self, topic: str, payload: bytes, received_at: datetime) -> None:
        """Takes a message; never raises on what it holds."""
        address = parse_topic(topic, self._limits.prefix)
        try:
            if address is None:
                raise InputError("not a topic of building management")
            if not payload:
                self._forget(address)
                return
            if len(payload) > self._limits.max_payload_bytes:
                raise InputError("longer than max_payload_bytes")
            self._take(address, read_json(payload), received_at)
        except InputError as error:
            self.refused[str(error).partition(":")[0]] += 1
            self.first_refused = self.first_refused or f"{topic[:200]}: {error}"
        else:
            self.messages += 1

    def _take(self, address: Address, message: Json, received_at: datetime) -> None:
        if address.kind is Kind.METADATA:
            self._describe(address, message, received_at)
            return
        sample = read_value(message, received_at, has_quality=not address.is_older_shape)
        # in the older shape only its metadata say that a point is a heartbeat
        if address.point_type == HEARTBEAT or address.key in self._heartbeats:
            heartbeat = self._heartbeats.get(address.key)
            if heartbeat is None:
                heartbeat = self._heartbeat(address, {}, received_at)
            skew = heartbeat.beat(sample, self._limits.silence)
            self._skew = self._skew if skew is None else skew
            return
        key = (address.publisher, address.key)
        before = self._samples.get(key)
        if before is None and len(self._samples) >= self._limits.max_points:
            raise InputError("more points than max_points")
        if before is None or not self._is_late(sample, before):
            self._samples[key] = sample

    def _is_late(self, sample: Sample, before: Sample) -> bool:
        """Whether a copy of an older message came again; a clock set far back is another thing."""
        if sample.time is None or before.time is None:
            return False
        return timedelta() < before.time - sample.time < self._limits.stale_after

    def _describe(self, address: Address, metadata: Json, received_at: datetime) -> None:
        if (address.point_type or metadata.get("pointType")) == HEARTBEAT:
            self._heartbeat(address, metadata, received_at)
            return
        if address.key not in self._points and len(self._points) >= self._limits.max_points:
            raise InputError("more points than max_points")
        self._points[address.key] = point_of(metadata, address, self._limits.names)

    def _heartbeat(self, address: Address, metadata: Json, received_at: datetime) -> Heartbeat:
        name = str(metadata.get("objectId") or metadata.get("objectName") or "BMS")
        scope = str(metadata.get("scope") or "")
        heartbeat = self._heartbeats.get(address.key)
        if heartbeat is None:
            if len(self._heartbeats) >= MAX_HEARTBEATS:
                raise InputError(f"more than {MAX_HEARTBEATS} heartbeats")
            heartbeat = Heartbeat(address.key, name, scope, received_at, received_at)
            self._heartbeats[address.key] = heartbeat
        elif metadata:
            heartbeat.name, heartbeat.scope = name, scope
        return heartbeat

    def _forget(self, address: Address) -> None:
        """An empty retained message takes back what was said."""
        if address.kind is Kind.METADATA:
            self._points.pop(address.key, None)
            self._heartbeats.pop(address.key, None)
        else:
            self._samples.pop((address.publisher, address.key), None)

    def silent(self, now: datetime) -> list[Heartbeat]:
        """Heartbeats that are missing.

        One that never beat counts only while no other of its scope does: metadata stay retained
        when their publisher is replaced.
        """
        beating = {one.scope for one in self._heartbeats.values() if one.ever_beat}
        return [
            one
            for one in self._heartbeats.values()
            if (one.ever_beat or one.scope not in beating)
            and one.is_silent(now, self._limits.silence)
        ]

    def is_dead(self, now: datetime) -> bool:
        """Whether there are heartbeats, and all are missing."""
        silent = self.silent(now)
        return bool(silent) and all(
            one.is_silent(now, self._limits.silence) for one in self._heartbeats.values()
        )

    def decoded(self, now: datetime) -> Decoded:
        """Readings of every point that has a column and a value."""
        out = Decoded()
        cells: dict[tuple[str, str, str], Reading] = {}
        dead = self.is_dead(now)
        silent = self.silent(now)
        for key, point in self._points.items():
            if isinstance(point, Unmapped):
                out.unmapped[point.name] += 1
                continue
            sample = self._samples.get((point.publisher, key))
            if sample is not None:
                stale = dead or self._is_stale(key, sample, silent, now)
                _put(cells, _reading(point, sample, stale=stale), out)
        out.readings = list(cells.values())
        out.problems = list(self._problems())
        return out

    def _problems(self) -> Iterable[str]:
        """What could not be used since the last time, and what makes the rest doubtful."""
        refused, self.refused = self.refused, Counter()
        for why, count in refused.items():
            yield f"{count} messages could not be used: {why}"
        described = {(point.publisher, key) for key, point in self._points.items()}
        if waiting := len(self._samples.keys() - described):
            yield f"{waiting} values have no metadata yet"
        seconds = self._skew.total_seconds()
        if abs(seconds) > SKEW_TOLD_SECONDS:
            yield f"its clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead'}"

    def _is_stale(self, key: str, sample: Sample, silent: list[Heartbeat], now: datetime) -> bool:
        if any(one.covers(key) for one in silent):
            return True
        if any(
            sample.received_at < one.alive_since and one.covers(key)
            for one in self._heartbeats.values()
        ):
            return True
        said = sample.time + self._skew if sample.time else sample.received_at
        return now - min(said, sample.received_at) > self._limits.stale_after


def _reading(point: Point, sample: Sample, *, stale: bool) -> Reading:
    metric = point.metric
    value, quality = (None, sample.quality) if sample.value is None else _verdict(point, sample)
    if stale:
        value, quality = None, Quality.STALE
    return Reading(
        point.device_class, point.device, metric.name, value, metric.unit, quality, sample.time
    )


def _verdict(point: Point, sample: Sample) -> Verdict:
    assert sample.value is not None  # noqa: S101 (the caller looked)
    if point.metric.kind is MetricKind.STATE and sample.value not in (0, 1):
        # dsx-exchange: -1 is "unknown" of an isolation request; nothing else is defined
        return None, Quality.SENTINEL if sample.value == -1 else Quality.OUT_OF_RANGE
    return judge(point.metric, sample.value, point.scale, point.offset)


def _put(cells: dict[tuple[str, str, str], Reading], new: Reading, out: Decoded) -> None:
    """Adds a reading. Where two points are one cell the worse one counts, or the first."""
    cell = (new.device_class, new.device, new.metric)
    old = cells.setdefault(cell, new)
    if old is new:
        return
    worse = _WORSE.get(new.metric)
    if worse is None:
        out.unmapped[f"{new.device} {new.metric} (a second point)"] += 1
        return
    cells[cell] = _worst(old, new, worse(0, 1))


def _worst(old: Reading, new: Reading, bad: int) -> Reading:
    """A leak seen by either; else what is unknown, since it must not pass for dry; else dry."""

    def rank(reading: Reading) -> int:
        if reading.value is None:
            return 1
        return 2 if (reading.value > 0) == (bad > 0) else 0

    return max(old, new, key=rank)
