"""The page of platforms: everything is on it, and its pictures are pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from xml.etree import ElementTree

import pytest

from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs.svg import Drawing, fits, wrapped
from fleetops_schemas.platforms import Platform
from fleetops_schemas.platforms_reference import platform_files
from fleetops_schemas.profiles import figures_of, load_profiles
from fleetops_schemas.quantities import quantity

SVG = "{http://www.w3.org/2000/svg}"


@cache
def files() -> Mapping[str, str]:
    return platform_files()


PICTURES = sorted(name for name in files() if name.endswith(".svg"))


def test_every_profile_has_its_section_with_all_figures() -> None:
    page = files()["platforms.md"]
    for profile in (*load_profiles(Platform), *load_profiles(Cluster)):
        section = page.split(f"\n### {profile.title}\n")[1].split("\n### ")[0]
        for path, figure in figures_of(profile):
            assert f"| `{path}` | {quantity(path, figure.value)} |" in section


def test_every_link_of_the_page_leads_somewhere() -> None:
    page = files()["platforms.md"]
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page):
        assert picture in files()
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def test_the_numbers_of_the_comparison_are_on_the_page() -> None:
    section = files()["platforms.md"].split("### Optics of Unified cluster")[1].split("\n### ")[0]
    assert "| **all optics** | **2,457.6** | **1,392.6** | **1,290.2** | **901.1** |" in section
    assert "| W an accelerator | 600.0 | 340.0 | 315.0 | 220.0 |" in section


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_stays_inside_its_frame(name: str) -> None:
    root = ElementTree.fromstring(files()[name])  # noqa: S314  our own text
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label")
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for group, shift in _groups(root, (0.0, 0.0)):
        for box in group.findall(f"{SVG}rect"):
            right = shift[0] + float(box.get("x", 0)) + float(box.get("width", 0))
            bottom = shift[1] + float(box.get("y", 0)) + float(box.get("height", 0))
            assert right <= width + 1
            assert bottom <= height + 1


def _groups(
    node: ElementTree.Element, shift: tuple[float, float]
) -> list[tuple[ElementTree.Element, tuple[float, float]]]:
    found = [(node, shift)]
    for group in node.findall(f"{SVG}g"):
        x, y = map(float, re.findall(r"[-\d.]+", group.get("transform", "")))
        found += _groups(group, (shift[0] + x, shift[1] + y))
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_words_fit_their_boxes(name: str) -> None:
    root = ElementTree.fromstring(files()[name])  # noqa: S314  our own text
    width = 0.0
    for item in root.iter():
        if item.tag == f"{SVG}rect":
            width = float(item.get("width", 0))
        elif item.tag == f"{SVG}text" and item.get("fill") == "#fff":
            assert fits(item.text or "", width, float(item.get("font-size", 0))), item.text


def test_words_from_profiles_cannot_break_a_picture() -> None:
    drawing = Drawing(10, 10, 'a "title" & <more>')
    drawing.words(0, 0, "<script>&")
    root = ElementTree.fromstring(drawing.svg())  # noqa: S314  our own text
    assert root.get("aria-label") == 'a "title" & <more>'
    assert [text.text for text in root.iter(f"{SVG}text")] == ["<script>&"]


def test_long_words_are_wrapped() -> None:
    lines = wrapped("one two three four five six", 60.0, 10.0)
    assert " ".join(lines) == "one two three four five six"
    assert len(lines) > 1
    assert all(fits(line, 60.0, 10.0) for line in lines)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("accelerator.tdp_watts", 700.0, "700 W"),
        ("scale_up.bytes_per_second", 4.5e11, "450 GB/s"),
        ("accelerator.peak_operations_per_second", 102.4e12, "102.4 T/s"),
        ("board.memory_bytes", 2.0**40, "1,024 GiB"),
        ("cooling.litres_per_minute_per_kilowatt", 1.5, "1.5 L/min/kW"),
        ("adapters[0].gigabits_per_second", 400.0, "400 Gbit/s"),
        ("processors.kelvin_per_watt", 0.07, "0.07 K/W"),
        ("accelerator.heat_capacity_joules_per_kelvin", 170.0, "170 J/K"),
        ("board.air_watts_per_kelvin", 72.0, "72 W/K"),
        ("busbar_milliohms", 0.00002, "0.00002 mΩ"),
        ("jobs[0].share", 0.75, "0.75"),
        ("groups[0].hosts", 4096.0, "4,096"),
    ],
)
def test_quantities_as_people_write_them(path: str, value: float, text: str) -> None:
    assert quantity(path, value) == text
