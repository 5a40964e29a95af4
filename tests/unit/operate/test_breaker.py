"""The circuit breaker."""

from __future__ import annotations

from datetime import timedelta

from fleetops.core.config import PolicyConfig
from fleetops.operate.breaker import Breaker
from fleetops_schemas.records import Incident, IntentKind, RecommendedAction, Verdict
from tests.unit.operate.builders import NOW, an_incident, an_intent

POLICY = PolicyConfig(breaker_incidents=3, breaker_window_seconds=60)


def blamed(count: int, seconds_apart: float = 1.0, first: float = 0.0) -> list[Incident]:
    return [
        an_incident(
            f"inc-{n}",
            (f"node{n:03}",),
            opened_at=NOW + timedelta(seconds=first + n * seconds_apart),
        )
        for n in range(count)
    ]


def test_trips_on_many_hosts_within_the_window() -> None:
    breaker = Breaker(POLICY)
    assert not breaker.weigh(blamed(2))
    assert breaker.weigh(blamed(3))
    assert breaker.why is not None
    assert "3 hosts" in breaker.why
    assert not breaker.weigh(blamed(4)), "it is tripped already"


def test_hosts_far_apart_in_time_do_not_trip_it() -> None:
    assert not Breaker(POLICY).weigh(blamed(10, seconds_apart=31))


def test_one_host_blamed_often_does_not_trip_it() -> None:
    assert not Breaker(POLICY).weigh([an_incident(f"inc-{n}") for n in range(9)])


def test_what_would_not_drain_does_not_count() -> None:
    hosts = [f"node{n:03}" for n in range(9)]
    breaker = Breaker(POLICY)
    assert not breaker.weigh([an_incident(hosts=hosts, verdict=Verdict.FACILITY)])
    assert not breaker.weigh([an_incident(hosts=hosts, action=RecommendedAction.INSPECT)])
    assert breaker.weigh([an_incident(hosts=hosts)])


def test_only_a_reset_after_the_trip_opens_it_and_old_blame_is_forgotten() -> None:
    breaker = Breaker(POLICY)
    breaker.weigh(blamed(3))
    breaker.hear(an_intent(IntentKind.TRIP_BREAKER, ident="trip"), 4)
    assert breaker.why == "RMA 4711"
    reset = an_intent(IntentKind.RESET_BREAKER, ident="reset").model_copy(
        update={"created_at": NOW + timedelta(seconds=10)}
    )
    breaker.hear(reset, 5)
    assert breaker.why is None
    assert breaker.reset_id == "reset"
    assert not breaker.weigh(blamed(3))
    breaker.hear(an_intent(IntentKind.TRIP_BREAKER, ident="trip"), 4)
    assert breaker.why is None, "an old record heard again changes nothing"
    assert breaker.weigh(blamed(3, first=11))
