"""Every shipped scenario over the embedded line, through the command that a newcomer runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetops.emulator.scenario import list_scenarios
from tests.line import json_lines, run_cli

LIMIT_SECONDS = 180


@pytest.mark.timeout(LIMIT_SECONDS + 60)
@pytest.mark.parametrize("name", [scenario.name for scenario in list_scenarios()])
def test_the_stated_outcome_comes_true(name: str, tmp_path: Path) -> None:
    done = run_cli(
        *("demo", "--headless", "--scenario", name, "--timeout", str(LIMIT_SECONDS)),
        *("--state-dir", str(tmp_path / "demo")),
        timeout=LIMIT_SECONDS + 50,
    )
    events = json_lines(done.stdout)
    told = [event for event in events if event["event"] != "step"]
    assert done.returncode == 0, f"{told}\n{done.stderr[-3000:]}"
    assert events[-1]["event"] == "scenario.end"
    assert events[-1]["outcome"] is True
    delivered = {event["type"] for event in events if event["event"] == "webhook"}
    assert "org.fleetops.incident.opened.v1" in delivered, "and a webhook told of it"


def test_the_scenarios_are_seven_and_the_default_comes_first() -> None:
    listed = run_cli("demo", "--list").stdout.split("\n")
    names = [line.split()[0] for line in listed if line]
    assert names[0] == "cold_plate_clog"
    assert sorted(names) == [
        "cold_plate_clog",
        "collector_outage",
        "job_stage_imbalance",
        "leak",
        "pump_degraded",
        "slow_rank",
        "xid_79",
    ]


def test_an_unknown_scenario_is_one_error_that_names_the_others() -> None:
    done = run_cli("demo", "--headless", "--scenario", "no_such")
    assert done.returncode == 2
    assert "no scenario 'no_such'" in done.stderr
    assert "cold_plate_clog" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
