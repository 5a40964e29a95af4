from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import yaml

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import Category, fault_kinds, parse_fault_kind
from fleetops.emulator.fault_schedule import Fault, FaultSchedule, ScheduledFault, check_fault
from fleetops.emulator.fault_shapes import Course, Form
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import FleetOptions, sizes
from fleetops.emulator.site import build_site
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.faults import load_faults
from fleetops_schemas.profiles import load_profile

TICK = 1.0


class Bench:
    """A schedule and the effects that it writes, without a fleet."""

    def __init__(self, seed: int = 1) -> None:
        """Of the demonstration's fleet."""
        self.options = FleetOptions(build_site(load_profile(Cluster, "demo")), seed, TICK)
        self.schedule = FaultSchedule(self.options)
        places = self.schedule.places
        self.effects = Effects(sizes(places.site) | places.jobs.sizes())

    def add(self, now: float = 0.0, **fields: object) -> ScheduledFault:
        return self.schedule.add(Fault.model_validate(fields), now)

    def at(self, now: float, channel: str) -> Floats:
        self.effects.reset()
        self.schedule.disturb(now, self.effects)
        return self.effects[channel].copy()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_fault_begins_at_its_time_ramps_and_ends(bench: Bench) -> None:
    bench.add(
        now=100.0,
        kind="cold_plate_clog",
        target={"host_index": 3},
        parameters={"flow_ratio": 0.2, "ramp_seconds": 10},
        at_seconds=5,
        duration_seconds=30,
    )
    seen = {now: bench.at(now, "conductance")[3] for now in (104.0, 105, 110, 115, 134, 135, 140)}
    assert seen == pytest.approx(
        {104.0: 1.0, 105: 1.0, 110: 0.6, 115: 0.2, 134: 0.2, 135: 1.0, 140: 1.0}
    )


def test_only_the_target_is_struck(bench: Bench) -> None:
    bench.add(kind="slow_rank", target={"host": "node002", "accelerator": 7})
    slowness = bench.at(0.0, "slowness")
    assert np.flatnonzero(slowness != 1.0).tolist() == [15]
    assert slowness[15] == pytest.approx(1.35)


def test_the_onset_is_told_once(bench: Bench) -> None:
    begun: list[ScheduledFault] = []
    lines: list[LogLine] = []
    bench.schedule.on_begin.append(begun.append)
    bench.schedule.on_line.append(lines.append)
    scheduled = bench.add(kind="xid", target={"host": "node002", "accelerator": 7})
    codes = [bench.at(float(now), "xid")[15] for now in range(3)]
    assert begun == [scheduled]
    assert codes == [79.0, 0.0, 0.0]
    assert [line.owner for line in lines] == ["node002", "node002"]
    assert "Xid (PCI:0000:df:00): 79, pid='<unknown>'" in lines[0].text


def test_a_code_alone_takes_nothing_away(bench: Bench) -> None:
    bench.add(kind="xid", target={"host_index": 0, "accelerator": 0}, parameters={"code": 43})
    assert bench.at(0.0, "gone").max() == 0.0
    assert bench.schedule.faults[0].truth.verdict == "none"


def test_faults_add_up(bench: Bench) -> None:
    for level in ("critical", "warning"):
        bench.add(kind="leak", target={"host_index": 0}, parameters={"level": level})
    for factor in (1.2, 1.5):
        bench.add(kind="stage_imbalance", target={"stage": -1}, parameters={"factor": factor})
    assert bench.at(0.0, "leak")[0] == 2.0
    assert bench.at(0.0, "stage").tolist() == pytest.approx([1.0, 1.0, 1.0, 1.8])


def test_a_pump_is_named_by_unit_and_number(bench: Bench) -> None:
    bench.add(
        kind="pump_degraded",
        target={"coolant_unit": "cdu2", "pump": 2},
        parameters={"ramp_seconds": 0, "speed_ratio": 0.25},
    )
    assert bench.at(0.0, "pump_speed").tolist() == [1.0, 1.0, 1.0, 0.25]
    assert bench.at(0.0, "check_valve_leak").tolist() == [0.0, 0.5]


