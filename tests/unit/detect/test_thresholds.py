from __future__ import annotations

import pytest
from pydantic import ValidationError

from fleetops.detect.detectors.thresholds import ThresholdConfig, ThresholdDetector
from fleetops.detect.threshold_rule import ThresholdRule, shipped_rules
from fleetops_schemas.faults import load_faults
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import FindingStatus, RecommendedAction
from tests.unit.detect.support import Batch, Bench, Value, rows

GPU = "node001/gpu0"


def bench(**config: object) -> Bench:
    return Bench(ThresholdDetector(ThresholdConfig.model_validate(config)))


def gpu(seconds: float, **values: Value | Quality) -> Batch:
    return rows("accelerator", seconds, {GPU: values})


def test_every_shipped_rule_names_a_known_kind_and_its_source() -> None:
    for name, rule in shipped_rules().items():
        assert rule.kind in load_faults().kinds, name
        assert len(rule.source) > 20, name


def test_hot_only_after_the_hold_time_and_cleared_with_hysteresis() -> None:
    b = bench()
    for second in range(5):
        assert b.feed(second, gpu(second, temperature_celsius=91.0)) == []
    (finding,) = b.feed(5, gpu(5, temperature_celsius=91.0))
    assert finding.kind == "accelerator_hot"
    assert finding.host == "node001"
    assert finding.started_at.second == 0
    assert finding.evidence[0].value == 91.0
    assert finding.evidence[0].reference == 88.0
    assert "91.0 Cel" in finding.summary
    for second in range(6, 30):  # between the limits: neither
        b.feed(second, gpu(second, temperature_celsius=86.0))
        assert b.kinds() == {GPU: "accelerator_hot"}
    said = [f for s in range(30, 42) for f in b.feed(s, gpu(s, temperature_celsius=70.0))]
    assert [f.status for f in said][-1] is FindingStatus.CLEARED
    assert b.firing == {}


def test_a_short_spike_is_nothing() -> None:
    b = bench()
    for second in range(20):
        hot = second % 4 == 0
        assert b.feed(second, gpu(second, temperature_celsius=95.0 if hot else 60.0)) == []


def test_null_neither_raises_nor_clears() -> None:
    b = bench()
    for second in range(8):
        b.feed(second, gpu(second, temperature_celsius=95.0))
    assert b.kinds() == {GPU: "accelerator_hot"}
    for second in range(8, 60):
        b.feed(second, gpu(second, temperature_celsius=Quality.STALE))
    assert b.kinds() == {GPU: "accelerator_hot"}


@pytest.mark.parametrize(
    ("bits", "fires"), [(0x20, True), (0x40, True), (0x8, True), (0x4, False), (0x1, False)]
)
def test_throttle_reasons_by_bit(bits: int, *, fires: bool) -> None:
    b = bench()
    for second in range(12):
        b.feed(second, gpu(second, throttle_reasons=bits))
    assert (b.kinds().get(GPU) == "accelerator_throttled") is fires


def test_two_rules_of_one_kind_are_one_finding() -> None:
    b = bench()
    for second in range(8):
        b.feed(second, gpu(second, temperature_celsius=95.0, memory_temperature_celsius=101.0))
    assert len(b.firing) == 1
    for second in range(8, 40):  # the core cools, the memory does not
        b.feed(second, gpu(second, temperature_celsius=60.0, memory_temperature_celsius=101.0))
    assert b.kinds() == {GPU: "accelerator_hot"}
    for second in range(40, 60):
        b.feed(second, gpu(second, temperature_celsius=60.0, memory_temperature_celsius=70.0))
    assert b.firing == {}


def flows(seconds: float, low: float, others: float, count: int = 8) -> Batch:
    values = {f"node{n:03d}": {"coolant_flow_litres_per_minute": others} for n in range(2, count)}
    return rows("host", seconds, {"node001": {"coolant_flow_litres_per_minute": low}, **values})


def test_host_flow_against_its_loop() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, flows(second, 2.0, 9.4))
    assert b.kinds() == {"node001": "host_coolant_flow_low"}
    assert "of the 9.4 L/min median of its loop" in next(iter(b.firing.values())).summary


def test_host_flow_low_everywhere_is_no_hosts_fault() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, flows(second, 4.0, 4.1))
    assert b.firing == {}


def test_host_flow_without_enough_peers_is_not_judged() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, flows(second, 2.0, 9.4, count=3))
    assert b.firing == {}


def cdu(seconds: float, flow: float, rated: float | None = None) -> Batch:
    values: dict[str, Value | Quality] = {"flow_litres_per_minute": flow}
    if rated is not None:
        values["rated_flow_litres_per_minute"] = rated
    return rows("coolant_unit", seconds, {"cdu1": values})


