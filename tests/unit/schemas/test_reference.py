"""The committed reference is what the catalog says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.reference import pages
from fleetops_schemas.topics import all_topics
from tests.support import ROOT


@cache
def current() -> Mapping[str, str]:
    return pages(load_catalog())


@pytest.mark.parametrize("name", sorted(current()))
def test_committed_files_are_current(name: str) -> None:
    committed = ROOT / "docs" / "reference" / name
    assert committed.read_text("utf-8") == current()[name], "run: make docs"


def test_no_picture_is_left_of_a_profile_that_is_gone() -> None:
    folder = ROOT / "docs" / "reference"
    committed = {path.relative_to(folder).as_posix() for path in folder.glob("platforms/*")}
    assert committed == {name for name in current() if name.startswith("platforms/")}


def test_every_metric_has_its_row() -> None:
    lines = current()["metrics.md"].splitlines()
    for declared in load_catalog().classes.values():
        start = lines.index(f"## {declared.name}")
        table = [line for line in lines[start:] if line.startswith("| `")]
        rows = table[: len(declared.metrics)]
        assert [row.split("`")[1] for row in rows] == [m.name for m in declared.metrics]
        assert all(row.replace("\\|", "").count("|") == 8 for row in rows)


def test_every_topic_has_its_row() -> None:
    page = current()["topics.md"]
    for topic in all_topics():
        assert f"| `{topic.name}` | {topic.partitions} |" in page


def test_the_command_writes_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fleetops_schemas.reference", "--write", str(tmp_path / "x")]
    subprocess.run(command, check=True)
    folder = tmp_path / "x"
    written = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert written == current()
