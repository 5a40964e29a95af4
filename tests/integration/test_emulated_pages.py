"""Emulated platforms on the pages: what their own protocols brought is what people see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.browser import WAIT_SECONDS, open_browser, screenshot
from tests.line import TestLine, running_line, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

LINE = ("collect", "ingest", "detect", "operate", "api")
SHOWN = {
    "gb300_rack": ("node001", 18),
    "zionex": ("node001", 2),
    "bryce_canyon": ("store001", 8),
}
"""A host, and how many there are."""
LEAST_PIXELS = 100

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_browser() as page:
        yield page


def _served(line: TestLine) -> bool:
    try:
        return httpx.get(f"{_address(line)}/_stcore/health").is_success
    except httpx.TransportError:
        return False


def _address(line: TestLine) -> str:
    section = line.config.dashboard
    return f"http://{section.host}:{section.port}"


@pytest.mark.parametrize("platform", list(SHOWN))
def test_a_platform_is_collected_and_shown(platform: str, page: Page, tmp_path: Path) -> None:
    host, hosts = SHOWN[platform]
    arguments = ("--cluster", platform, "--scale", str(hosts), "--tick-seconds", "2")
    with running_line(tmp_path, [LINE, ("dashboard",)], None, arguments=arguments) as line:
        wait_until("the pages are not served", lambda: _served(line), WAIT_SECONDS)
        page.goto(_address(line))
        page.get_by_role("img", name=re.compile(f"Map of {hosts} host")).wait_for()
        screenshot(page, f"fleet-{platform}")
        page.goto(f"{_address(line)}/node?node={host}")
        page.get_by_role("heading", name=host).wait_for()
        chart = page.locator(".vega-embed canvas, .vega-embed svg").first
        chart.wait_for()
        box = chart.bounding_box()
        assert box is not None
        assert box["height"] > LEAST_PIXELS, "something is drawn"
        screenshot(page, f"node-{platform}")
