"""The detector role: telemetry, events and heartbeats in; findings and incidents out.

Everything it knows is on the bus. After a restart open incidents and firing findings are read back,
windows fill from the stream, and nothing is opened twice: a cause is recognised by its key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from fleetops.bus.base import Bus, Message
from fleetops.bus.dead_letter import PoisonLimit, dead_letter
from fleetops.bus.view import View
from fleetops.core import metrics, plugin
from fleetops.core.clock import Clock
from fleetops.core.config import DetectConfig, Options, describe
from fleetops.core.errors import ConfigError, PermanentError
from fleetops.core.logging import get_logger
from fleetops.detect.base import Detector, Inputs
from fleetops.detect.correlate import Scene, correlate
from fleetops.detect.facts import Facts
from fleetops.detect.incidents import IncidentBook
from fleetops.detect.inventory import InventoryBook
from fleetops_schemas import topics
from fleetops_schemas.identity import DeviceIdentity, InventoryDevice
from fleetops_schemas.records import (
    Action,
    ActionState,
    CollectorReport,
    Event,
    Finding,
    FindingStatus,
    Incident,
)
from fleetops_schemas.telemetry import TelemetryError, TelemetryHeader, decode_batch
from fleetops_schemas.topology import InventoryRecord, Topology

GROUP = "detect"
POLL_MESSAGES = 2000
CATCH_UP_SECONDS = 60.0
FLUSH_SECONDS = 10.0
OLD_TELEMETRY = timedelta(minutes=10)
"""A batch whose newest row is older is not judged: it comes from a backlog."""
FUTURE_TELEMETRY = timedelta(minutes=10)
"""Nor is one from further ahead (a wrong clock): all that its devices send until then is late."""
OLD_REPORT = timedelta(hours=1)
"""A collector last heard of longer ago, when the detector starts, is taken for removed."""
ACTED = frozenset({ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE})


@dataclass(slots=True)
class _Pending:
    """What was polled since the last evaluation."""

    batches: list[tuple[TelemetryHeader, pa.RecordBatch]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reports: list[CollectorReport] = field(default_factory=list)


class DetectService:
    """Role ``detect``. One instance judges the whole fleet."""

    name = "detect"

    def __init__(self, bus: Bus, clock: Clock, config: DetectConfig, topology: Topology) -> None:
        """Reads back what was open, and joins the group. ``topology`` grows with the inventory.

        Raises:
            ConfigError: a detector or its options are wrong.
            BusUnavailableError: the past could not be read.
        """
        self._bus = bus
        self._clock = clock
        self._config = config
        self._topology = topology
        self._log = get_logger(self.name)
        self._detectors = load_detectors(config.detectors)
        self._waiting: list[Detector] = []
        """Detectors that have yet to see the current inputs."""
        self._facts = Facts()
        self._book = IncidentBook(config)
        self._firing: dict[str, Finding] = {}
        self._changed: list[Finding] = []
        self._pending = _Pending()
        self._inbox: deque[Message] = deque()
        """Polled and not yet taken: while there is any, nothing is committed."""
        self._inputs: Inputs | None = None
        self._next_at = clock.monotonic()
        self._poison = PoisonLimit()
        self._stopped: PermanentError | None = None
        self._outbox: list[tuple[str, str, bytes]] = []
        """(topic, key, value) that is not yet known to be on the bus."""
        self._inventory = View(bus, topics.INVENTORY, InventoryRecord)
        self._actions = View(bus, topics.ACTIONS, Action)
        self._identities = View(bus, topics.IDENTITIES, DeviceIdentity)
        self._parts = InventoryBook()
        self._producer = bus.producer()
        self._restore()
        consumed = [topic.name for topic in topics.telemetry_topics()]
        consumed += [topics.EVENTS.name, topics.COLLECTORS.name]
        self._consumer = bus.consumer(GROUP, consumed)

    def turn(self) -> bool:
        """Polls, and evaluates when it is time; whether there was something to do.

        Raises:
            PermanentError: everything that comes is poison; it is not ours to skip all of it.
        """
        if self._stopped is not None:
            raise self._stopped
        polled = False
        if self._inputs is None and not self._outbox:
            if not self._inbox:
                self._inbox.extend(self._consumer.poll(0.05, POLL_MESSAGES))
            polled = bool(self._inbox)
            while self._inbox:
                self._take(self._inbox[0])
                self._inbox.popleft()
            if self._clock.monotonic() < self._next_at:
                return polled
        self._evaluate()
        return polled

    def close(self) -> None:
        """Leaves the group. What was not evaluated was not committed and comes again."""
        self._consumer.close()
        self._producer.close()
        self._inventory.close()
        self._actions.close()
        self._identities.close()

    def _take(self, message: Message) -> None:
        try:
            if message.topic == topics.EVENTS.name:
                self._pending.events.append(Event.decode(message.value))
            elif message.topic == topics.COLLECTORS.name:
                if message.value:
                    self._pending.reports.append(CollectorReport.decode(message.value))
            else:
                self._take_telemetry(message)
        except (TelemetryError, ValidationError) as error:
            dead_letter(self._producer, message, "undecodable", str(error))
            self._count_poison(message, str(error))
        else:
            self._poison.good()

    def _count_poison(self, message: Message, reason: str) -> None:
        try:
            self._poison.poison(message, reason)
        except PermanentError as error:
            self._stopped = error
            raise

    def _take_telemetry(self, message: Message) -> None:
        """What is long past blames nobody today: it is the store's, not ours. Nor does tomorrow."""
        header, batch = decode_batch(message.value, message.headers)
        newest = pc.max(batch.column("ts")).as_py() if batch.num_rows else None
        now = self._clock.now()
        if newest is None or now - newest > OLD_TELEMETRY:
            metrics.DISCARDED.labels(self.name, "old").inc()
        elif newest - now > FUTURE_TELEMETRY:
            metrics.DISCARDED.labels(self.name, "future").inc()
        else:
            self._pending.batches.append((header, batch))

    def _evaluate(self) -> None:
        """Judges, tells, and only then commits; each goes on where the last turn failed."""
        if not self._outbox:
            self._judge()
        self._publish()
        self._consumer.commit()
        metrics.CONSUMER_LAG.labels(GROUP).set(self._consumer.lag())

    def _judge(self) -> None:
        """Runs the detectors and correlates.

        A detector that fails is not called again with these inputs: the error goes to the loop's
        boundary, and the next turn goes on with the others.
        """
        if self._inputs is None:
            self._inputs = self._next_inputs()
            self._waiting = list(self._detectors)
        while self._waiting:
            detector = self._waiting.pop(0)
            self._changed += detector.evaluate(self._inputs)
        inputs, self._inputs = self._inputs, None
        self._correlate(inputs)

    def _next_inputs(self) -> Inputs:
        self._next_at = self._clock.monotonic() + self._config.evaluate_seconds
        pending = self._pending
        if not (pending.batches or pending.events or pending.reports):
            self._bus.topics()  # raises while the bus is away: that silence counts for nobody
        for placement in self._inventory.refresh():
            self._topology.put(placement)
        self._actions.refresh()
        self._take_identities(self._identities.refresh())
        self._pending = _Pending()
        for header, batch in pending.batches:
            self._facts.update(header, batch)
        return Inputs(
            now=self._clock.now(),
            topology=self._topology,
            batches=pending.batches,
            events=pending.events,
            reports=pending.reports,
            devices=self._parts.changes(),
        )

    def _take_identities(self, claims: Iterable[DeviceIdentity]) -> None:
        for claim in claims:
            self._parts.take(claim)

    def _correlate(self, inputs: Inputs) -> None:
        changed, self._changed = self._changed, []
        for finding in changed:
            self._note(finding)
            metrics.FINDINGS.labels(finding.kind, finding.status).inc()
        scene = Scene(self._topology, self._facts, self._book.recovering_parents(inputs.now))
        causes = correlate(self._firing.values(), scene)
        acted = {
            action.incident_id
            for action in self._actions.values()
            if action.incident_id is not None and action.state in ACTED
        }
        incidents = self._book.update(causes, changed, scene, inputs.now, acted)
        swaps = self._parts.events()
        self._outbox += [(topics.EVENTS.name, swap.host, swap.encode()) for swap in swaps]
        self._outbox += [(topics.DEVICES.name, d.device, d.encode()) for d in inputs.devices]
        self._outbox += [(topics.FINDINGS.name, f.device, f.encode()) for f in changed]
        self._outbox += [(topics.INCIDENTS.name, i.id, i.encode()) for i in incidents]
        metrics.INCIDENTS_OPEN.set(len(self._book.open))
        for incident in incidents:
            self._log.info(
                "incident",
                id=incident.id,
                status=incident.status,
                title=incident.title,
                verdict=incident.verdict,
                suspects=incident.suspect_hosts,
            )

    def _publish(self) -> None:
        """Sends what is to be told. What was not acknowledged is sent again by the next turn."""
        for topic, key, value in self._outbox:
            self._producer.send(topic, key, value)
        self._producer.flush(FLUSH_SECONDS)
        self._outbox = []

    def _note(self, finding: Finding) -> None:
        if finding.status is FindingStatus.FIRING:
            self._firing[finding.id] = finding
        else:
            self._firing.pop(finding.id, None)

    def _restore(self) -> None:
        """Reads back placements, open incidents, what fired, and which collectors there are."""
        for placement in self._inventory.catch_up(CATCH_UP_SECONDS):
            self._topology.put(placement)
        self._actions.catch_up(CATCH_UP_SECONDS)
        with View(self._bus, topics.DEVICES, InventoryDevice) as devices:
            devices.catch_up(CATCH_UP_SECONDS)
            self._parts.restore(devices.values())
        self._take_identities(self._identities.catch_up(CATCH_UP_SECONDS))
        with View(self._bus, topics.INCIDENTS, Incident) as incidents:
            incidents.catch_up(CATCH_UP_SECONDS)
            self._book.restore(incidents.values(), self._clock.now())
        with self._bus.reader([topics.FINDINGS.name]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                try:
                    self._note(Finding.decode(message.value))
                except ValidationError:
                    metrics.DISCARDED.labels(self.name, "unparsable").inc()
        for incident in self._book.open:
            for finding in incident.findings:
                if finding.status is FindingStatus.FIRING:
                    self._firing.setdefault(finding.id, finding)
        for detector in self._detectors:
            mine = {key: f for key, f in self._firing.items() if f.detector == detector.name}
            detector.restore(mine)
        self._drop_orphans()
        with View(self._bus, topics.COLLECTORS, CollectorReport) as reports:
            reports.catch_up(CATCH_UP_SECONDS)
            oldest = self._clock.now() - OLD_REPORT
            self._pending.reports += [r for r in reports.values() if r.time >= oldest]

    def _drop_orphans(self) -> None:
        """Ends what a detector said that runs no more: nobody else would."""
        running = {detector.name for detector in self._detectors}
        orphans = [f for f in self._firing.values() if f.detector not in running]
        self._changed += [_cleared(finding, self._clock.now()) for finding in orphans]


def _cleared(finding: Finding, now: datetime) -> Finding:
    return finding.model_copy(
        update={
            "status": FindingStatus.CLEARED,
            "updated_at": now,
            "summary": f"{finding.device}: the detector {finding.detector} is turned off",
        }
    )


def load_detectors(options: dict[str, Options]) -> list[Detector]:
    """Every installed detector that is not turned off, made with its options.

    Raises:
        ConfigError: a name that is not installed, or options that its model refuses.
    """
    installed = plugin.installed("detectors")
    unknown = sorted(set(options) - set(installed))
    if unknown:
        plugin.load("detectors", unknown[0])  # raises, naming those that there are
    detectors: list[Detector] = []
    for name in installed:
        own = dict(options.get(name, {}))
        if not own.pop("enabled", True):
            continue
        made = cast(type[Detector], plugin.load("detectors", name))
        try:
            config = made.config_model.model_validate(own)
        except ValidationError as error:
            raise ConfigError(describe(error, f"detect.detectors.{name}")) from error
        detectors.append(made.create(config))
    return detectors
