"""The operate role end to end: local bus, and a scheduler over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import OperateConfig
from fleetops.core.errors import ConfigError, FencedError
from fleetops.operate.service import OperateService, load_scheduler
from fleetops_schemas.records import (
    ENDED,
    GONE,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    IntentKind,
    RecommendedAction,
    Verdict,
)
from fleetops_schemas.topics import ACTIONS, INTENTS
from tests.integration.operate_bench import OperateBench, a_bus, http_scheduler
from tests.scheduler_server import SchedulerServer
from tests.unit.operate.builders import an_incident

HOSTS = tuple(f"node{n:03}" for n in range(1, 21))


@pytest.fixture
def server() -> Iterator[SchedulerServer]:
    server = SchedulerServer(HOSTS, HOSTS[:8]).start()
    yield server
    server.stop()


class Line:
    """One bench with its running role."""

    def __init__(self, folder: Path, server: SchedulerServer, mode: str, **policy: object) -> None:
        config = OperateConfig.model_validate({"mode": mode, "poll_seconds": 0.1, "policy": policy})
        self.server = server
        self.bench = OperateBench(a_bus(folder), config)
        self.restart()

    def restart(self) -> OperateService:
        """Ends the role, if it runs, and starts it again."""
        for service in self.bench.services:
            service.close()
        return self.second()

    def second(self) -> OperateService:
        """Starts one more, beside whatever runs."""
        return self.bench.serve(http_scheduler(self.server.url))


@pytest.fixture
def line(tmp_path: Path, server: SchedulerServer, request: pytest.FixtureRequest) -> Iterator[Line]:
    settings = dict(getattr(request, "param", {}))
    line = Line(tmp_path, server, settings.pop("mode", "auto"), **settings)
    yield line
    line.bench.close()


def with_mode(mode: str, **policy: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("line", [{"mode": mode, **policy}], indirect=True)


def fresh(ident: str = "inc-1", *hosts: str, **options: object) -> Incident:
    now = SystemClock().now()
    return an_incident(ident, hosts or ("node001",), opened_at=now, **options)  # type: ignore[arg-type]


def test_an_incident_ends_in_one_drain_and_the_whole_story_is_on_the_ledger(line: Line) -> None:
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "done")
    action = line.bench.action_of("node001")
    assert action is not None
    assert line.bench.history_of(action.id) == ["approved", "executing", "done"]
    (outcome,) = action.outcomes
    assert (outcome.before, outcome.attempts) == ("ALLOCATED", 1)
    assert outcome.after == "ALLOCATED+DRAIN fleetops:inc-1 GPU 3 fell off the bus"
    assert line.server.drained() == {"node001": "fleetops:inc-1 GPU 3 fell off the bus"}
    line.bench.publish(fresh())
    line.bench.turn()
    line.restart()
    line.bench.publish(fresh())
    line.bench.turn()
    assert line.server.drains_of("node001") == 1
    assert len(line.bench.actions) == 1


@with_mode("observe")
def test_observe_writes_nothing_to_the_scheduler(line: Line) -> None:
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "refused")
    line.bench.turn()
    assert line.server.writes == []


@with_mode("observe")
def test_a_person_drains_and_undrains_in_any_mode(line: Line) -> None:
    line.bench.ask(IntentKind.DRAIN, "int-1", "node002", "nope", "node003")
    line.bench.until(lambda: line.bench.state_of("node003") == "done")
    assert line.bench.state_of("node002") == "done"
    assert line.bench.state_of("nope") == "refused"
    assert line.server.drained()["node002"] == "fleetops:int-1 RMA 4711"
    line.bench.ask(IntentKind.DRAIN, "int-1", "node002")
    line.bench.ask(IntentKind.DRAIN, "int-2", "node002")
    line.bench.until(lambda: "already" in line.bench.detail_of("node002"))
    line.bench.ask(IntentKind.UNDRAIN, "int-3", "node002")
    line.bench.until(lambda: not line.server.drained().get("node002"))
    line.bench.until(lambda: line.bench.state_of("node002") == "done")
    assert line.server.drains_of("node002") == 1


def test_a_foreign_drain_is_neither_overwritten_nor_lifted(line: Line) -> None:
    line.server.drain("node001", "ops: RMA")
    line.bench.publish(fresh())
    line.bench.ask(IntentKind.UNDRAIN, "int-1", "node001")
    line.bench.until(lambda: line.bench.actions.refresh() or len(line.bench.actions) == 2)
    line.bench.turn()
    line.bench.actions.refresh()
    assert len(line.bench.actions) == 2
    assert {action.state.value for action in line.bench.actions.values()} == {"refused"}
    assert line.server.drained() == {"node001": "ops: RMA"}
    assert len(line.server.writes) == 1


def test_a_drain_lifted_by_hand_is_respected(line: Line) -> None:
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "done")
    line.server.undrain("node001")
    line.bench.until(
        lambda: "left alone" in (line.bench.action_of("node001") or fresh()).model_dump_json()
    )
    seen = line.bench.action_of("node001")
    assert seen is not None
    assert seen.kind is ActionKind.UNDRAIN
    line.bench.publish(fresh("inc-2"))
    line.bench.until(lambda: line.bench.state_of("node001") == "refused")
    line.restart()
    line.bench.turn()
    assert line.server.drained() == {}
    assert line.server.drains_of("node001") == 1


@with_mode("approve")
def test_approval_denial_and_withdrawal(line: Line) -> None:
    hosts = ("node001", "node002", "node003")
    line.bench.publish(*(fresh(f"inc-{host}", host) for host in hosts))
    line.bench.until(lambda: [line.bench.state_of(h) for h in hosts] == ["pending_approval"] * 3)
    line.bench.turn()
    assert line.server.writes == []
    first, second, _ = (line.bench.action_of(host) for host in hosts)
    assert first is not None
    assert second is not None
    line.bench.ask(IntentKind.APPROVE, "int-1", action_id=first.id)
    line.bench.ask(IntentKind.DENY, "int-2", action_id=second.id)
    line.bench.publish(fresh("inc-node003", "node003", status=IncidentStatus.RESOLVED))
    line.bench.until(
        lambda: [line.bench.state_of(h) for h in hosts] == ["done", "denied", "cancelled"]
    )
    decided = line.bench.action_of("node001")
    assert decided is not None
    assert decided.decided_by == "user:ann"
    line.bench.ask(IntentKind.APPROVE, "int-3", action_id=second.id)
    line.bench.turn()
    assert line.server.drained().keys() == {"node001"}


@with_mode("auto", max_drained=1)
def test_what_waits_for_a_cap_goes_ahead_once_there_is_room(line: Line) -> None:
    line.bench.publish(fresh("inc-1", "node010"))
    line.bench.until(lambda: line.bench.state_of("node010") == "done")
    line.bench.publish(fresh("inc-2", "node011"))
    line.bench.until(lambda: line.bench.state_of("node011") == "pending_approval")
    line.bench.turn()
    assert line.server.drained().keys() == {"node010"}
    line.bench.ask(IntentKind.UNDRAIN, "int-1", "node010")
    line.bench.until(lambda: line.bench.state_of("node011") == "done")
    assert line.server.drained().keys() == {"node011"}


@with_mode("approve", approval_expires_seconds=0.3)
def test_an_approval_expires(line: Line) -> None:
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "expired")
    action = line.bench.action_of("node001")
    assert action is not None
    line.bench.ask(IntentKind.APPROVE, "int-1", action_id=action.id)
    line.bench.turn()
    assert line.server.writes == []


def test_a_facility_gets_one_plan_that_waits_for_a_person(line: Line) -> None:
    pump = fresh("inc-7", *HOSTS[:4], verdict=Verdict.FACILITY, action=RecommendedAction.INSPECT)
    line.bench.publish(pump)
    line.bench.until(lambda: line.bench.state_of("cdu1") == "pending_approval")
    line.bench.turn()
    assert line.server.writes == []
    plan = line.bench.action_of("cdu1")
    assert plan is not None
    assert plan.nodes == HOSTS[:4]
    line.server.drain("node002", "ops: RMA")
    line.bench.ask(IntentKind.APPROVE, "int-1", action_id=plan.id)
    line.bench.until(lambda: line.bench.state_of("cdu1") in {"failed", "done"})
    done = line.bench.action_of("cdu1")
    assert done is not None
    assert [o.state.value for o in done.outcomes] == ["done", "refused", "done", "done"]
    assert line.server.drained()["node002"] == "ops: RMA"


@with_mode("auto", breaker_incidents=3, max_drained=20, max_drained_ratio=1.0)
def test_the_breaker_trips_outlives_a_restart_and_only_a_person_resets_it(line: Line) -> None:
    idle = HOSTS[9:12]
    line.bench.publish(*(fresh(f"inc-{host}", host) for host in idle))
    line.bench.until(lambda: line.bench.state_of(idle[-1]) == "refused")
    assert "breaker" in (line.bench.action_of(idle[0]) or fresh()).model_dump_json()
    line.restart()
    line.bench.turn()
    assert line.server.writes == []
    line.bench.ask(IntentKind.RESET_BREAKER, "int-1")
    line.bench.until(lambda: line.server.drained().keys() == set(idle))


def test_troubles_of_the_scheduler_end_in_one_drain(line: Line) -> None:
    line.server.troubles.extend(["error", "lose_answer"])
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "done")
    assert line.server.drains_of("node001") == 1


def test_no_right_is_not_tried_again(line: Line) -> None:
    line.server.troubles.extend(["refuse"] * 9)
    line.bench.publish(fresh())
    line.bench.until(lambda: line.bench.state_of("node001") == "failed")
    line.bench.turn()
    assert "no right" in line.bench.detail_of("node001")
    assert len(line.server.troubles) == 8


def test_a_scheduler_that_is_away_is_waited_for_over_a_restart(line: Line) -> None:
    line.bench.turn()
    line.server.stop()
    line.bench.publish(fresh())
    line.bench.ask(IntentKind.DRAIN, "int-1", "node005")
    line.bench.until(lambda: "waiting for the scheduler" in line.bench.detail_of("node001"))
    line.bench.until(lambda: "waiting for the scheduler" in line.bench.detail_of("node005"))
    assert line.bench.state_of("node001") == "approved"
    line.restart()
    line.bench.turn()
    action = line.bench.action_of("node001")
    assert action is not None
    assert len(line.bench.history_of(action.id)) == 2, "waiting is noted once"
    line.server.start()
    line.bench.until(
        lambda: line.bench.state_of("node001") == line.bench.state_of("node005") == "done"
    )
    assert line.server.drains_of("node001") == 1


def test_started_while_the_scheduler_is_away(tmp_path: Path, server: SchedulerServer) -> None:
    server.stop()
    line = Line(tmp_path, server, "auto", protected_nodes="node006")
    line.bench.publish(fresh())
    line.bench.ask(IntentKind.DRAIN, "int-1", "node005", "node006", "nope")
    line.bench.until(lambda: "waiting for the scheduler" in line.bench.detail_of("nope"))
    assert line.bench.state_of("node006") == "refused"
    server.start()
    targets = ("node001", "node005", "nope")
    line.bench.until(
        lambda: [line.bench.state_of(t) for t in targets] == ["done", "done", "failed"]
    )
    assert server.drained().keys() == {"node001", "node005"}
    line.bench.close()


def test_an_incident_resolved_while_waiting_is_not_acted_on(line: Line) -> None:
    line.bench.turn()
    line.server.stop()
    line.bench.publish(fresh())
    line.bench.until(lambda: "waiting for the scheduler" in line.bench.detail_of("node001"))
    line.bench.publish(fresh(status=IncidentStatus.RESOLVED))
    line.bench.until(lambda: line.bench.state_of("node001") == "cancelled")
    line.server.start()
    line.bench.turn()
    assert line.server.writes == []


def test_of_two_instances_one_acts(line: Line) -> None:
    older = line.bench.services[0]
    line.bench.turn()
    line.second()
    line.bench.turn(2)
    line.bench.publish(fresh())
    with pytest.raises(FencedError):  # noqa: PT012
        for _ in range(50):
            older.turn()
            time.sleep(0.02)
    line.bench.until(lambda: line.bench.state_of("node001") == "done")
    assert line.server.drains_of("node001") == 1


def test_nodes_and_jobs_are_published(line: Line, server: SchedulerServer) -> None:
    nodes, jobs = line.bench.nodes, line.bench.jobs
    line.bench.until(lambda: nodes.refresh() is not None and len(nodes) == len(HOSTS))
    line.bench.until(lambda: jobs.refresh() is not None and "81" in jobs)
    server.drain("node009", "ops: x")
    line.bench.until(
        lambda: nodes.refresh() is not None and (node := nodes.get("node009")) and node.drained
    )
    changed = nodes.refresh()
    line.bench.turn(30)
    assert len(nodes.refresh()) + len(changed) < len(HOSTS), "only changes are sent in between"
    smaller = SchedulerServer(HOSTS[:5])
    server.stop()
    smaller._port = server._port
    smaller.start()
    line.bench.until(
        lambda: (
            nodes.refresh() is not None
            and (node := nodes.get("node020")) is not None
            and node.states == (GONE,)
        )
    )
    line.bench.until(
        lambda: (
            jobs.refresh() is not None
            and (job := jobs.get("81")) is not None
            and (job.state, job.nodes) == (ENDED, ())
        )
    )
    smaller.stop()


def test_a_poisoned_intent_is_put_aside_and_the_rest_goes_on(line: Line) -> None:
    line.bench.producer.send(INTENTS.name, "bad", b"no json")
    line.bench.ask(IntentKind.DRAIN, "int-1", "node005")
    line.bench.until(lambda: line.bench.state_of("node005") == "done")
    with line.bench.bus.reader(["fleetops.dead_letter"]) as reader:
        (letter,) = reader.catch_up(5.0)
    assert letter.value == b"no json"


def test_what_no_holder_wrote_on_the_ledger_counts_for_nothing(line: Line) -> None:
    line.bench.ask(IntentKind.DRAIN, "int-1", "node005")
    line.bench.until(lambda: line.bench.state_of("node005") == "done")
    action = line.bench.action_of("node005")
    assert action is not None
    forged = action.model_copy(update={"state": ActionState.APPROVED, "epoch": 10**6})
    line.bench.producer.send(ACTIONS.name, action.id, forged.encode())
    line.bench.producer.send(ACTIONS.name, "x", b"no json")
    line.bench.producer.flush(5.0)
    line.bench.ask(IntentKind.DRAIN, "int-2", "node006")
    line.bench.until(lambda: line.bench.state_of("node006") == "done")
    line.restart()
    line.bench.until(lambda: line.bench.history_of(action.id)[-1] == "done")
    assert line.server.drains_of("node005") == 1


def test_wrong_options_are_named() -> None:
    clock = SystemClock()
    with pytest.raises(ConfigError, match="installed: emulated, slurm"):
        load_scheduler(OperateConfig(scheduler="nope"), clock)
    options = {"bin_dirr": "x"}
    with pytest.raises(ConfigError, match=r"operate\.scheduler_options: bin_dirr: unknown key"):
        load_scheduler(OperateConfig(scheduler="slurm", scheduler_options=options), clock)
