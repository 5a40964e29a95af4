from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.errors import ConfigError, InputError
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.model.fleet import EPOCH, Fleet, FleetOptions
from fleetops.emulator.process import Options, run
from fleetops.emulator.site import build_site
from fleetops.emulator.truth import Episode, TruthFile, read_truth
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.profiles import load_profile


@pytest.fixture(scope="module")
def options() -> FleetOptions:
    return FleetOptions(build_site(load_profile(Cluster, "demo")), 1, 10.0)


def written(path: Path, options: FleetOptions, *faults: dict[str, object]) -> list[Episode]:
    schedule = FaultSchedule(options)
    for fields in faults:
        schedule.add(Fault.model_validate(fields))
    fleet = Fleet(options, schedule.disturb)
    with TruthFile(path, schedule, options.began):
        for _ in range(5):
            fleet.tick()
    return read_truth(path)


def test_an_episode_is_written_when_it_begins(tmp_path: Path, options: FleetOptions) -> None:
    path = tmp_path / "truth.jsonl"
    episodes = written(
        path,
        options,
        {
            "kind": "slow_rank",
            "target": {"host_index": 14, "accelerator": 3},
            "parameters": {"factor": 1.5},
            "at_seconds": 20,
            "duration_seconds": 600,
        },
        {"kind": "leak", "target": {"host_index": 0}, "at_seconds": 60},
    )
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {
            "id": "fault-1",
            "kind": "slow_rank",
            "category": "slow",
            "component": "node015/gpu3",
            "host": "node015",
            "hosts": 1,
            "t_on": "2026-01-05T00:00:20Z",
            "t_off": "2026-01-05T00:10:20Z",
            "parameters": {"factor": 1.5, "ramp_seconds": 0.0},
            "severity": "warning",
            "verdict": "hardware",
            "blame": "node015/gpu3",
            "expected": ["slow_rank"],
            "drain": True,
            "detectable": True,
        }
    ]
    assert episodes[0].t_on == EPOCH + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "leak", "target": {"host_index": 3}},
         ("node004", "node004", "node004", "hardware", False)),
        ({"kind": "leak", "target": {"host_index": 3}, "parameters": {"level": "critical"}},
         ("node004", "node004", "node004", "hardware", True)),
        ({"kind": "pump_degraded", "target": {"coolant_unit": "cdu1", "pump": 1}},
         ("cdu1/pump1", None, "cdu1", "facility", False)),
        ({"kind": "leaf_switch_dead", "target": {"switch": "leaf2"}},
         ("leaf2", None, "leaf2", "facility", False)),
        ({"kind": "stage_imbalance", "target": {"stage": -1}},
         ("job81/stage3", None, None, "job", False)),
        ({"kind": "checkpoint_save"}, ("job81", None, None, "none", False)),
        ({"kind": "collector_outage", "target": {"collector": "dcgm"}},
         ("accelerator", None, "accelerator", "collector", False)),
        ({"kind": "hot_day"}, ("site", None, None, "none", False)),
    ],
)  # fmt: skip
def test_whose_it_is(
    tmp_path: Path,
    options: FleetOptions,
    fault: dict[str, object],
    expected: tuple[str, str | None, str | None, str, bool],
) -> None:
    """Component, host, whom to blame, verdict, and whether a drain is right."""
    (one,) = written(tmp_path / "truth.jsonl", options, fault)
    assert one.t_off is None
    assert (one.component, one.host, one.blame, one.verdict, one.drain) == expected


def test_a_shared_fault_says_how_many_it_concerns(tmp_path: Path, options: FleetOptions) -> None:
    fault: dict[str, object] = {"kind": "coolant_unit_failed", "target": {"coolant_unit": "cdu1"}}
    assert written(tmp_path / "truth.jsonl", options, fault)[0].hosts == 16


def test_nobody_else_reads_it(tmp_path: Path, options: FleetOptions) -> None:
    path = tmp_path / "beside" / "truth.jsonl"
    with TruthFile(path, FaultSchedule(options), options.began, served=tmp_path / "state"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_it_does_not_lie_among_what_is_served(tmp_path: Path, options: FleetOptions) -> None:
    inside = tmp_path / "kmsg" / ".." / "truth.jsonl"
    with pytest.raises(ConfigError, match="which interfaces show"):
        TruthFile(inside, FaultSchedule(options), options.began, served=tmp_path)
    assert not inside.exists()


def test_an_old_truth_is_replaced(tmp_path: Path, options: FleetOptions) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text("old\n")
    assert written(path, options) == []


@pytest.mark.parametrize("content", ["nonsense\n", '{"id": "fault-1"}\n', b"\xff\xfe\n"])
def test_what_is_no_truth_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"truth\.jsonl"):
        read_truth(path)
    with pytest.raises(InputError, match="cannot read"):
        read_truth(tmp_path / "absent.jsonl")


def test_a_process_writes_it_beside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    options = Options(folder, scale=4, tick_seconds=0.1, faults=("leak", "xid_noise"))

    async def until_written() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run(options, SystemClock(), stop))
        while not (options.truth_path.exists() and options.truth_path.stat().st_size):
            await asyncio.sleep(0.05)
            if running.done():
                break
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(until_written(), 30.0))
    assert {episode.kind for episode in read_truth(tmp_path / "state.truth.jsonl")} == {
        "leak",
        "xid_noise",
    }
    assert "truth" not in "".join(path.name for path in folder.rglob("*"))
    assert "verdict" not in (folder / "endpoints.json").read_text()
