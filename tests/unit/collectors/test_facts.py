"""Facts on their way out: sent when they change, now and then, and forgotten once they are over."""

from __future__ import annotations

from datetime import UTC, datetime

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.runner.facts import STATE_REFRESH_SECONDS, Facts
from fleetops_schemas.records import ENDED, GONE, Job, NodeState

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def scrape(*, node: str = "IDLE", job: str = "RUNNING") -> Scrape:
    facts = Scrape(Target(name="cluster1"), NOW)
    facts.nodes = [NodeState(node="n1", states=(node,), drained=False, busy=False, observed_at=NOW)]
    facts.jobs = [Job(id="7", state=job, observed_at=NOW)]
    return facts


def test_a_state_is_sent_when_it_changes_and_now_and_then() -> None:
    clock = ManualClock(NOW)
    facts = Facts(clock)
    assert [one.key for one in facts.due(scrape())] == ["n1", "7"]
    assert facts.due(scrape()) == []
    assert [one.key for one in facts.due(scrape(job="COMPLETING"))] == ["7"]
    clock.advance(STATE_REFRESH_SECONDS)
    assert [one.key for one in facts.due(scrape(job="COMPLETING"))] == ["n1", "7"]


def test_what_is_over_is_told_and_forgotten() -> None:
    facts = Facts(ManualClock(NOW))
    facts.due(scrape())
    assert [one.key for one in facts.due(scrape(node=GONE, job=ENDED))] == ["n1", "7"]
    assert facts._sent == {}, "jobs come and go for years"
