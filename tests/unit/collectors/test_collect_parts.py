# ruff: noqa: S311  (seeded jitter, nothing secret)
"""Breaker, schedule, and the reading of the collectors' configuration."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.core.errors import ConfigError
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.kernel_log import KernelLogCollector
from fleetops_collectors.runner.breaker import FAILURES_TO_OPEN, Breaker
from fleetops_collectors.runner.schedule import Schedule


def test_a_breaker_opens_at_the_third_failure_and_closes_on_success() -> None:
    breaker = Breaker(10.0, Random(1))
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0.0)
        assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert breaker.open
    assert not breaker.allows(9.9)
    assert breaker.allows(20.0)
    breaker.succeeded()
    assert not breaker.open


@given(st.integers(0, 200), st.integers(3, 200), st.floats(0.1, 3600))
def test_a_dead_target_is_always_tried_again_in_bounded_time(
    seed: int, failures: int, interval: float
) -> None:
    breaker = Breaker(interval, Random(seed))
    for _ in range(failures):
        breaker.failed(100.0)
    longest = max(60.0, interval)
    assert breaker.allows(100.0 + longest)
    assert not breaker.allows(100.0 + min(2 * interval, longest) * 0.49)


def test_targets_that_died_together_do_not_return_together() -> None:
    rng = Random(3)
    breakers = [Breaker(10.0, rng) for _ in range(50)]
    for breaker in breakers:
        for _ in range(5):
            breaker.failed(0.0)
    back = sum(breaker.allows(45.0) for breaker in breakers)
    assert 10 < back < 40


def test_racks_are_spread_over_the_interval_and_keep_their_phase() -> None:
    waits = [
        Schedule(f"redfish/r{rack:02d}", 30.0, 1000.0, Random(1)).wait_seconds(1000.0)
        for rack in range(100)
    ]
    assert min(waits) < 3
    assert max(waits) > 27
    assert max(waits) <= 31
    again = Schedule("redfish/r07", 30.0, 5000.0, Random(1)).wait_seconds(5000.0)
    assert again == pytest.approx(waits[7])


def test_rounds_that_were_overtaken_are_counted_and_not_made_up() -> None:
    schedule = Schedule("x", 10.0, 0.0, Random(1))
    phase = schedule.wait_seconds(0.0)
    first = phase // 1
    assert schedule.advance(first) == 0
    assert schedule.advance(first + 45.0) == 3
    assert 0 < schedule.wait_seconds(first + 45.0) <= 11


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_after_any_round_the_next_is_due_within_an_interval(durations: list[float]) -> None:
    schedule = Schedule("x", 10.0, 0.0, Random(1))
    now = 0.0
    for duration in durations:
        now += schedule.wait_seconds(now) + duration
        schedule.advance(now)
        assert schedule.wait_seconds(now) <= 10.0 + 0.5


def test_a_collector_is_named_by_its_kind_where_it_has_no_name() -> None:
    (parsed,) = parse_collectors([{"kind": "kernel_log", "targets": [{"name": "n1"}]}])
    assert parsed.config.name == "kernel_log"
    assert parsed.collector_class is KernelLogCollector


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"name": "k"}], r"collectors\.0 \(k\): kind: missing; name one of: .*kernel_log"),
        ([{"kind": "smoke"}], r"collectors\.0 \(smoke\): kind: no collector named 'smoke'"),
        (
            [{"kind": "kernel_log", "name": "k", "intervall_seconds": 3}],
            r"collectors\.0 \(k\): intervall_seconds: unknown key",
        ),
        (
            [{"kind": "kernel_log", "name": "k", "targets": [{"name": "a", "interval": 1}]}],
            r"collectors\.0 \(k\): targets\.0\.interval: unknown key",
        ),
        (
            [{"kind": "kernel_log", "interval_seconds": 0}],
            r"interval_seconds: .*greater than or equal",
        ),
        ([{"kind": "kernel_log"}, {"kind": "kernel_log"}], "'kernel_log' is given twice"),
        (
            [{"kind": "kernel_log", "targets": [{"name": "a"}, {"name": "a"}]}],
            "targets: named twice: a",
        ),
    ],
)
def test_a_wrong_entry_names_collector_key_and_remedy(
    entries: list[dict[str, object]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_collectors(entries)
