"""Text of exporters, line by line."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.interfaces.exposition import Lines, Series, Sheet, page
from fleetops.emulator.model.tables import Roster, Table

NAN = float("nan")
WATTS = Series("power", "power_watts", "gauge", "Board power.", style="%f")
CLOCK = Series("clock", "sm_clock_megahertz", "gauge", "Clock.", labels='die="0"')
OTHER_CLOCK = Series("clock", "sm_clock_megahertz", "gauge", "Clock.", labels='die="1"')
JOULES = Series("energy", "energy_joules", "counter", "Energy in mJ.", scale=0.001)
HOSTS = {
    "n1": Lines(np.array([0, 1], dtype=np.intp), ('gpu="0"', 'gpu="1"')),
    "n2": Lines(np.array([2], dtype=np.intp), ('gpu="0"',)),
}


@pytest.fixture
def table() -> Table:
    devices = ("n1/gpu0", "n1/gpu1", "n2/gpu0")
    roster = Roster("accelerator", devices, ("n1", "n1", "n2"), ("r1",) * 3)
    columns = {
        "power_watts": np.array([700.5, 650.0, 75.0]),
        "sm_clock_megahertz": np.array([1980.0, 1410.0, 345.0]),
        "energy_joules": np.array([1234.0, 5.0, 0.0]),
    }
    return Table(roster, columns, np.ones(3, dtype=np.bool_))


def text(table: Table, series: list[Series], host: str, **blanks: str) -> str:
    return page(Sheet(lambda: table, series, HOSTS, blanks).text(host))


def test_a_family_is_introduced_once_and_its_samples_follow(table: Table) -> None:
    assert text(table, [WATTS, CLOCK, OTHER_CLOCK, JOULES], "n1") == (
        "# HELP power Board power.\n"
        "# TYPE power gauge\n"
        'power{gpu="0"} 700.500000\n'
        'power{gpu="1"} 650.000000\n'
        "# HELP clock Clock.\n"
        "# TYPE clock gauge\n"
        'clock{die="0",gpu="0"} 1980\n'
        'clock{die="0",gpu="1"} 1410\n'
        'clock{die="1",gpu="0"} 1980\n'
        'clock{die="1",gpu="1"} 1410\n'
        "# HELP energy Energy in mJ.\n"
        "# TYPE energy counter\n"
        'energy{gpu="0"} 1234000\n'
        'energy{gpu="1"} 5000\n'
    )


def test_each_host_has_its_own_page(table: Table) -> None:
    assert text(table, [JOULES], "n2").splitlines()[2:] == ['energy{gpu="0"} 0']
    assert text(table, [JOULES], "n9") == ""


def test_a_device_that_does_not_answer_has_no_line(table: Table) -> None:
    table.present[0] = False
    assert text(table, [CLOCK, WATTS], "n1").count('gpu="0"') == 0
    table.present[1] = False
    assert text(table, [CLOCK, WATTS], "n1") == ""


def test_what_has_no_reading_has_no_line_or_a_blank(table: Table) -> None:
    table.columns["power_watts"][0] = NAN
    assert [line for line in text(table, [WATTS], "n1").splitlines() if "#" not in line] == [
        'power{gpu="1"} 650.000000'
    ]
    blank = text(table, [WATTS, CLOCK], "n1", power_watts="140737488355330.000000")
    assert [line for line in blank.splitlines() if line.startswith("power")] == [
        'power{gpu="0"} 140737488355330.000000',
        'power{gpu="1"} 650.000000',
    ]


def test_a_series_whose_metric_nobody_tells_is_left_out(table: Table) -> None:
    margin = Series("margin", "temperature_margin_celsius", "gauge", "Margin.")
    sheet = Sheet(lambda: table, [margin, CLOCK], HOSTS)
    assert sheet.series == (CLOCK,)


def test_a_page_is_laid_out_anew_where_other_numbers_are_shown(table: Table) -> None:
    tables = [table]
    sheet = Sheet(lambda: tables[-1], [CLOCK], HOSTS)
    before = sheet.text("n1")
    columns = {"sm_clock_megahertz": np.array([NAN, 1395.0, 345.0])}
    tables.append(Table(table.roster, columns, np.ones(3, dtype=np.bool_)))
    assert [line for line in sheet.text("n1").splitlines() if line.startswith("clock")] == [
        'clock{die="0",gpu="1"} 1395'
    ]
    tables.append(table)
    assert sheet.text("n1") == before