def test_a_short_fault_lasts_a_tick(bench: Bench) -> None:
    bench.add(kind="leak", target={"host_index": 0}, at_seconds=0.5, duration_seconds=0.1)
    assert [bench.at(float(now), "leak")[0] for now in range(4)] == [0.0, 1.0, 0.0, 0.0]


def test_events_at_the_onset_are_counted_once(bench: Bench) -> None:
    target = {"host_index": 0, "accelerator": 0}
    bench.add(kind="hbm_uncorrectable", target=target, parameters={"errors": 7})
    per_hour = [bench.at(float(now), "uncorrectable_errors_per_hour")[0] for now in range(3)]
    assert [rate * TICK / 3600.0 for rate in per_hour] == pytest.approx([7.0, 0.0, 0.0])


def test_a_crash_is_over_before_its_fault_is(bench: Bench) -> None:
    target = {"host_index": 0, "accelerator": 0}
    bench.add(kind="hbm_uncorrectable", target=target, parameters={"restart_seconds": 3})
    assert [bench.at(float(now), "crashed")[0] for now in range(5)] == [1, 1, 1, 0, 0]


def test_a_link_comes_and_goes_with_its_lines(bench: Bench) -> None:
    lines: list[LogLine] = []
    bench.schedule.on_line.append(lines.append)
    scheduled = bench.add(
        kind="nic_flap",
        target={"host_index": 0, "port": "mlx5_2"},
        parameters={"period_seconds": 10, "down_ratio": 0.3},
        duration_seconds=25,
    )
    port = int(scheduled.place.devices[0])
    down = [bench.at(float(now), "link_down")[port] for now in range(30)]
    assert np.flatnonzero(down).tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    told = [(line.at_seconds, line.text.rpartition(" ")[2]) for line in lines]
    assert told == [(0, "down"), (3, "up"), (10, "down"), (13, "up"), (20, "down"), (23, "up")]


def test_pauses_wander_and_do_so_again_with_the_same_seed() -> None:
    def struck(seed: int) -> list[int]:
        bench = Bench(seed)
        bench.add(kind="gc_pauses", target={}, parameters={"period_seconds": 2.0, "on_ratio": 0.5})
        rows = [np.flatnonzero(bench.at(float(now), "slowness") != 1.0) for now in range(40)]
        return [int(one[0]) for one in rows if len(one)]

    assert struck(1) == struck(1) != struck(2)
    assert len(struck(1)) == 20
    assert len(set(struck(1))) > 10


def test_lines_by_chance_come_at_their_rate(bench: Bench) -> None:
    lines: list[LogLine] = []
    bench.schedule.on_line.append(lines.append)
    bench.add(kind="xid_noise", parameters={"every_seconds": 60})
    for now in range(0, 60_000, 100):
        bench.at(float(now), "xid")
    assert len(lines) == pytest.approx(1000, rel=0.1)
    assert [line.at_seconds for line in lines] == sorted(line.at_seconds for line in lines)
    share = sum(line.xid == 74 for line in lines) / len(lines)
    assert share == pytest.approx(0.4257 / 0.9708, abs=0.05)


