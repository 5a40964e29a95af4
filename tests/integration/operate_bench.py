"""A whole operate role on a local bus and a scheduler over HTTP, for tests to push around."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.bus.view import View
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig, OperateConfig
from fleetops.operate.schedulers.base import Scheduler
from fleetops.operate.schedulers.emulated import EmulatedConfig, EmulatedScheduler
from fleetops.operate.service import OperateService
from fleetops_schemas.records import Action, Incident, Intent, IntentKind, Job, NodeState, Record
from fleetops_schemas.topics import ACTIONS, INCIDENTS, INTENTS, JOBS, NODES, all_topics
from fleetops_schemas.topology import Topology

DONE_SECONDS = 20.0


def a_bus(folder: Path) -> Bus:
    """The local bus in a folder, with its topics."""
    bus = open_bus(BusConfig(path=folder / "bus.sqlite"), SystemClock())
    bus.ensure_topics(all_topics())
    return bus


def http_scheduler(url: str, deadline_seconds: float = 2.0) -> Scheduler:
    """The adapter to a test server."""
    config = EmulatedConfig(url=url, deadline_seconds=deadline_seconds)
    return EmulatedScheduler(config, SystemClock())


class OperateBench:
    """Publishes what the role consumes, turns it, and reads what it wrote."""

    def __init__(self, bus: Bus, config: OperateConfig) -> None:
        """Takes the bus over and closes it in the end."""
        self.bus = bus
        self.config = config
        self.producer = self.bus.producer()
        self.actions = View(self.bus, ACTIONS, Action)
        self.nodes = View(self.bus, NODES, NodeState)
        self.jobs = View(self.bus, JOBS, Job)
        self.services: list[OperateService] = []

    def serve(self, scheduler: Scheduler, topology: Topology | None = None) -> OperateService:
        """Opens one more instance of the role."""
        place = topology or Topology()
        service = OperateService(self.bus, scheduler, self.config, place, SystemClock())
        self.services.append(service)
        return service

    def publish(self, *records: Incident | Intent) -> None:
        """Puts records on their topics."""
        for record in records:
            topic = INCIDENTS if isinstance(record, Incident) else INTENTS
            self._send(topic.name, record.id, record)
        self.producer.flush(5.0)

    def ask(self, kind: IntentKind, ident: str, *nodes: str, action_id: str | None = None) -> None:
        """Publishes a person's intent."""
        intent = Intent(
            id=ident,
            created_at=SystemClock().now(),
            kind=kind,
            nodes=nodes,
            reason="RMA 4711",
            requested_by="user:ann",
            action_id=action_id,
        )
        self.publish(intent)

    def until(self, condition: Callable[[], object], seconds: float = DONE_SECONDS) -> None:
        """Turns the newest instance until the condition holds."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, self.story()
            if not self.services[-1].turn():
                time.sleep(0.02)

    def turn(self, times: int = 20) -> None:
        """Some turns, for what must not happen."""
        for _ in range(times):
            if not self.services[-1].turn():
                time.sleep(0.01)

    def action_of(self, target: str) -> Action | None:
        """The newest action on a target."""
        self.actions.refresh()
        found = [action for action in self.actions.values() if action.target == target]
        return max(found, key=lambda action: action.created_at, default=None)

    def state_of(self, target: str) -> str:
        """The state of the newest action on a target."""
        action = self.action_of(target)
        return action.state.value if action else ""

    def detail_of(self, target: str) -> str:
        """What is said of the first node of the newest action on a target."""
        action = self.action_of(target)
        return action.outcomes[0].detail if action and action.outcomes else ""

    def history_of(self, action_id: str) -> list[str]:
        """Every state an action had on the ledger, in order."""
        with self.bus.reader([ACTIONS.name]) as reader:
            messages = reader.catch_up(10.0)
        return [Action.decode(m.value).state.value for m in messages if m.key == action_id]

    def story(self) -> str:
        """What stands on the ledger, for a failing test."""
        self.actions.refresh()
        return "\n".join(
            f"{a.target} {a.kind} {a.state} {a.decision!r} {[o.detail for o in a.outcomes]}"
            for a in self.actions.values()
        )

    def close(self) -> None:
        """Ends everything."""
        for service in self.services:
            service.close()
        self.producer.close()
        self.bus.close()

    def _send(self, topic: str, key: str, record: Record) -> None:
        self.producer.send(topic, key, record.encode())
