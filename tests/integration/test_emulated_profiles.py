"""Fleets of other profiles as processes: every collector that they need, against the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetops_schemas.readings import Quality
from tests.integration.emulator_process import SINGLE_PRECISION, Cell, Twin, running, scrapes

PROFILES = {
    "demo": 4,
    "emulated_hgx_liquid": 4,
    "llm_roce_32k": 6,
    "catalina": 2,
    "unified_host": 2,
    "grand_teton_mi300x": 1,
    "mtia_v1": 1,
    "jbog_2018": 4,
    "bryce_canyon": 2,
}
"""With how many hosts."""
SUBSCRIBES_SECONDS = 1.0
LONG_TICK = "600"
"""Seconds: the fleet stands still while it is read."""


@pytest.mark.parametrize("name", PROFILES)
def test_collectors_read_a_fleet_whole(name: str, tmp_path: Path) -> None:
    """All protocols of a profile at one tick, against the same fleet in this process."""
    hosts = PROFILES[name]
    arguments = ("--cluster", name, "--scale", str(hosts), "--seed", "3")
    with running(tmp_path / "emulator", *arguments, "--tick-seconds", LONG_TICK) as emulator:
        collected = [
            scrape
            for options in emulator.endpoints["collectors"]
            for scrape in scrapes(
                options, SUBSCRIBES_SECONDS if options["kind"] == "facility" else None
            )
        ]
        twin = Twin(emulator, tmp_path / "twin", hosts)
    expected, tolerances = twin.carried(), twin.tolerances()
    assert [warning for scrape in collected for warning in scrape.warnings] == []
    readings = [one for scrape in collected for one in scrape.readings if one.value is not None]
    assert {one.quality for one in readings} == {Quality.GOOD}
    found: dict[Cell, float] = {}
    for one in readings:
        cell = Cell(one.device_class, one.device, one.metric)
        found[cell] = float(one.value or 0.0)
        allowed = tolerances.get((one.device_class, one.metric), 0.0)
        allowed += SINGLE_PRECISION * abs(expected.get(cell, 0.0))
        assert abs(found[cell] - expected[cell]) <= allowed, cell
    assert sorted(expected.keys() - found.keys())[:10] == []
    # of ports nobody tells where no exporter runs, or nobody reads it
    assert set(twin.fleet.tables) - {one.device_class for one in readings} <= {"fabric_port"}
