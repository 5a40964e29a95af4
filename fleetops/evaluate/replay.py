"""Feeds recordings into the running line as if they were live.

The same topics, store, detectors, policy and scheduler take them: only the clock of the payload is
moved to now. Hosts that the inventory does not know are announced in a rack called ``replay``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
from pydantic import ValidationError

from fleetops.bus.base import Bus
from fleetops.bus.view import View
from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, NotFoundError
from fleetops.core.hostlist import fold
from fleetops.detect.findings import STANDALONE_CLASSES
from fleetops.detect.job_trace import trace_steps
from fleetops.evaluate.recordings import (
    STDIN,
    read_job_trace,
    read_kernel_log,
    read_prometheus,
    read_redfish,
)
from fleetops.operate.ownership import is_spare
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.kernel_log.finding import UNKNOWN_HOST, KernelFinding
from fleetops_collectors.runner.batcher import Batcher
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Event, NodeState
from fleetops_schemas.telemetry import TelemetryHeader, encode_batch
from fleetops_schemas.topics import EVENTS, INVENTORY, NODES, telemetry_topic
from fleetops_schemas.topology import HostPlacement, InventoryRecord, Topology, host_of

COLLECTOR = "replay"
RACK = "replay"
FLUSH_SECONDS = 30.0
CATCH_UP_SECONDS = 30.0
NAMELESS_HOST = "replayed"
"""What a host is called that a kernel log does not name."""
CAPTURE_SECONDS = 10.0
"""Between captures, which do not say when they were taken: a usual scrape interval."""
TRACE_SECONDS = 30.0
"""What a job trace takes at most where no speed is given: long enough to watch."""
TICK = timedelta(milliseconds=1)
"""Resolution of a row's time: two rows of one device must not share one."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(slots=True)
class Replayed:
    """What was sent."""

    messages: int = 0
    readings: int = 0
    good_readings: int = 0
    events: int = 0
    steps: int = 0
    hosts: tuple[str, ...] = ()
    """Where workers of job traces were put."""
    announced: tuple[str, ...] = ()
    """Hosts that the inventory did not know."""
    failed: tuple[str, ...] = ()
    """Sources that could not be read."""


class Pace:
    """How fast a recording goes on."""

    def __init__(self, clock: Clock, stop: threading.Event, speed: float | None) -> None:
        """``speed`` is times as fast as it was recorded, None all at once; ``stop`` ends it."""
        self._clock = clock
        self._stop = stop
        self._is_given = speed is not None
        self.speed = speed
        self._began = clock.monotonic()

    def begin(self) -> None:
        """The recording begins now."""
        self._began = self._clock.monotonic()

    def fit(self, recorded_seconds: float, seconds: float) -> None:
        """Where no speed was given, one at which the recording takes ``seconds`` at most."""
        if not self._is_given:
            self.speed = max(1.0, recorded_seconds / seconds)

    def reach(self, offset_seconds: float) -> bool:
        """Waits until the recording is so far; False where it is to end."""
        if self.speed is not None:
            moment = self._began + offset_seconds / self.speed
            remaining = moment - self._clock.monotonic()
            if remaining > 0:
                self._clock.wait(self._stop, remaining)
        return not self._stop.is_set()


