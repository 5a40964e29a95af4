"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import ROOT, unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SCREENSHOTS = ROOT / ".artifacts" / "pages"
"""Where people find what the last run saw."""
WAIT_SECONDS = 60.0


@contextmanager
def open_browser() -> Iterator[Page]:
    """One tab. Skips the test where there is no browser, or fails it where one is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        unavailable("browser", "no chromium on the path; install your distribution's package")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing
    except ImportError:
        unavailable("browser", "playwright is not installed; pip install 'fleetops[dev]'")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own has no root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(1000 * WAIT_SECONDS)
        try:
            yield page
        finally:
            browser.close()


def screenshot(page: Page, name: str) -> None:
    """Keeps what the page looks like."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def comes(what: Locator, seconds: float) -> bool:
    """Whether it shows within that time."""
    from playwright.sync_api import TimeoutError as NotThere  # noqa: PLC0415 - it may be missing

    try:
        what.wait_for(timeout=1000 * seconds)
    except NotThere:
        return False
    return True
