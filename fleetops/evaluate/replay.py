"""Feeds recordings into the running line as if they were live.

The same topics, store, detectors, policy and scheduler take them: only the clock of the payload is
moved to now. Hosts that the inventory does not know are announced in a rack called ``replay``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from fleetops.bus.base import Bus
from fleetops.bus.view import View
from fleetops.core.clock import Clock
from fleetops.core.errors import InputError
from fleetops.detect.job_trace import trace_steps
from fleetops.evaluate.recordings import read_kernel_log, read_prometheus, read_redfish
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.batcher import Batcher
from fleetops_collectors.kernel_log_decode import KernelFinding
from fleetops_collectors.outgoing import Outgoing
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Event, NodeState
from fleetops_schemas.telemetry import TelemetryHeader, encode_batch
from fleetops_schemas.topics import EVENTS, INVENTORY, NODES, telemetry_topic
from fleetops_schemas.topology import HostPlacement, InventoryRecord, Topology, host_of

COLLECTOR = "replay"
RACK = "replay"
FLUSH_SECONDS = 30.0
CATCH_UP_SECONDS = 30.0
UNKNOWN_HOST = "replayed"


@dataclass(slots=True)
class Replayed:
    """What was sent."""

    messages: int = 0
    readings: int = 0
    good_readings: int = 0
    events: int = 0
    steps: int = 0
    hosts: tuple[str, ...] = ()
    announced: tuple[str, ...] = ()
    """Hosts that the inventory did not know."""


class Replay:
    """Sends recordings to a bus."""

    def __init__(self, bus: Bus, clock: Clock, say: Callable[[str], None]) -> None:
        """``say`` is told of what could not be read; the rest goes on."""
        self._bus = bus
        self._clock = clock
        self._say = say
        self._sent = Replayed()
        with View(bus, INVENTORY, InventoryRecord) as inventory:
            inventory.catch_up(CATCH_UP_SECONDS)
            self._topology = Topology(inventory.values())

    def redfish(self, names: Iterable[str], host: str | None) -> Replayed:
        """Captures of Redfish services, one scrape each."""
        for name in names:
            recorded = read_redfish(name, host)
            self._warn(name, recorded.warnings)
            self._scrape(name, host, recorded.readings, recorded.events)
        return self._sent

    def prometheus(self, names: Iterable[str], host: str | None) -> Replayed:
        """Files of Prometheus text, one scrape each."""
        for name in names:
            decoded = read_prometheus(name, host)
            skipped = [f"line {one.line}: {one.reason}" for one in decoded.skipped]
            self._warn(name, skipped)
            self._scrape(name, host, decoded.readings, [], decoded.labels)
        return self._sent

    def kernel_log(self, names: Iterable[str], host: str | None) -> Replayed:
        """Kernel logs: every line that means something, as if it came now."""
        for name in names:
            found = [self._event(one, host or UNKNOWN_HOST) for one in read_kernel_log(name, host)]
            self._scrape(name, host, [], found)
        return self._sent

    def job_trace(
        self, names: Iterable[str], speed: float, nodes: Sequence[str], stop: threading.Event
    ) -> Replayed:
        """Training traces, step by step, ``speed`` times as fast as they were recorded.

        Raises:
            InputError: there are fewer nodes than the trace has workers.
        """
        hosts = list(nodes) or self._nodes_in_service()
        for name in names:
            began = self._clock.monotonic()
            for offset_seconds, batch in trace_steps(Path(name), hosts):
                self._wait_until(began + offset_seconds / speed, stop)
                if stop.is_set():
                    break
                self._send_step(batch)
        return self._sent

    def _scrape(
        self,
        name: str,
        host: str | None,
        readings: list[Reading],
        events: list[Event],
        labels: dict[str, dict[str, str]] | None = None,
    ) -> None:
        now = self._clock.now()
        devices = {reading.device for reading in readings} | {event.device for event in events}
        self._announce(sorted({host_of(device) for device in devices}))
        target = Target(name=name, host=host, rack=RACK)
        batcher = Batcher(COLLECTOR, [target], self._topology, self._clock, max_age_seconds=0.0)
        scrape = Scrape(target, now, readings=readings, labels=labels or {})
        self._send([*batcher.add(scrape), *batcher.flush()])
        with self._bus.producer() as producer:
            for event in events:
                producer.send(EVENTS.name, event.host, event.encode())
            producer.flush(FLUSH_SECONDS)
        self._sent.readings += len(readings)
        self._sent.good_readings += sum(one.quality is Quality.GOOD for one in readings)
        self._sent.events += len(events)

    def _send(self, messages: Iterable[Outgoing]) -> None:
        with self._bus.producer() as producer:
            for message in messages:
                producer.send(message.topic, message.key, message.value, message.headers)
                self._sent.messages += 1
            producer.flush(FLUSH_SECONDS)

    def _send_step(self, batch: pa.RecordBatch) -> None:
        now = pa.array([self._clock.now()] * batch.num_rows, batch.schema.field("ts").type)
        batch = batch.set_column(0, batch.schema.field("ts"), now)
        header = TelemetryHeader(
            device_class="training_rank", collector=COLLECTOR, sequence=self._sent.steps
        )
        topic = telemetry_topic(header.device_class).name
        with self._bus.producer() as producer:
            producer.send(topic, RACK, encode_batch(batch), header.to_headers())
            producer.flush(FLUSH_SECONDS)
        self._sent.steps += 1
        self._sent.messages += 1
        self._sent.hosts = tuple(sorted(set(batch.column("host").to_pylist())))

    def _event(self, finding: KernelFinding, host: str) -> Event:
        """The finding as if it happened now; its own time is kept beside."""
        now = self._clock.now()
        identity = f"{COLLECTOR}\0{now.isoformat()}\0{finding.line}\0{finding.text}"
        recorded = finding.time.isoformat() if finding.time else None
        return Event(
            id=sha256(identity.encode()).hexdigest()[:32],
            time=now,
            observed_at=now,
            host=finding.host or host,
            device=finding.device,
            device_class=finding.device_class,
            source="kernel_log",
            kind=finding.kind,
            code=finding.code,
            severity=finding.severity,
            text=finding.text,
            attributes={**finding.attributes, "recorded_at": recorded},
        )

    def _announce(self, hosts: Collection[str]) -> None:
        """Hosts that nobody announced get a place, or no page would show them."""
        unknown = [host for host in hosts if host not in self._topology]
        parents = {parent.device for one in self._topology for parent in one.parents()}
        unknown = [host for host in unknown if host not in parents]
        with self._bus.producer() as producer:
            for position, host in enumerate(unknown, len(self._sent.announced) + 1):
                placement = HostPlacement(host=host, rack=RACK, rack_position=position)
                self._topology.put(placement)
                producer.send(INVENTORY.name, host, placement.model_dump_json().encode())
            producer.flush(FLUSH_SECONDS)
        self._sent.announced += tuple(unknown)

    def _nodes_in_service(self) -> list[str]:
        with View(self._bus, NODES, NodeState) as nodes:
            nodes.catch_up(CATCH_UP_SECONDS)
            found = sorted(one.node for one in nodes.values() if not one.drained)
        if not found:
            raise InputError(
                "no scheduler has reported nodes on this bus; start the line (fleetops up), "
                "or name nodes with --nodes"
            )
        return found

    def _wait_until(self, moment: float, stop: threading.Event) -> None:
        remaining = moment - self._clock.monotonic()
        if remaining > 0:
            self._clock.wait(stop, remaining)

    def _warn(self, name: str, warnings: Iterable[str]) -> None:
        for warning in warnings:
            self._say(f"{name}: {warning}")


def read_meta(path: Path | None) -> dict[str, Any] | None:
    """A trace's ``meta-*.yaml``.

    Raises:
        InputError: it cannot be read or is no mapping.
    """
    if path is None:
        return None
    try:
        meta = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot read it: {error}") from error
    if not isinstance(meta, dict):
        raise InputError(f"{path}: must be a mapping such as 'pp_size: 4'")
    return meta
