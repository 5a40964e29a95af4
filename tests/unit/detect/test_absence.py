from __future__ import annotations

from collections.abc import Iterable

from fleetops.detect.detectors.absence import AbsenceConfig, AbsenceDetector
from fleetops_schemas.records import CollectorReport, FindingStatus, TargetReport
from tests.unit.detect.support import Batch, Bench, at, report, rows

HOSTS = [f"node{n:03d}" for n in range(1, 7)]


def bench(**config: object) -> Bench:
    return Bench(AbsenceDetector(AbsenceConfig.model_validate({"min_seconds": 3, **config})))


def targets(second: float, down: Iterable[str] = ()) -> list[TargetReport]:
    return [
        TargetReport(
            target=host,
            host=host,
            up=host not in down,
            last_success_at=at(second) if host not in down else at(0),
            error="timed out" if host in down else "",
        )
        for host in HOSTS
    ]


def gpus(second: float, without: Iterable[str] = ()) -> Batch:
    names = [f"{host}/gpu{n}" for host in HOSTS for n in range(2)]
    values = {name: {"power_watts": 500.0} for name in names if name not in set(without)}
    return rows("accelerator", second, values, collector="dcgm")


def beat(second: float, *collectors: str, down: Iterable[str] = ()) -> list[CollectorReport]:
    return [report(name, second, targets(second, down)) for name in collectors]


def test_all_is_well() -> None:
    b = bench()
    for second in range(30):
        assert b.feed(second, gpus(second), reports=beat(second, "dcgm", "redfish")) == []


def test_a_vanished_accelerator_while_its_host_answers() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, gpus(second), reports=beat(second, "dcgm"))
    for second in range(10, 20):
        gone = gpus(second, without=["node002/gpu1"])
        b.feed(second, gone, reports=beat(second, "dcgm"))
    (finding,) = b.firing.values()
    assert (finding.kind, finding.device, finding.host) == (
        "device_absent",
        "node002/gpu1",
        "node002",
    )
    for second in range(20, 23):
        b.feed(second, gpus(second), reports=beat(second, "dcgm"))
    assert b.firing == {}


def test_all_accelerators_of_a_host_vanish_though_its_exporter_answers() -> None:
    b = bench()
    both = ["node002/gpu0", "node002/gpu1"]
    for second in range(30):
        gone = both if second >= 10 else []
        b.feed(second, gpus(second, without=gone), reports=beat(second, "dcgm"))
    assert sorted(b.kinds()) == both


def test_a_collector_that_stops_is_one_finding_and_its_devices_none() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, gpus(second), reports=beat(second, "dcgm", "redfish", "kernel_log"))
    for second in range(10, 60):
        b.feed(second)
    assert b.kinds() == {"collect-1": "collector_silent"}
    assert len(b.said) <= 5
    assert "dcgm, kernel_log, redfish" in next(iter(b.firing.values())).summary
    b.feed(60, reports=beat(60, "dcgm", "redfish", "kernel_log"))
    assert b.firing == {}


def test_collectors_of_one_process_with_other_intervals_are_one_finding() -> None:
    b = bench()
    for second in range(12):
        slow = [report("redfish", second, interval=10.0)] if second % 10 == 0 else []
        b.feed(second, reports=[report("dcgm", second), *slow])
    seen: set[str] = set()
    for second in range(12, 80):
        b.feed(second)
        seen |= set(b.kinds())
    assert seen == {"collect-1"}


def test_one_collector_of_a_process_that_goes_on() -> None:
    b = bench()
    for second in range(40):
        names = ["dcgm", "redfish"] if second < 10 else ["dcgm"]
        b.feed(second, reports=beat(second, *names))
    assert b.kinds() == {"redfish": "collector_silent"}


def test_an_announced_stop_is_no_outage() -> None:
    b = bench()
    b.feed(0, reports=beat(0, "dcgm"))
    b.feed(1, reports=[report("dcgm", 1, stopping=True)])
    for second in range(2, 40):
        b.feed(second)
    assert b.firing == {}


def test_a_host_that_answers_nobody_is_unreachable() -> None:
    b = bench()
    for second in range(20):
        down = ["node003"] if second >= 5 else []
        b.feed(second, reports=beat(second, "dcgm", "redfish", down=down))
    assert b.kinds() == {"node003": "host_unreachable"}
    b.feed(20, reports=beat(20, "dcgm", "redfish"))
    assert b.firing == {}


