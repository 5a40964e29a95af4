"""Control records: JSON both ways, and readers that meet newer writers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from fleetops_schemas.records import (
    Action,
    ActionState,
    Event,
    Finding,
    Incident,
    RecommendedAction,
    Record,
    Severity,
)
from tests.contract.store_data import ACTION, EVENT, FINDING, INCIDENT

RECORDS = [EVENT, FINDING, INCIDENT, ACTION]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_json_both_ways(record: Record) -> None:
    assert type(record).decode(record.encode()) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_fields_of_a_newer_writer_are_ignored(record: Record) -> None:
    data = json.loads(record.encode()) | {"unheard_of": 1}
    assert type(record).decode(json.dumps(data).encode()) == record


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Event, {"time": "2026-11-21T10:00:00"}),
        (Event, {"severity": "bad"}),
        (Event, {"text": "x" * 4097}),
        (Finding, {"status": "maybe"}),
        (Incident, {"verdict": "somebody"}),
        (Action, {"state": "half"}),
    ],
)
def test_what_is_no_record(kind: type[Record], change: dict[str, object]) -> None:
    [record] = [r for r in RECORDS if type(r) is kind]
    with pytest.raises(ValidationError):
        kind.decode(json.dumps(json.loads(record.encode()) | change).encode())


def test_a_number_that_is_none_is_null() -> None:
    evidence = FINDING.evidence[0].model_copy(update={"value": float("nan")})
    assert json.loads(evidence.encode())["value"] is None


def test_times_keep_their_moment() -> None:
    tokyo = EVENT.model_copy(update={"time": datetime.fromisoformat("2026-11-21T19:00:00+09:00")})
    assert Event.decode(tokyo.encode()).time == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_severities_have_an_order() -> None:
    assert [Severity.INFO.rank, Severity.WARNING.rank, Severity.CRITICAL.rank] == [0, 1, 2]


def test_which_actions_drain() -> None:
    assert {action for action in RecommendedAction if action.drains} == {
        RecommendedAction.DRAIN,
        RecommendedAction.DRAIN_AND_RESET,
        RecommendedAction.DRAIN_AND_REPLACE,
    }


def test_which_states_are_final() -> None:
    waiting = {state for state in ActionState if not state.is_final}
    assert waiting == {ActionState.PENDING_APPROVAL, ActionState.APPROVED, ActionState.EXECUTING}