def test_two_pulses_fit_in_what_a_tick_can_show() -> None:
    course = Course(form=Form.PULSE, seconds=0.0, period_seconds=5.0, duty_ratio=0.1)
    assert [course.progress(since, 60.0) for since in (0.0, 60, 120, 180)] == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "flood"}, "flood.*there are: accelerator_off_bus"),
        ({"kind": "leak"}, "target.host is missing"),
        ({"kind": "slow_rank", "target": {"host_index": 1}}, "target.accelerator is missing"),
        ({"kind": "leak", "target": {"host_index": 32}}, "32 hosts"),
        ({"kind": "leak", "target": {"host": "n1"}}, "no 'n1'.*node001 to node032"),
        (
            {"kind": "pump_degraded", "target": {"coolant_unit": "cdu9", "pump": 1}},
            "no 'cdu9/pump1'",
        ),
        ({"kind": "slow_rank", "target": {"host_index": 1, "accelerator": 8}}, "has 8"),
        ({"kind": "stage_imbalance", "target": {"stage": 4}}, "has 4"),
        ({"kind": "job_end", "target": {"job": "7"}}, "no job '7'; there are: 81"),
        ({"kind": "late_rows", "target": {"collector": "x"}}, "no collector 'x'"),
        ({"kind": "power_cap", "target": {"row": "row9"}}, "no row 'row9'; there are: row1, row2"),
        (
            {"kind": "leak", "target": {"host_index": 1}, "parameters": {"depth": 1}},
            "no parameter 'depth'; there are: level",
        ),
        (
            {"kind": "leak", "target": {"host_index": 1}, "parameters": {"level": "flood"}},
            "parameters.level: 'flood' is none of warning, critical",
        ),
        (
            {
                "kind": "slow_rank",
                "target": {"host_index": 1, "accelerator": 1},
                "parameters": {"factor": 99},
            },
            "parameters.factor: 99 is not between 0.1 and 10",
        ),
    ],
)
def test_what_cannot_be_is_refused(bench: Bench, fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.schedule.add(Fault.model_validate(fields))


def shipped_scenarios() -> list[dict[str, object]]:
    folder = files("fleetops.emulator") / "scenarios"
    texts = [file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".yaml")]
    return [fault for text in texts for fault in yaml.safe_load(text)["faults"]]


@pytest.mark.parametrize("fields", shipped_scenarios(), ids=lambda fields: fields["kind"])
def test_faults_of_shipped_scenarios_mean_what_they_meant(
    bench: Bench, fields: dict[str, object]
) -> None:
    fault = Fault.model_validate(fields)
    check_fault(fault)
    assert bench.schedule.add(fault).place.name


def test_kinds_say_what_is_known() -> None:
    known = load_faults().kinds
    for kind in fault_kinds().values():
        truth = kind.truth
        assert (
            truth.verdict == "none"
            or truth.expected
            or not truth.severity.rank
            or (not truth.detectable)
        )
        assert not truth.drain or truth.verdict == "hardware", kind.kind
        assert (truth.blame == "nobody") == (truth.verdict in {"none", "job"}) or (
            kind.category is Category.JOB
        ), kind.kind
        assert set(truth.all_expected()) <= set(known)


GOOD = """
kind: mine
title: T
category: hard
target: host
about: A.
source: {basis: assumed, text: S}
parameters:
  level: {default: 1, most: 2, about: L}
effects:
  - {channel: leak, value: level}
signature:
  - {devices: hosts, metric: health, moves: up, at_least: 1}
truth: {verdict: hardware, blame: host, severity: warning, expected: [coolant_leak]}
"""


def test_a_kind_of_ones_own_is_read() -> None:
    assert parse_fault_kind(GOOD, "mine.yaml").parameters["level"].default == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("channel: leak", "channel: flood", "mine.yaml: effects.0: no channel 'flood'"),
        ("value: level", "value: depth", "mine.yaml: .*no such parameters: depth"),
        ("metric: health", "metric: wealth", "signature.0: .*no metric 'wealth'"),
        ("moves: up", "moves: counts", "signature.0: health is no counter"),
        ("coolant_leak", "coolant_flood", "no fault kinds coolant_flood"),
        ("default: 1", "default: 3", "parameters.level: 3 is not between 0 and 2"),
        ("title: T", "titel: T", "mine.yaml: title: Field required"),
        ("category: hard", "category: [", "mine.yaml: not YAML"),
        ("kind: mine", "kind: yours", "mine.yaml: its kind is 'yours'"),
        ("value: level", "value: level, count: 2", "give either value or count"),
        ("  - {devices: hosts, metric: health, moves: up, at_least: 1}", "", "signature"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_field(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_fault_kind(GOOD.replace(old, new), "mine.yaml")
