"""The page of platforms in a real browser: pictures that show, for whatever is chosen."""

from __future__ import annotations

import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.browser import WAIT_SECONDS, open_browser, screenshot
from tests.line import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOWN = {
    "zionex": ["Rack, 42 units", "Air at rated load", "Power at rated load", "What stops with"],
    "gb300_rack": ["Coolant loop at rated load", "Facility water, 24 °C", "1,331 L/min"],
    "catalina": ["Air of the room, 27 °C", "1 pump unit"],
    "unified_2025": ["640 uplinks a leaf, 1 : 1", "901 kW, 220 W an accelerator", "storage cache"],
}
"""Words of the pictures, by profile."""
LEAST_PIXELS = 60

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_browser() as page:
        yield page


@pytest.fixture(scope="module")
def address(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages without an API behind them: this one needs none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = Path(str(files("fleetops_dashboards") / "app.py"))
    log = tmp_path_factory.mktemp("pages") / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "streamlit", "run", str(app),
                "--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true",
                "--browser.gatherUsageStats=false",
            ],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(f"the pages are not served; see {log}", lambda: _served(url), WAIT_SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait()


def _served(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_stcore/health").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("name", SHOWN)
def test_pictures_show(page: Page, address: str, name: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 1900})
    page.goto(f"{address}/platforms?profile={name}")
    page.get_by_role("heading", name="Figures").wait_for()
    told = _pictures(page)
    for words in SHOWN[name]:
        assert any(words in text for text in told), words
    page.get_by_test_id("stDataFrame").last.locator("canvas").first.wait_for()
    screenshot(page, f"platforms-{name}")


def test_what_is_chosen_stands_in_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/platforms")
    page.get_by_role("heading", name="Cluster: Demonstration fleet").wait_for()
    page.get_by_role("combobox", name="Platform or cluster").fill("MTIA")
    page.get_by_role("option", name="Platform: MTIA v1 host").click()
    page.wait_for_url("**/platforms?profile=mtia_v1")
    page.get_by_role("heading", name="Platform: MTIA v1 host").wait_for()
    page.get_by_role("heading", name="Figures").wait_for()
    assert any("20 hosts, fans at full load" in text for text in _pictures(page))


def _pictures(page: Page) -> list[str]:
    """The texts of the pictures, each of which is drawn at some size."""
    pictures = page.locator(".stMainBlockContainer img")
    pictures.first.wait_for()
    texts = []
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > LEAST_PIXELS
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
        source = picture.get_attribute("src") or ""
        texts.append(b64decode(source.partition(",")[2]).decode("utf-8"))
    return texts
