"""``fleetops emulate``: what can be emulated, whether it arrives whole, and a fleet to collect."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetops.emulator.fault_kinds import fault_kinds
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import profile_names
from tests.acceptance.commands import COMMAND, fleetops, one_error
from tests.integration.emulator_process import SINGLE_PRECISION, Cell, Emulator, Twin

CHECK_SECONDS = 300.0
END_SECONDS = 20.0
NAMED = {
    *("big_sur", "big_basin", "big_basin_v100", "tioga_pass", "yosemite_twin_lakes"),
    *("bryce_canyon", "inference_m2", "zionex", "mtia_v1", "grand_teton", "gb300_rack"),
    *("orv3_power", "ranking_4k", "research_ib_16k", "llm_ib_32k", "llm_roce_32k"),
    "unified_2025",
}
"""What has to be there."""


def lines_of(text: str) -> dict[str, list[str]]:
    """The lines of a table by their first word, as columns."""
    rows = (re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip())
    return {row[0]: row for row in rows if len(row) > 1}


class TestLists:
    def test_every_profile_is_named_with_what_it_speaks(self) -> None:
        done = fleetops("emulate", "--list")
        assert (done.returncode, done.stderr) == (0, "")
        rows = lines_of(done.stdout)
        assert rows.keys() >= NAMED
        names = {*profile_names(Cluster), *profile_names(Platform)}
        assert rows.keys() == names | {"NAME"}
        assert rows["NAME"] == ["NAME", "YEAR", "HOSTS", "ACCELERATORS", "SPEAKS", "TITLE"]
        assert rows["llm_roce_32k"][1:4] == ["2024", "4736", "32768"]
        assert rows["grand_teton"][2:4] == ["2", "16"]
        assert set(rows["demo"][4].split(",")) == {"dcgm", "redfish", "training", "kernel_log"}
        spoken = rows["llm_roce_32k"][4].split(",")
        assert {"dcgm", "redfish", "training", "rackmon", "fboss", "gnmi"} <= set(spoken)
        assert rows["orv3_power"][4] == "rackmon"

    def test_every_fault_is_named_with_what_it_does_and_its_source(self) -> None:
        done = fleetops("emulate", "--list-faults")
        assert (done.returncode, done.stderr) == (0, "")
        titles = re.findall(r"^(\w+) \((\w+)\): ", done.stdout, re.MULTILINE)
        assert titles == [(kind.kind, kind.target.value) for kind in fault_kinds().values()]
        assert done.stdout.count("source (") == len(fault_kinds())


class TestCheck:
    def test_a_platform_that_arrives_whole(self) -> None:
        arguments = ("emulate", "--check", "mtia_v1", "--scale", "2")
        done = fleetops(*arguments, timeout=CHECK_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        titles, *rows = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
        assert titles[0] == "PROFILE"
        at = {title: position for position, title in enumerate(titles)}
        assert {row[at["PROFILE"]] for row in rows} == {"mtia_v1"}
        found = {(row[at["INTERFACE"]], row[at["CLASS"]]): row for row in rows}
        assert {("redfish", "accelerator"), ("rackmon", "power_unit")} <= found.keys()
        for row in rows:
            assert row[at["ROWS EXPECTED"]] == row[at["ROWS STORED"]] != "0"
            assert row[at["METRICS"]] == row[at["STORED"]] != "0"
            assert re.fullmatch(r"0 of [1-9]\d*", row[at["VALUES OFF"]])
        # two hosts of twelve accelerators
        assert found["redfish", "accelerator"][at["DEVICES"]] == "24"

    @pytest.mark.parametrize("names", ["atlantis", "mtia_v1,atlantis", ""])
    def test_an_unknown_name_is_told_before_anything_is_checked(self, names: str) -> None:
        done = fleetops("emulate", "--check", names)
        wrong = names.rpartition(",")[2]
        one_error(done, 2, f"no cluster and no platform '{wrong}'", "demo", "zionex")
        assert done.stdout == ""


@contextmanager
def emulated(state_dir: Path, *arguments: str) -> Iterator[Emulator]:
    """``fleetops emulate`` while it is needed; ends as by Ctrl-C."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("FLEETOPS_")}
    process = subprocess.Popen(
        [*COMMAND, "emulate", "--state-dir", str(state_dir), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=own,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first.startswith("emulator ready: "), process.communicate()[1]
        told = json.loads((state_dir / "endpoints.json").read_bytes())
        yield Emulator(process, state_dir, told)
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0, said
    assert said == "", said


class TestFleet:
    def test_collect_once_reads_a_served_fleet_whole(self, tmp_path: Path) -> None:
        arguments = ["--cluster", "emulated_hgx_liquid", "--scale", "3", "--seed", "9"]
        arguments += ["--tick-seconds", "300"]
        with emulated(tmp_path / "fleet", *arguments) as emulator:
            config = tmp_path / "fleet" / "fleetops.yaml"
            done = fleetops("collect", "once", "-o", "json", config=config)
            checked = fleetops("config", "check", config=config)
            twin = Twin(emulator, tmp_path / "twin", 3)
        assert done.returncode == 0, done.stderr
        assert checked.returncode == 0, checked.stderr
        scrapes: list[dict[str, Any]] = json.loads(done.stdout)
        targets = [one for entry in emulator.endpoints["collectors"] for one in entry["targets"]]
        assert len(scrapes) == len(targets)
        assert [warning for scrape in scrapes for warning in scrape["warnings"]] == []
        expected, tolerances = twin.carried(), twin.tolerances()
        # building management tells what it is subscribed to, later than one round
        late = {cell for cell in expected if cell.device.startswith("cdu")}
        found: dict[Cell, float] = {}
        for one in (reading for scrape in scrapes for reading in scrape["readings"]):
            if one["value"] is not None:
                cell = Cell(one["device_class"], one["device"], one["metric"])
                found[cell] = float(one["value"])
        assert sorted(found.keys() - expected.keys())[:10] == []
        assert sorted(expected.keys() - found.keys() - late)[:10] == []
        for cell, value in found.items():
            allowed = tolerances.get((cell.device_class, cell.metric), 0.0)
            allowed += SINGLE_PRECISION * abs(expected[cell])
            assert abs(value - expected[cell]) <= allowed, cell

    def test_a_fault_strikes_and_is_known_to_the_truth_alone(self, tmp_path: Path) -> None:
        fault = '{"kind": "leak", "target": {"host_index": 1}}'
        arguments = ("--scale", "2", "--tick-seconds", "0.5", "--fault", fault)
        with emulated(tmp_path, *arguments) as emulator:
            (struck,) = emulator.truth()["faults"]
        assert (struck["kind"], struck["place"]) == ("leak", "node002")
        assert "leak" not in (tmp_path / "fleetops.yaml").read_text()

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (("--cluster", "atlantis"), 2, ("no cluster and no platform 'atlantis'", "demo")),
            (("--fault", "flood"), 2, ("flood", "accelerator_off_bus")),
            (("--fault", '{"kind":'), 2, ("--fault",)),
            (("--cluster", "grand_teton", "--fault", "leak"), 2, ("grand_teton", "another")),
            (("--state-dir", "/proc/none"), 1, ("/proc/none",)),
        ],
    )
    def test_what_cannot_be_is_told_in_one_line(
        self, tmp_path: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
    ) -> None:
        done = fleetops("emulate", "--state-dir", tmp_path, *arguments)
        one_error(done, code, *words)
        assert done.stdout == ""

    def test_a_port_that_is_taken_is_told(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = fleetops("emulate", "--state-dir", tmp_path, "--scale", "1", "--port", port)
        one_error(done, 1, "the emulator cannot run", "already in use")

    @pytest.mark.parametrize(
        "arguments", [("--scale", "0"), ("--tick-seconds", "0"), ("--seed", "x")]
    )
    def test_a_number_that_is_none_is_wrong_usage(
        self, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        done = fleetops("emulate", "--state-dir", tmp_path, *arguments)
        assert done.returncode == 2
        assert arguments[0] in done.stderr
