"""Every fault kind, as its file says: where it shows, what it leaves alone, and that it ends."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from fleetops.emulator.fault_kinds import fault_kinds
from fleetops.emulator.fault_shapes import Form
from fleetops.emulator.fault_signature import Mark, Moves
from fleetops.emulator.fault_targets import TargetKind
from fleetops.emulator.model.effects import Scope
from fleetops.emulator.model.fleet import EPOCH
from tests.unit.emulator.fault_cases import CASES
from tests.unit.emulator.fault_trials import COUNTERS, ONSET_TICK, TICK_SECONDS, Trial

NAMES = [case.kind for case in CASES]
LEFT_RATIO = 0.4
"""Of its shift, what a slow reading may still be off when the recovery ends."""


@pytest.fixture(scope="module", params=CASES, ids=NAMES)
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Run once for all tests of a kind."""
    return Trial(request.param, tmp_path_factory.mktemp("truth") / "truth.jsonl")


def window_of(trial: Trial, mark: Mark) -> tuple[int, int]:
    """Ticks over which a mark is looked for: settled ones, but all of them for what counts."""
    begin, end = ONSET_TICK, trial.last
    if mark.moves in COUNTERS:
        return begin - 1, end
    if mark.moves is Moves.VANISHES or trial.kind.shape.form in {Form.PULSE, Form.FADE}:
        return begin, end
    return begin + trial.case.ticks // 3, end


def named_by_others(trial: Trial, mark: Mark) -> list[int]:
    """Rows of other marks of the same metric and sense."""
    alike = (
        other
        for other in trial.kind.signature
        if (other.metric, other.moves) == (mark.metric, mark.moves)
        and other.devices.device_class == mark.devices.device_class
    )
    return [int(row) for other in alike for row in trial.rows(other)]


def test_every_kind_has_a_case() -> None:
    assert sorted(NAMES) == sorted(fault_kinds())


def test_the_signature_shows_on_its_devices_and_on_no_other(trial: Trial) -> None:
    for mark in trial.kind.signature:
        if mark.moves.is_of_delivery:
            continue
        shifts = trial.shifts(mark, *window_of(trial, mark))
        rows = trial.rows(mark)
        least = max(mark.at_least, 1e-9)
        shown = shifts[rows][~np.isnan(shifts[rows])]
        assert len(shown), f"{mark}: nothing to compare"
        assert (shown.max() if mark.some else shown.min()) >= least, f"{mark}: {shown.min()}"
        others = np.delete(shifts, named_by_others(trial, mark))
        spurious = others[~np.isnan(others)] >= least
        assert not spurious.any(), f"{mark}: {int(spurious.sum())} other devices show it too"


def test_nothing_else_changes(trial: Trial) -> None:
    assert trial.changed_outside() == []
    assert trial.outside_rows() > 0 or trial.kind.target is TargetKind.SITE


def test_the_fleet_recovers(trial: Trial) -> None:
    end = len(trial.faulty) + 1
    for mark in trial.kind.signature:
        if mark.moves.is_of_delivery or mark.stays:
            continue
        rows = trial.rows(mark)
        during = trial.shifts(mark, *window_of(trial, mark))[rows]
        after = trial.shifts(mark, end - 12, end)[rows]
        kept = ~np.isnan(during)
        if mark.moves is Moves.RESTARTS:
            continue  # what was counted before is gone for good
        bound = np.maximum(LEFT_RATIO * during[kept], 0.5 * mark.at_least)
        assert (after[kept] <= bound).all(), f"{mark}: still {after[kept].max()}"


def test_the_truth_and_the_logs_say_so(trial: Trial) -> None:
    (episode,) = trial.episodes
    judged = trial.kind.truth.of(trial.scheduled.words)
    assert (episode.kind, episode.verdict, episode.drain) == (
        trial.case.kind,
        judged.verdict,
        judged.drain,
    )
    assert episode.t_on == EPOCH + timedelta(seconds=ONSET_TICK * TICK_SECONDS)
    assert episode.t_off == EPOCH + timedelta(seconds=trial.last * TICK_SECONDS)
    assert bool(trial.lines) == bool(trial.kind.logs)
    owners = {line.owner for line in trial.lines}
    places = trial.schedule.places
    own = {places.site.hosts[host] for host in trial.scheduled.place.extent[Scope.HOST]}
    assert owners <= own
    assert all(
        ONSET_TICK * TICK_SECONDS <= line.at_seconds <= trial.last * TICK_SECONDS
        for line in trial.lines
    )