class Replay:
    """Sends recordings to a bus. Use as a context manager."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        say: Callable[[str], None],
        pace: Pace,
        topology: Iterable[HostPlacement] = (),
    ) -> None:
        """``say`` is told of what could not be read; the rest goes on.

        Raises:
            InputError: no line ever ran on this bus.
        """
        self._bus = bus
        self._clock = clock
        self._say = say
        self._pace = pace
        self._sent = Replayed()
        self._moment = clock.now()
        try:
            with View(bus, INVENTORY, InventoryRecord) as inventory:
                inventory.catch_up(CATCH_UP_SECONDS)
                self._topology = Topology([*topology, *inventory.values()])
        except NotFoundError as error:
            raise InputError(
                f"{error}: no line ever ran on this bus. Start one (fleetops up), or name the "
                "configuration of the one that runs (fleetops --config FILE replay ...)"
            ) from error
        self._producer = bus.producer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._producer.close()

    def redfish(self, names: Sequence[str], host: str | None) -> Replayed:
        """Captures of Redfish services, one scrape each."""

        def send(name: str) -> None:
            recorded = read_redfish(name, host)
            self._warn(name, recorded.warnings)
            events = [self._moved(event, event.time) for event in recorded.events]
            self._scrape(name, host, recorded.readings, events=events)

        return self._captures(names, send)

    def prometheus(self, names: Sequence[str], host: str | None) -> Replayed:
        """Files of Prometheus text, one scrape each."""

        def send(name: str) -> None:
            decoded = read_prometheus(name, host)
            skipped = [f"line {one.line}: {one.reason}" for one in decoded.skipped]
            self._warn(name, skipped)
            self._scrape(name, host, decoded.readings, labels=decoded.labels)

        return self._captures(names, send)

    def kernel_log(self, names: Sequence[str], host: str | None) -> Replayed:
        """Kernel logs: every line that means something, as if it came now."""

        def send(name: str) -> None:
            began: datetime | None = None
            self._pace.begin()
            for finding in read_kernel_log(name, host):
                began = began or finding.time
                offset = (finding.time - began).total_seconds() if finding.time and began else 0.0
                if not self._pace.reach(offset):
                    break
                if finding.host == UNKNOWN_HOST and NAMELESS_HOST not in self._sent.announced:
                    self._say(f"{name}: names no host; shown as {NAMELESS_HOST!r}: see --host")
                self._tell([self._event(finding)])
                if self._pace.speed is not None:
                    self._producer.flush(FLUSH_SECONDS)
            self._producer.flush(FLUSH_SECONDS)

        return self._each(names, send)

    def job_trace(self, names: Sequence[str], nodes: Sequence[str], job: str | None) -> Replayed:
        """Training traces, step by step.

        Each worker stands on a node of its own: of ``nodes``, or of the scheduler's, idle ones
        first. The job reports under the id ``job``, the name of the file by default.
        """

        def send(name: str) -> None:
            steps = read_job_trace(name)
            workers = len(steps.stage)
            hosts = [*(nodes or self._nodes_in_service())][:workers]
            if len(hosts) < workers:
                raise InputError(
                    f"{name}: its {workers} workers need as many nodes and there are {len(hosts)}; "
                    "name enough with --nodes"
                )
            racks = {host: self._rack_of(host) for host in hosts}
            own = job or _NOT_IN_NAMES.sub("-", "trace" if name == STDIN else Path(name).stem)
            batches = trace_steps(steps, hosts, own, racks)
            recorded_seconds = float(steps.step_seconds.sum())
            self._pace.fit(recorded_seconds, TRACE_SECONDS)
            self._announce_trace(name, hosts, recorded_seconds)
            self._pace.begin()
            for offset_seconds, batch in batches:
                if not self._pace.reach(offset_seconds):
                    break
                self._send_step(batch)
            self._sent.hosts = tuple(sorted({*self._sent.hosts, *hosts}))

        return self._each(names, send)

    def _captures(self, names: Sequence[str], send: Callable[[str], None]) -> Replayed:
        for position, name in enumerate(names):
            if not self._pace.reach(position * CAPTURE_SECONDS):
                break
            self._each([name], send)
        return self._sent

    def _each(self, names: Iterable[str], send: Callable[[str], None]) -> Replayed:
        """Sends every source; one that cannot be read is told and the others go on."""
        for name in names:
            try:
                send(name)
            except InputError as error:
                self._say(f"fleetops: {error}")
                self._sent.failed += (name,)
        return self._sent

    def _scrape(
        self,
        name: str,
        host: str | None,
        readings: list[Reading],
        *,
        events: Sequence[Event] = (),
        labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._announce(readings)
        target = Target(name=name, host=host, rack=RACK)
        batcher = Batcher(COLLECTOR, [target], self._topology, self._clock, max_age_seconds=0.0)
        said = {device: dict(more) for device, more in (labels or {}).items()}
        scrape = Scrape(target, self._next_moment(), readings=readings, labels=said)
        for message in [*batcher.add(scrape), *batcher.flush()]:
            self._producer.send(message.topic, message.key, message.value, message.headers)
            self._sent.messages += 1
        self._warn(name, scrape.warnings)
        self._tell(events)
        self._producer.flush(FLUSH_SECONDS)
        self._sent.readings += len(readings)
        self._sent.good_readings += sum(one.quality is Quality.GOOD for one in readings)

    def _tell(self, events: Sequence[Event]) -> None:
        self._announce((), events)
        for event in events:
            self._producer.send(EVENTS.name, event.host, event.encode())
        self._sent.events += len(events)

    def _send_step(self, batch: pa.RecordBatch) -> None:
        field = batch.schema.field("ts")
        now = pa.array([self._next_moment()] * batch.num_rows, field.type)
        batch = batch.set_column(batch.schema.get_field_index("ts"), field, now)
        header = TelemetryHeader(
            device_class="training_rank", collector=COLLECTOR, sequence=self._sent.steps
        )
        topic = telemetry_topic(header.device_class).name
        self._producer.send(topic, RACK, encode_batch(batch), header.to_headers())
        self._producer.flush(FLUSH_SECONDS)
        self._sent.steps += 1
        self._sent.messages += 1

    def _next_moment(self) -> datetime:
        """Now, and later than every moment before by at least a row's resolution."""
        self._moment = max(self._clock.now(), self._moment + TICK)
        return self._moment

    def _event(self, finding: KernelFinding) -> Event:
        now = self._clock.now()
        identity = f"{COLLECTOR}\0{now.isoformat()}\0{finding.line}"
        return self._moved(finding.as_event(identity, NAMELESS_HOST, now), finding.time)

    def _moved(self, event: Event, recorded_at: datetime | None) -> Event:
        """The event as if it happened now; its own time, where it had one, is kept beside."""
        now = self._next_moment()
        recorded = recorded_at.isoformat() if recorded_at else None
        attributes = {**event.attributes, "recorded_at": recorded}
        moved = {"time": now, "observed_at": now, "attributes": attributes}
        return event.model_copy(update={**moved, "id": f"{event.id}-{now.timestamp():.3f}"})

    def _announce(self, readings: Iterable[Reading], events: Iterable[Event] = ()) -> None:
        """Hosts that nobody announced get a place, or no page would show them.

        Coolant and power units stand beside hosts: their names announce none.
        """
        hosts = {host_of(r.device) for r in readings if r.device_class not in STANDALONE_CLASSES}
        hosts |= {event.host for event in events if event.device_class not in STANDALONE_CLASSES}
        parents = {parent.device for one in self._topology for parent in one.parents()}
        for host in sorted(hosts - parents - {""}):
            if host in self._topology:
                continue
            position = len(self._sent.announced) + 1
            try:
                placement = HostPlacement(host=host, rack=RACK, rack_position=position)
            except ValidationError:
                self._say(f"{host!r} is no name for a host: stored, but shown nowhere; see --host")
                continue
            self._topology.put(placement)
            self._producer.send(INVENTORY.name, host, placement.model_dump_json().encode())
            self._sent.announced += (host,)

    def _announce_trace(self, name: str, hosts: Sequence[str], seconds: float) -> None:
        unknown = [host for host in hosts if host not in self._topology]
        if unknown:
            self._say(
                f"{fold(unknown)}: not in the topology, so no incident will blame them and nothing "
                "will be drained; add them to `topology` of the configuration"
            )
        speed = self._pace.speed or 1.0
        self._say(
            f"{name}: workers on {fold(hosts)}; takes {seconds / speed:.0f} s, {speed:.3g} times "
            "as fast as recorded, see --speed"
        )

    def _nodes_in_service(self) -> list[str]:
        """The scheduler's nodes that work can run on, the idle ones first."""
        with View(self._bus, NODES, NodeState) as nodes:
            nodes.catch_up(CATCH_UP_SECONDS)
            usable = [one for one in nodes.values() if is_spare(one) or _works(one)]
        if not usable:
            raise InputError(
                "no scheduler has reported nodes on this bus; start the line (fleetops up), "
                "or name nodes with --nodes"
            )
        return [one.node for one in sorted(usable, key=lambda one: (not is_spare(one), one.node))]

    def _rack_of(self, host: str) -> str:
        placement = self._topology.get(host)
        return placement.rack if placement is not None else ""

    def _warn(self, name: str, warnings: Iterable[str]) -> None:
        for warning in warnings:
            self._say(f"{name}: {warning}")


def _works(node: NodeState) -> bool:
    return node.busy and not node.drained
