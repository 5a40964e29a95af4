"""A real API for tests: uvicorn over a local bus and an embedded store, served by the real loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, SecretStr

from fleetops.api.client import Client
from fleetops.api.service import ApiService
from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import (
    ApiConfig,
    BusConfig,
    ClientConfig,
    Config,
    StoreConfig,
    TokenConfig,
)
from fleetops.core.service import run
from fleetops.store.base import Store
from fleetops.store.factory import open_store
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Intent,
    NodeState,
    RecommendedAction,
    Severity,
    Verdict,
)
from fleetops_schemas.topics import INTENTS, Topic, all_topics
from fleetops_schemas.topology import HostPlacement

NOW = datetime.now(UTC)
TOKENS = {"viewer": "view-token", "operator": "operate-token", "admin": "admin-token"}
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class ApiRig:
    """What a test of the API holds."""

    bus: Bus
    store: Store
    config: Config
    url: str

    def client(self, role: str | None = "operator") -> Client:
        token = SecretStr(TOKENS[role]) if role else None
        return Client(ClientConfig(url=self.url, token=token))

    def publish(self, topic: Topic, *records: tuple[str, BaseModel]) -> None:
        with self.bus.producer() as producer:
            for key, record in records:
                producer.send(topic.name, key, record.model_dump_json().encode())
            producer.flush(10.0)

    def intents(self) -> list[Intent]:
        with self.bus.reader([INTENTS.name]) as reader:
            return [Intent.decode(message.value) for message in reader.catch_up(10.0)]


@contextmanager
def api_rig(
    folder: Path, *, tokens: bool = True, bus_config: BusConfig | None = None
) -> Iterator[ApiRig]:
    """Serves an empty fleet from ``folder``."""
    config = Config(
        state_dir=folder,
        bus=bus_config or BusConfig(path=folder / "bus.sqlite"),
        store=StoreConfig(path=folder / "store"),
        api=ApiConfig(
            port=0,
            tokens=tuple(
                TokenConfig.model_validate({"name": f"{role}-1", "role": role, "token": token})
                for role, token in (TOKENS.items() if tokens else ())
            ),
        ),
    )
    clock, stop = SystemClock(), threading.Event()
    with open_bus(config.bus, clock) as bus, open_store(config.store, clock) as store:
        bus.ensure_topics(all_topics())
        store.migrate()
        service = ApiService(bus, store, config, clock)
        service.start()
        loop = threading.Thread(target=run, args=(service, stop, clock, 0.02))
        loop.start()
        try:
            yield ApiRig(bus, store, config, service.url)
        finally:
            stop.set()
            loop.join(PATIENCE_SECONDS)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits until the condition holds; fails naming what did not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what}"
        time.sleep(0.02)


def placement(host: str, rack: str = "r01", position: int = 0) -> tuple[str, HostPlacement]:
    placed = HostPlacement(
        host=host, rack=rack, rack_position=position, coolant_loop="cdu1", leaf_switch="leaf1"
    )
    return host, placed


def node_state(node: str, *states: str, reason: str = "", jobs: tuple[str, ...] = ()) -> NodeState:
    return NodeState(
        node=node,
        states=states or ("IDLE",),
        drained="DRAIN" in states,
        busy=bool(jobs),
        reason=reason,
        jobs=jobs,
        observed_at=NOW,
    )


def incident(
    number: int, host: str, *, severity: Severity = Severity.CRITICAL, is_open: bool = True
) -> Incident:
    return Incident(
        id=f"inc-{number:04}",
        status=IncidentStatus.OPEN if is_open else IncidentStatus.RESOLVED,
        verdict=Verdict.HARDWARE,
        kind="accelerator_hot",
        cause_device=f"{host}/gpu0",
        cause_device_class="accelerator",
        severity=severity,
        title=f"{host}/gpu0 is hot",
        explanation="96 Cel against a median of 61 of its peers",
        action=RecommendedAction.DRAIN,
        suspect_hosts=(host,),
        opened_at=NOW + timedelta(seconds=number),
        updated_at=NOW + timedelta(seconds=number),
        resolved_at=None if is_open else NOW + timedelta(seconds=number),
    )


def action(
    number: int,
    node: str,
    state: ActionState = ActionState.PENDING_APPROVAL,
    *,
    intent_id: str = "intent-1",
) -> Action:
    return Action(
        id=f"act-{number:04}",
        intent_id=intent_id,
        kind=ActionKind.DRAIN,
        target=node,
        nodes=(node,),
        state=state,
        reason="too hot",
        requested_by="fleetops:planner",
        incident_id="inc-0001",
        created_at=NOW + timedelta(seconds=number),
        updated_at=NOW + timedelta(seconds=number),
    )
