"""A collector from outside this tree, by the very files and commands that CONTRIBUTING.md gives."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.acceptance.commands import fleetops, one_error
from tests.support import ROOT, unavailable

_FILE = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = {"pyproject.toml", "fleetops_inlet_probe.py", "fleetops.yaml"}


@pytest.fixture(scope="module")
def given() -> dict[str, str]:
    """By name: the files that the page gives."""
    found = dict(_FILE.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert set(found) == NAMES
    return found


@pytest.fixture(scope="module")
def installed(given: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the distribution, as pip installs it; ours stays as it is."""
    if importlib.util.find_spec("hatchling") is None:
        unavailable(
            "hatchling", "the distribution is built without a network; install fleetops[dev]"
        )
    source = tmp_path_factory.mktemp("inlet-probe")
    for name in ("pyproject.toml", "fleetops_inlet_probe.py"):
        (source / name).write_text(given[name], "utf-8")
    folder = tmp_path_factory.mktemp("site")
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", folder, source],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def config(given: dict[str, str], tmp_path: Path) -> Path:
    path = tmp_path / "fleetops.yaml"
    path.write_text(given["fleetops.yaml"], "utf-8")
    return path


def environ(installed: Path, probe: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(installed), "INLET_PROBE": str(probe)}


def test_it_is_run_by_collect_once(installed: Path, config: Path, tmp_path: Path) -> None:
    probe = tmp_path / "temp1_input"
    probe.write_text("23125\n")
    done = fleetops(
        "collect", "once", "-o", "json", config=config, environ=environ(installed, probe)
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    assert scrape["target"] == "node001-inlet"
    (reading,) = scrape["readings"]
    assert reading["device"] == "node001"
    assert reading["metric"] == "inlet_temperature_celsius"
    assert (reading["value"], reading["unit"], reading["quality"]) == (23.625, "Cel", "good")


@pytest.mark.parametrize(
    ("text", "words"),
    [("warm", "'warm' is no temperature"), (None, "No such file or directory; check the probe")],
)
def test_its_errors_are_those_of_any_collector(
    text: str | None, words: str, installed: Path, config: Path, tmp_path: Path
) -> None:
    probe = tmp_path / "temp1_input"
    if text is not None:
        probe.write_text(text)
    done = fleetops("collect", "once", config=config, environ=environ(installed, probe))
    one_error(done, 1, "inlet_probe node001-inlet", str(probe), words)


def test_its_configuration_is_checked(installed: Path, config: Path, tmp_path: Path) -> None:
    own = environ(installed, tmp_path / "probe")
    done = fleetops("config", "check", config=config, environ=own)
    assert done.returncode == 0, done.stderr
    document = yaml.safe_load(config.read_text("utf-8"))
    for wrong, words in (
        ({"offset_celsius": 21}, ("collectors.0 (inlets)", "offset_celsius", "20")),
        ({"ofset_celsius": 1}, ("collectors.0 (inlets)", "ofset_celsius")),
    ):
        changed = {"collectors": [{**document["collectors"][0], **wrong}]}
        config.write_text(yaml.safe_dump(changed), "utf-8")
        one_error(fleetops("config", "check", config=config, environ=own), 2, *words)


def test_without_it_the_error_says_what_is_installed(config: Path, tmp_path: Path) -> None:
    own = {"INLET_PROBE": str(tmp_path / "probe")}
    done = fleetops("config", "check", config=config, environ=own)
    one_error(done, 2, "no collector named 'inlet_probe'", "installed:", "redfish", "training")


def test_the_page_keeps_our_own_rules(given: dict[str, str], tmp_path: Path) -> None:
    """What is shown to be copied passes the linter and the type checker of this repository."""
    module = tmp_path / "fleetops_inlet_probe.py"
    module.write_text(given[module.name], "utf-8")
    for tool in (
        ("ruff", "check", "--no-cache", "--config"),
        ("ruff", "format", "--check", "--no-cache", "--config"),
        ("mypy", "--strict", "--no-incremental", "--follow-imports", "silent", "--config-file"),
    ):
        command = [sys.executable, "-m", *tool, ROOT / "pyproject.toml", module]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout + done.stderr
