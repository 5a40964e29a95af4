"""A line whose roles are killed while a scenario runs: how it is run, and how it is judged."""

from __future__ import annotations

import json
import random
import time
from contextlib import closing
from dataclasses import dataclass

from fleetops.bus.view import View
from fleetops.core.clock import SystemClock
from fleetops.ingest.service import IngestService
from fleetops.store.factory import open_store
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Verdict,
)
from fleetops_schemas.topics import ACTIONS, INCIDENTS
from tests.line import TestLine, wait_until
from tests.scenario.accounts import account_of, merged_rows
from tests.scenario.kills import Progress, consumer, kill_at_random, ledger_holder

SCENARIO = "xid_79"
STRUCK = 11
"""Index of the host whose accelerator falls off the bus."""
ROLES = ("ingest", "detect", "operate")
KILLS_BEFORE = 5
KILLS_AFTER = 5
"""Of each role, before the incident opens and from then on."""
DRAIN_SECONDS = 120.0
QUIET_SECONDS = 5.0
"""Long enough for a second incident or a second action to show."""
INGEST_SECONDS = 90.0
TOUCHED_NOTHING = {ActionState.REFUSED, ActionState.CANCELLED, ActionState.EXPIRED}


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the bus says once it is over."""

    incidents: list[Incident]
    actions: list[Action]
    ledger: list[Action]
    """Every record of the ledger, in its order."""


def run_and_kill(line: TestLine, node: str, seed: int) -> dict[str, dict[str, int]]:
    """Runs the scenario under ten kills of each role, until the node is drained; the kills."""
    chance = random.Random(seed)  # noqa: S311  when to kill
    with (
        line.bus() as bus,
        View(bus, INCIDENTS, Incident) as incidents,
        closing(Progress(line.config.bus)) as progress,
    ):
        victims = {
            "ingest": consumer(line, progress, "ingest"),
            "detect": consumer(line, progress, "detect"),
            "operate": ledger_holder(line),
        }

        def opened() -> bool:
            incidents.refresh()
            return any(node in one.suspect_hosts for one in incidents.values())

        line.begin()
        kill_at_random(victims.values(), KILLS_BEFORE, chance, until=opened)
        kill_at_random(victims.values(), KILLS_AFTER, chance, until=lambda: True)
        with View(bus, ACTIONS, Action) as actions:

            def drained() -> bool:
                actions.refresh()
                return any(one.state is ActionState.DONE for one in actions.values())

            wait_until(f"{node} is not drained; logs in {line.folder}", drained, DRAIN_SECONDS)
    time.sleep(QUIET_SECONDS)
    return {name: dict(victim.moments) for name, victim in victims.items()}


def aftermath(line: TestLine) -> Aftermath:
    with line.bus() as bus:
        with bus.reader([ACTIONS.name]) as reader:
            ledger = [Action.decode(message.value) for message in reader.catch_up(30)]
        with View(bus, INCIDENTS, Incident) as incidents:
            incidents.catch_up(30)
            latest = {record.id: record for record in ledger}
            return Aftermath(incidents.values(), list(latest.values()), ledger)


def assert_one_drain(after: Aftermath, node: str) -> None:
    """One cause, one incident, one drain of one node, decided once and done once."""
    blaming = [one for one in after.incidents if one.verdict is not Verdict.COLLECTOR]
    (incident,) = blaming  # a starved machine may leave collectors without an answer
    assert incident.status is IncidentStatus.OPEN
    assert incident.suspect_hosts == (node,)
    acted = [one for one in after.actions if one.state not in TOUCHED_NOTHING]
    (action,) = acted
    assert (action.kind, action.nodes) == (ActionKind.DRAIN, (node,))
    assert (action.state, action.incident_id) == (ActionState.DONE, incident.id)
    done = [one for one in after.ledger if one.state is ActionState.DONE]
    assert len(done) == 1, "it was recorded as done more than once"


def assert_epochs_grow(line: TestLine, after: Aftermath) -> None:
    """Every start of the operate role took the ledger over under an epoch of its own."""
    epochs = [
        json.loads(said)["epoch"]
        for said in line.role("operate").log.read_text("utf-8").splitlines()
        if '"ledger opened"' in said
    ]
    assert epochs == sorted(set(epochs)), "an epoch was used twice"
    assert len(epochs) > KILLS_BEFORE + KILLS_AFTER - 5, epochs
    written = [record.epoch for record in after.ledger]
    assert written == sorted(written)
    assert set(written) <= set(epochs)


def assert_all_is_stored(line: TestLine) -> dict[str, int]:
    """Ingest catches up once more; then everything acknowledged is there, and nothing twice."""
    clock = SystemClock()
    for role in line.roles.values():
        role.stop()
    with line.bus() as bus, open_store(line.config.store, clock) as store:
        account = account_of(bus)
        assert not any(account.gaps.values()), account.gaps
        ingest = IngestService(bus, store, line.config.ingest, clock)
        with closing(ingest):
            deadline = time.monotonic() + INGEST_SECONDS
            while account.differences(store) and time.monotonic() < deadline:
                until = time.monotonic() + 2.0
                while ingest.turn() or time.monotonic() < until:
                    pass
        assert account.differences(store) == []
        assert merged_rows(store) == account.rows
        return {"rows": account.rows, "values": account.values}