def test_one_dead_exporter_of_a_host_that_answers_others() -> None:
    b = bench(exporter_seconds=60)
    for second in range(100):
        down = ["node003"] if second >= 5 else []
        assert second > 60 or b.firing == {}
        reports = [*beat(second, "dcgm", down=down), *beat(second, "redfish")]
        b.feed(second, gpus(second, [f"{h}/gpu{n}" for h in down for n in (0, 1)]), reports=reports)
    (finding,) = b.firing.values()
    assert (finding.kind, finding.device) == ("device_absent", "node003")
    assert not finding.action.drains
    assert "answers others" in finding.summary


def test_a_collector_that_reaches_few_is_the_collectors_trouble() -> None:
    b = bench()
    for second in range(20):
        b.feed(second, reports=beat(second, "dcgm", down=HOSTS[:5] if second >= 5 else []))
    assert b.kinds() == {"dcgm": "collector_silent"}


def test_a_backlog_makes_nothing_absent() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, gpus(second), reports=beat(second, "dcgm"))
    for second in range(10, 60):  # reports are current, telemetry lags ever more behind
        lag = second - (second - 10) * 0.5
        b.feed(second, gpus(lag), reports=beat(second, "dcgm"))
    assert b.firing == {}


def test_the_detectors_own_pause_counts_for_nobody() -> None:
    b = bench()
    for second in range(10):
        b.feed(second, gpus(second), reports=beat(second, "dcgm"))
    assert b.feed(400) == []
    assert b.feed(401) == []
    assert b.feed(402, gpus(402), reports=beat(402, "dcgm")) == []


def test_finished_ranks_are_not_absent() -> None:
    b = bench()
    for second in range(20):
        ranks = {"node001/job81/rank0": {"step_total": second}}
        if second < 5:
            ranks["node001/job81/rank1"] = {"step_total": second}
        batch = rows("training_rank", second, ranks, collector="training", job="81")
        b.feed(second, batch, reports=beat(second, "training"))
    assert b.firing == {}


def test_restart_keeps_what_was_gone_until_it_is_heard_of() -> None:
    b = bench()
    for second in range(20):
        gone = ["node002/gpu1"] if second >= 5 else []
        b.feed(second, gpus(second, gone), reports=beat(second, "dcgm"))
    assert len(b.firing) == 1
    again = AbsenceDetector(AbsenceConfig(min_seconds=3))
    again.restore(dict(b.firing))
    b.detector = again
    for second in range(20, 40):
        b.feed(second, gpus(second, ["node002/gpu1"]), reports=beat(second, "dcgm"))
    assert b.kinds() == {"node002/gpu1": "device_absent"}
    b.feed(40, gpus(40), reports=beat(40, "dcgm"))
    assert b.firing == {}


def test_restart_keeps_a_silent_collector_until_it_reports() -> None:
    b = bench()
    b.feed(0, reports=beat(0, "dcgm"))
    for second in range(1, 10):
        b.feed(second)
    assert b.kinds() == {"dcgm": "collector_silent"}
    again = AbsenceDetector(AbsenceConfig(min_seconds=3))
    again.restore(dict(b.firing))
    b.detector = again
    for second in range(10, 30):
        assert b.feed(second) == []
    (finding,) = b.feed(30, reports=beat(30, "dcgm"))
    assert finding.status is FindingStatus.CLEARED


def test_a_target_that_misses_short_rounds_under_load_is_not_gone() -> None:
    b = bench(min_seconds=15)
    for second in range(60):
        down = ["node003"] if second % 14 >= 4 else []  # ten rounds of one second in a row
        b.feed(second, reports=beat(second, "dcgm", down=down))
    assert b.firing == {}


def test_a_part_of_a_management_controller_may_be_left_out_for_a_minute() -> None:
    def parts(second: float, *, leak: bool) -> Batch:
        values = {"node001/manifold0": {"supply_temperature_celsius": 32.0}}
        if leak:
            values["node001/leak0"] = {"leak_state": 0}
        return rows("coolant_unit", second, values, collector="redfish")

    b = bench()
    for second in range(0, 120, 2):
        left_out = 10 <= second < 60
        b.feed(second, parts(second, leak=not left_out), reports=beat(second, "redfish"))
    assert b.said == []
    for second in range(120, 200, 2):
        b.feed(second, parts(second, leak=False), reports=beat(second, "redfish"))
    assert b.kinds() == {"node001/leak0": "device_absent"}