def test_coolant_flow_against_its_own_past() -> None:
    b = bench()
    for second in range(30):
        b.feed(second, cdu(second, 150.0 + second % 3))
    assert b.firing == {}
    for second in range(30, 45):
        b.feed(second, cdu(second, 90.0))
    (finding,) = b.firing.values()
    assert (finding.kind, finding.host) == ("coolant_flow_low", None)
    for second in range(45, 400, 5):  # its past does not follow the fault
        b.feed(second, cdu(second, 90.0))
    assert len(b.firing) == 1
    for second in range(400, 430):
        b.feed(second, cdu(second, 150.0))
    assert b.firing == {}


def test_coolant_flow_against_its_rating_needs_no_past() -> None:
    b = bench()
    for second in range(8):
        b.feed(second, cdu(second, 70.0, 150.0))
    assert b.kinds() == {"cdu1": "coolant_flow_low"}
    b = bench()
    for second in range(60):
        b.feed(second, cdu(second, 100.0, 150.0))  # sized with reserve
    assert b.firing == {}


def pumps(seconds: float, first: float, second: float) -> Batch:
    speeds = {"cdu1/pump1": first, "cdu1/pump2": second}
    return rows("coolant_unit", seconds, {d: {"pump_speed_ratio": s} for d, s in speeds.items()})


def test_a_pump_slower_than_its_sibling() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, pumps(second, 0.8, 0.8))
    for second in range(10, 20):
        b.feed(second, pumps(second, 0.1, 0.9))
    (finding,) = b.firing.values()
    assert (finding.kind, finding.device) == ("coolant_pump_degraded", "cdu1/pump1")
    assert finding.host is None


def test_a_standby_pump_that_never_ran_is_no_fault() -> None:
    b = bench()
    for second in range(20):
        b.feed(second, pumps(second, 0.0, 0.8))
    assert b.firing == {}


def test_a_port_that_never_was_up_is_unused() -> None:
    b = bench()
    for second in range(10):
        ports = {"node001/nic0": {"link_state": 0}, "node001/nic1": {"link_state": 1}}
        b.feed(second, rows("fabric_port", second, ports))
    for second in range(10, 20):
        ports = {"node001/nic0": {"link_state": 0}, "node001/nic1": {"link_state": 0}}
        b.feed(second, rows("fabric_port", second, ports))
    assert b.kinds() == {"node001/nic1": "link_down"}


def test_restart_keeps_what_fires_until_readings_say_otherwise() -> None:
    b = bench()
    for second in range(8):
        b.feed(second, gpu(second, temperature_celsius=95.0))
    again = ThresholdDetector(ThresholdConfig())
    again.restore(dict(b.firing))
    b.detector = again
    assert b.feed(9) == []
    assert b.feed(10, gpu(10, temperature_celsius=Quality.MISSING)) == []
    assert b.kinds() == {GPU: "accelerator_hot"}
    for second in range(11, 25):
        b.feed(second, gpu(second, temperature_celsius=60.0))
    assert b.firing == {}


def test_a_device_no_longer_read_is_forgotten_in_the_end() -> None:
    b = bench(forget_seconds=100)
    for second in range(8):
        b.feed(second, gpu(second, temperature_celsius=95.0))
    b.feed(90)
    assert len(b.firing) == 1
    b.feed(200)
    assert b.firing == {}


def test_rules_are_data() -> None:
    rule = {
        "device_class": "accelerator",
        "metric": "power_watts",
        "kind": "accelerator_power_high",
        "raise_at": 600,
        "clear_at": 550,
        "for_seconds": 0,
        "source": "our own limit",
    }
    b = bench(rules={"ours": rule}, disabled=["accelerator_temperature"])
    b.feed(0, gpu(0, power_watts=650.0, temperature_celsius=99.0))
    b.feed(9, gpu(9, power_watts=650.0, temperature_celsius=99.0))
    assert b.kinds() == {GPU: "accelerator_power_high"}
    assert next(iter(b.firing.values())).action is RecommendedAction.WATCH


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "warmth"}, "no metric 'warmth'"),
        ({"device_class": "toaster"}, "no device class 'toaster'"),
        ({"clear_at": 1.0}, "leave room"),
        ({"relative_to": "rated"}, "reference_metric"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_bad_rule_says_what_is_wrong(change: dict[str, object], words: str) -> None:
    rule = {
        "device_class": "accelerator",
        "metric": "power_watts",
        "kind": "accelerator_power_high",
        "raise_at": 1.0,
        "clear_at": 0.9,
        "source": "a test",
    }
    with pytest.raises(ValidationError, match=words):
        ThresholdRule.model_validate(rule | change)
