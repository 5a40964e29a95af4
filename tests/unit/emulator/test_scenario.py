from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_schedule import FaultSchedule
from fleetops.emulator.scenario import (
    DEFAULT_SCENARIO,
    Scenario,
    is_part_of,
    list_scenarios,
    load_scenario,
)
from fleetops.emulator.topology import build_layout
from fleetops_schemas.records import Severity, Verdict

NAMES = [
    "cold_plate_clog",
    "collector_outage",
    "job_stage_imbalance",
    "leak",
    "pump_degraded",
    "slow_rank",
    "xid_79",
]


def test_seven_scenarios_are_shipped_the_default_first() -> None:
    scenarios = list_scenarios()
    assert scenarios[0].name == DEFAULT_SCENARIO
    assert sorted(scenario.name for scenario in scenarios) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_fits_the_default_fleet_and_ends_within_90_seconds(name: str) -> None:
    scenario = load_scenario(name)
    layout = build_layout()
    schedule = FaultSchedule(layout, stages=4)
    for fault in scenario.hardware_faults:
        schedule.add(fault, now=0.0)
    assert len(scenario.hardware_faults) + len(scenario.harness_faults) >= 1
    outcome = scenario.outcome.resolve(layout.hosts)
    assert outcome.nothing_else
    assert outcome.within_seconds <= 90.0
    assert len(outcome.incidents) == 1
    (incident,) = outcome.incidents
    # whoever is drained is a suspect, and only hardware is drained
    assert set(outcome.drained) == set(incident.suspect_hosts)
    assert bool(outcome.drained) == (incident.verdict is Verdict.HARDWARE)


def test_hosts_follow_the_names_of_the_fleet() -> None:
    outcome = load_scenario("cold_plate_clog").outcome
    assert outcome.resolve(build_layout().hosts).drained == ("node007",)
    assert outcome.resolve([f"n{n}" for n in range(32)]).drained == ("n6",)
    with pytest.raises(ConfigError, match="host_index 6"):
        outcome.resolve(["n0", "n1"])


def test_a_leak_has_to_stay_an_incident_without_a_drain_before_it_grows() -> None:
    outcome = load_scenario("leak").outcome
    (checkpoint,) = outcome.checkpoints
    growth = load_scenario("leak").faults[1].at_seconds
    assert checkpoint.at_seconds < growth
    assert checkpoint.drained == ()
    assert checkpoint.incidents[0].severity is Severity.WARNING


def test_parts_of_a_device() -> None:
    assert is_part_of("node001/gpu5", "node001")
    assert is_part_of("node001", "node001")
    assert not is_part_of("node0011/gpu5", "node001")


def write(folder: Path, **changes: object) -> Path:
    content = {
        "name": "mine",
        "title": "Mine",
        "description": "A scenario of my own.",
        "faults": [{"at_seconds": 1, "kind": "leak", "target": {"host": "node002"}}],
        "outcome": {"drained": ["node002"]},
        **changes,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_scenario_of_one_s_own_is_read_from_a_file(tmp_path: Path) -> None:
    scenario = load_scenario(str(write(tmp_path)))
    assert isinstance(scenario, Scenario)
    assert scenario.outcome.drained == ("node002",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "mine.yaml: colour: unknown key"),
        ({"faults": [{"kind": "flood"}]}, "flood"),
        ({"faults": [{"kind": "flood", "harness": True}]}, "collector_outage"),
        ({"outcome": {"drained": [{"host": 1}]}}, "outcome.drained"),
        ({"name": "Not A Name"}, "name"),
    ],
)
def test_a_wrong_file_names_the_place(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_scenario(str(write(tmp_path, **changes)))


def test_an_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shipped: cold_plate_clog, collector_outage"):
        load_scenario("no_such")
    broken = tmp_path / "broken.yaml"
    broken.write_text("{")
    with pytest.raises(ConfigError, match="not YAML"):
        load_scenario(str(broken))
