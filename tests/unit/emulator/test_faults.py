from __future__ import annotations

import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.faults import Fault, FaultSchedule, ScheduledFault
from fleetops.emulator.topology import build_layout


@pytest.fixture
def schedule() -> FaultSchedule:
    return FaultSchedule(build_layout(), stages=4)


def ignore(_scheduled: ScheduledFault) -> None: ...


def fault(**fields: object) -> Fault:
    return Fault.model_validate(fields)


def test_a_fault_begins_at_its_time_ramps_and_ends(schedule: FaultSchedule) -> None:
    schedule.add(
        fault(
            kind="cold_plate_clog",
            target={"host_index": 3},
            parameters={"flow_ratio": 0.2, "ramp_seconds": 10},
            at_seconds=5,
            duration_seconds=30,
        ),
        now=100.0,
    )

    def conductance(now: float) -> float:
        return float(schedule.effects(now, ignore).flow_conductance[3])

    assert conductance(104.9) == 1.0
    assert conductance(110.0) == pytest.approx(0.6)
    assert conductance(115.0) == pytest.approx(0.2)
    assert conductance(134.9) == pytest.approx(0.2)
    assert conductance(135.0) == 1.0


def test_the_onset_is_told_once(schedule: FaultSchedule) -> None:
    scheduled = schedule.add(
        fault(kind="xid", target={"host": "node002", "accelerator": 7}), now=0.0
    )
    begun: list[ScheduledFault] = []
    for now in (0.0, 1.0, 2.0):
        schedule.effects(now, begun.append)
    assert begun == [scheduled]
    assert (scheduled.place.host, scheduled.place.accelerator) == (1, 7)
    assert scheduled.kind.xid() == 79


def test_faults_add_up(schedule: FaultSchedule) -> None:
    for level in ("critical", "warning"):
        schedule.add(
            fault(kind="leak", target={"host_index": 0}, parameters={"level": level}), now=0.0
        )
    for factor in (1.2, 1.5):
        schedule.add(
            fault(kind="stage_imbalance", target={"stage": -1}, parameters={"factor": factor}),
            now=0.0,
        )
    effects = schedule.effects(0.0, ignore)
    assert effects.leak_level[0] == 2
    assert effects.stage_factor.tolist() == pytest.approx([1.0, 1.0, 1.0, 1.8])


def test_a_pump_is_named_by_unit_and_number(schedule: FaultSchedule) -> None:
    schedule.add(
        fault(
            kind="pump_degraded",
            target={"coolant_unit": "cdu2", "pump": 2},
            parameters={"ramp_seconds": 0, "speed_ratio": 0.25},
        ),
        now=0.0,
    )
    effects = schedule.effects(0.0, ignore)
    assert effects.pump_speed.tolist() == [[1.0, 1.0], [1.0, 0.25]]
    assert effects.check_valve_leak.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "flood"}, "flood.*there are: cold_plate_clog"),
        ({"kind": "leak"}, "target.host is missing"),
        ({"kind": "slow_rank", "target": {"host_index": 1}}, "target.accelerator is missing"),
        ({"kind": "leak", "target": {"host_index": 32}}, "32 hosts"),
        ({"kind": "leak", "target": {"host": "n1"}}, "no host 'n1'"),
        ({"kind": "pump_degraded", "target": {"coolant_unit": "cdu9", "pump": 1}}, "cdu1, cdu2"),
        (
            {"kind": "leak", "target": {"host_index": 1}, "parameters": {"size": 3}},
            "parameters: size: unknown key",
        ),
    ],
)
def test_a_wrong_fault_says_what_is_wrong(
    schedule: FaultSchedule, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        schedule.add(fault(**fields), now=0.0)
    assert schedule.faults == []
