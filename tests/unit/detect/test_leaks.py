from __future__ import annotations

from fleetops.detect.detectors.leaks import LeakConfig, LeakDetector
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import RecommendedAction, Severity
from tests.unit.detect.support import Bench, Value, rows

TRAY = "node001/leak0"


def bench(**config: object) -> Bench:
    return Bench(LeakDetector(LeakConfig.model_validate(config)))


def feed(b: Bench, second: float, device: str = TRAY, **values: Value | Quality) -> None:
    b.feed(second, rows("coolant_unit", second, {device: values}))


def test_a_warning_is_an_incident_and_no_drain() -> None:
    b = bench()
    feed(b, 0, leak_state=1, leak_detector_ok=1)
    assert b.firing == {}  # one wet reading may be a glitch
    feed(b, 1, leak_state=1, leak_detector_ok=1)
    (finding,) = b.firing.values()
    assert (finding.severity, finding.action) == (Severity.WARNING, RecommendedAction.INSPECT)
    assert finding.host == "node001"


def test_critical_in_a_tray_drains_its_host() -> None:
    b = bench()
    for second in range(2):
        feed(b, second, leak_state=2, leak_detector_ok=1)
    (finding,) = b.firing.values()
    assert (finding.severity, finding.action) == (Severity.CRITICAL, RecommendedAction.DRAIN)


def test_critical_at_the_coolant_unit_or_manifold_drains_nobody() -> None:
    for device in ("cdu1/leak0", "r01/manifold"):
        b = bench()
        for second in range(2):
            feed(b, second, device, leak_state=2, leak_detector_ok=1)
        (finding,) = b.firing.values()
        assert finding.host is None
        assert finding.action is RecommendedAction.INSPECT


def test_a_leak_is_latched_though_it_dries() -> None:
    b = bench()
    for second in range(2):
        feed(b, second, leak_state=2, leak_detector_ok=1)
    for second in range(2, 300, 10):
        feed(b, second, leak_state=0, leak_detector_ok=1)
    assert len(b.firing) == 1


def test_it_rises_from_warning_to_critical_and_never_back() -> None:
    b = bench()
    for second, level in enumerate([1, 1, 2, 2, 1, 1, 1]):
        feed(b, second, leak_state=level, leak_detector_ok=1)
    (finding,) = b.firing.values()
    assert finding.severity is Severity.CRITICAL


def test_a_broken_detector_is_never_a_leak() -> None:
    b = bench()
    for second in range(5):
        feed(b, second, leak_state=2, leak_detector_ok=0)
    assert b.kinds() == {TRAY: "coolant_leak_detector_fault"}
    feed(b, 6, leak_state=0, leak_detector_ok=1)
    assert b.firing == {}


def test_no_state_with_a_reason_is_a_fault_of_the_detector() -> None:
    b = bench()
    for second in range(2):
        feed(b, second, leak_state=Quality.MISSING)
    assert b.firing == {}
    feed(b, 2, leak_state=Quality.MISSING)
    assert b.kinds() == {TRAY: "coolant_leak_detector_fault"}


def test_what_is_no_detector_and_what_is_not_installed_are_nothing() -> None:
    b = bench()
    for second in range(5):
        feed(b, second, "cdu1", supply_temperature_celsius=32.0)
        feed(b, second, TRAY, leak_state=Quality.ABSENT)
    assert b.firing == {}


def test_one_glitch_is_nothing() -> None:
    b = bench()
    for second in range(20):
        feed(b, second, leak_state=2 if second % 5 == 0 else 0, leak_detector_ok=1)
    assert b.firing == {}


def test_restart_keeps_the_latch_and_the_level() -> None:
    b = bench()
    for second in range(2):
        feed(b, second, leak_state=1, leak_detector_ok=1)
    again = LeakDetector(LeakConfig())
    again.restore(dict(b.firing))
    b.detector = again
    said = len(b.said)
    for second in range(2, 6):
        feed(b, second, leak_state=1, leak_detector_ok=1)
    assert len(b.said) == said
    for second in range(6, 8):
        feed(b, second, leak_state=2, leak_detector_ok=1)
    (finding,) = b.firing.values()
    assert finding.severity is Severity.CRITICAL
