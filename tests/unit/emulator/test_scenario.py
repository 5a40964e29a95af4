from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.model.fleet import FleetOptions
from fleetops.emulator.scenario import (
    DEFAULT_SCENARIO,
    LEAD_SECONDS,
    Outcome,
    Scenario,
    is_part_of,
    list_scenarios,
    load_scenario,
    parse_fault,
    scenario_of,
)
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
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


HOSTS = build_site(cluster_of("demo")).hosts


def outcome_of(name: str) -> Outcome:
    stated = load_scenario(name).outcome
    assert stated is not None
    return stated


def test_seven_scenarios_are_shipped_the_default_first() -> None:
    scenarios = list_scenarios()
    assert scenarios[0].name == DEFAULT_SCENARIO
    assert sorted(scenario.name for scenario in scenarios) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_fits_the_default_fleet_and_ends_within_90_seconds(name: str) -> None:
    scenario = load_scenario(name)
    schedule = FaultSchedule(FleetOptions(build_site(cluster_of("demo"))))
    for fault in scenario.hardware_faults:
        schedule.add(fault)
    assert len(scenario.hardware_faults) + len(scenario.harness_faults) >= 1
    outcome = outcome_of(name).resolve(HOSTS)
    assert outcome.nothing_else
    assert outcome.within_seconds <= 90.0
    assert len(outcome.incidents) == 1
    (incident,) = outcome.incidents
    # whoever is drained is a suspect, and only hardware is drained
    assert set(outcome.drained) == set(incident.suspect_hosts)
    assert bool(outcome.drained) == (incident.verdict is Verdict.HARDWARE)


def test_hosts_follow_the_names_of_the_fleet() -> None:
    outcome = outcome_of("cold_plate_clog")
    assert outcome.resolve(HOSTS).drained == ("node007",)
    assert outcome.resolve([f"n{n}" for n in range(32)]).drained == ("n6",)
    with pytest.raises(ConfigError, match="host_index 6"):
        outcome.resolve(["n0", "n1"])


def test_a_leak_has_to_stay_an_incident_without_a_drain_before_it_grows() -> None:
    outcome = outcome_of("leak")
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
    assert scenario.outcome is not None
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


def test_the_truth_of_a_fault_fits_what_its_scenario_states() -> None:
    """Two files say what is wrong; whoever changes one changes the other."""
    schedule = FaultSchedule(FleetOptions(build_site(cluster_of("demo"))))
    for name in NAMES:
        outcome = outcome_of(name)
        for fault in load_scenario(name).hardware_faults:
            truth = schedule.add(fault).truth
            assert truth.verdict == outcome.incidents[0].verdict.value, name
            assert outcome.incidents[0].kind in truth.expected, name
        last = [schedule.faults[-1].truth] if load_scenario(name).hardware_faults else []
        assert [one.drain for one in last] == [bool(outcome.drained) for _ in last], name


def test_faults_alone_make_a_scenario_to_be_watched() -> None:
    second = '{"kind": "xid", "target": {"host_index": 1, "accelerator": 2}, "at_seconds": 3}'
    scenario = scenario_of(["leak", second])
    assert (scenario.name, scenario.outcome) == ("leak", None)
    assert [(fault.kind, fault.at_seconds) for fault in scenario.faults] == [
        ("leak", LEAD_SECONDS),
        ("xid", 3.0),
    ]
    assert scenario.faults[1].target == Target(host_index=1, accelerator=2)


def test_a_fault_is_written_as_its_kind_or_as_json() -> None:
    assert parse_fault("leak") == Fault(kind="leak")
    whole = Fault(kind="leak", target=Target(host="node002"), duration_seconds=5.0)
    assert parse_fault(" " + whole.model_dump_json(exclude_defaults=True)) == whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flood", "flood.*there are: accelerator_off_bus"),
        ('{"kind": "leak"', "--fault: .*JSON"),
        ('{"kind": "leak", "where": 1}', "--fault: where: unknown key"),
        ('{"target": {}}', "--fault: kind"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_fault(text)
