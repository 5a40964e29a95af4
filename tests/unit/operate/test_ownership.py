"""Whose drain it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.operate.ownership import (
    MAX_REASON_CHARACTERS,
    Owner,
    clean_reason,
    describe,
    drain_reason,
    ident_of,
    is_spare,
    owner_of,
    reason_in,
)
from tests.unit.operate.builders import a_node


@pytest.mark.parametrize(
    ("flags", "reason", "owner"),
    [
        (("IDLE",), "", Owner.NOBODY),
        (("IDLE", "DRAIN"), "fleetops:inc-1 hot", Owner.FLEETOPS),
        (("IDLE", "DRAIN"), "fleetops-other: x", Owner.OTHER),
        (("IDLE", "DRAIN"), "not fleetops:inc-1", Owner.OTHER),
        (("IDLE", "DRAIN"), "", Owner.OTHER),
        (("IDLE",), "fleetops:inc-1 hot", Owner.NOBODY),
        (("IDLE",), "ops: RMA", Owner.NOBODY),
        (("DOWN",), "Not responding", Owner.OTHER),
        (("DOWN",), "", Owner.NOBODY),
        (("DOWN",), "fleetops:inc-1 hot", Owner.NOBODY),
    ],
)
def test_owner(flags: tuple[str, ...], reason: str, owner: Owner) -> None:
    assert owner_of(a_node("n", *flags, reason=reason), "fleetops") is owner


@given(st.text(max_size=600), st.text(min_size=1, max_size=40))
def test_a_reason_is_one_clean_line_that_names_its_ident(text: str, ident: str) -> None:
    reason = drain_reason("fleetops", ident, text)
    assert len(reason) <= MAX_REASON_CHARACTERS
    assert reason == clean_reason(reason)
    assert '"' not in reason
    assert reason.isprintable()
    assert ident_of("fleetops", reason) is not None


def test_ident() -> None:
    assert ident_of("fleetops", drain_reason("fleetops", "inc-1", "hot")) == "inc-1"
    assert ident_of("fleetops", "fleetops:") == ""
    assert ident_of("fleetops", "ops:inc-1") is None


def test_a_description_gives_its_reason_back() -> None:
    state = a_node("n", "IDLE", "DRAIN", reason="fleetops:inc-1 too hot")
    assert describe(state) == "IDLE+DRAIN fleetops:inc-1 too hot"
    assert reason_in(describe(state)) == state.reason
    assert reason_in(describe(a_node("n"))) == ""


def test_a_spare_is_idle_and_nothing_else() -> None:
    assert is_spare(a_node("n"))
    assert is_spare(a_node("n", "IDLE", "CLOUD"))
    for flags in (("ALLOCATED",), ("IDLE", "DRAIN"), ("IDLE", "MAINT"), ("IDLE", "POWERED_DOWN")):
        assert not is_spare(a_node("n", *flags))
