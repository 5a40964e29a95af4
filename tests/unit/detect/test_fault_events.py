from __future__ import annotations

from fleetops.detect.detectors.fault_events import FaultEventConfig, FaultEventDetector, action_of
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import FindingStatus, RecommendedAction, Severity
from tests.unit.detect.support import Bench, event

GPU = "node001/gpu3"


def bench(**config: object) -> Bench:
    return Bench(FaultEventDetector(FaultEventConfig.model_validate(config)))


def test_an_xid_is_a_finding_at_once_with_the_codes_action() -> None:
    b = bench()
    (finding,) = b.feed(1, events=[event("accelerator_fallen_off_bus", GPU, 0, code=79)])
    assert (finding.kind, finding.device, finding.host) == (
        "accelerator_fallen_off_bus",
        GPU,
        "node001",
    )
    assert finding.severity is Severity.CRITICAL
    assert finding.action is load_faults().xid(79).action
    assert finding.action.drains
    assert "XID 79" in finding.summary


def test_a_storm_is_one_finding_that_counts() -> None:
    b = bench()
    for second in range(40):
        burst = [
            event("accelerator_nvlink", GPU, second, code=74, number=n, severity=Severity.WARNING)
            for n in range(500)
        ]
        b.feed(second + 1, events=burst)
    assert len(b.firing) == 1
    assert len(b.said) <= 4  # once, then only now and then
    assert "1 occurrence" in b.said[-1].summary


def test_occurrences_are_counted_apart_when_further_apart() -> None:
    b = bench()
    for second in (0, 3, 20, 22, 40):
        b.feed(second + 1, events=[event("accelerator_nvlink", GPU, second, code=74)])
    b.feed(60, events=[event("accelerator_nvlink", GPU, 59, code=74)])
    assert "4 occurrences" in next(iter(b.firing.values())).summary


def test_application_errors_are_no_finding() -> None:
    b = bench()
    noise = [
        event("accelerator_application", GPU, 0, code=45, severity=Severity.INFO, number=n)
        for n in range(1000)
    ]
    assert b.feed(1, events=noise) == []
    asked = event("accelerator_application", GPU, 1, code=31, severity=Severity.INFO)
    (finding,) = b.feed(2, events=[asked])
    assert finding.action is RecommendedAction.CHECK_JOB
    assert finding.severity is Severity.INFO


def test_the_same_event_twice_counts_once() -> None:
    b = bench()
    same = event("accelerator_nvlink", GPU, 0, code=74)
    b.feed(1, events=[same, same])
    b.feed(2, events=[same])
    assert len(b.said) == 1
    assert "events" not in b.said[0].summary


def test_what_does_not_latch_ends_after_a_quiet_time() -> None:
    b = bench(quiet_seconds=60)
    b.feed(1, events=[event("pcie_error", GPU, 0, severity=Severity.WARNING)])
    b.feed(50)
    assert len(b.firing) == 1
    (finding,) = b.feed(70)
    assert finding.status is FindingStatus.CLEARED


def test_an_accelerator_off_the_bus_stays_off() -> None:
    b = bench(quiet_seconds=60)
    b.feed(1, events=[event("accelerator_fallen_off_bus", GPU, 0, code=79)])
    b.feed(86_400)
    assert len(b.firing) == 1


def test_history_read_from_the_start_of_a_log_blames_nobody() -> None:
    b = bench()
    old = event("accelerator_fallen_off_bus", GPU, 0, code=79, read_after=86_400)
    assert b.feed(86_401, events=[old]) == []


def test_what_was_read_while_the_detector_was_away_drains_nothing() -> None:
    b = bench()
    missed = event("accelerator_fallen_off_bus", GPU, 0, code=79)
    (finding,) = b.feed(4 * 3600, events=[missed])
    assert finding.action is RecommendedAction.INSPECT


def test_the_decoders_action_goes_first() -> None:
    told = event("accelerator_nvlink", GPU, 0, code=149).model_copy(
        update={"attributes": {"recommended_action": "drain_and_reset"}}
    )
    assert action_of(told, load_faults()) is RecommendedAction.DRAIN_AND_RESET
    silly = told.model_copy(update={"attributes": {"recommended_action": "explode"}, "code": None})
    assert action_of(silly, load_faults()) is load_faults().kind("accelerator_nvlink").action


def test_unclassified_lines_are_no_finding() -> None:
    b = bench()
    assert b.feed(1, events=[event("unclassified", GPU, 0, severity=Severity.WARNING)]) == []


def test_restart_keeps_latched_findings_and_does_not_say_them_again() -> None:
    b = bench()
    b.feed(1, events=[event("accelerator_fallen_off_bus", GPU, 0, code=79)])
    again = FaultEventDetector(FaultEventConfig())
    again.restore(dict(b.firing))
    b.detector = again
    assert b.feed(2) == []
    # the event is delivered again, because its offset was not committed before the crash
    b.feed(3, events=[event("accelerator_fallen_off_bus", GPU, 0, code=79)])
    assert len(b.firing) == 1
    assert len([f for f in b.said if f.status is FindingStatus.FIRING]) == 1
