"""What tests share: where the real payloads are, and when a missing service is a failure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent


def required(service: str) -> bool:
    """Whether the run demands this service (``FLEETOPS_REQUIRE=kafka,slurm`` or ``all``)."""
    wanted = os.environ.get("FLEETOPS_REQUIRE", "").split(",")
    return service in wanted or "all" in wanted


def unavailable(service: str, why: str) -> NoReturn:
    """Skips the test, saying why; fails it where the service is required."""
    if required(service):
        pytest.fail(f"{service} is required (FLEETOPS_REQUIRE) but unavailable: {why}")
    pytest.skip(f"{service} unavailable: {why}")


def fixtures() -> Path:
    """The folder of real payloads; skips the test where it is absent."""
    folder = Path(os.environ.get("FLEETOPS_FIXTURES", ROOT.parent / "shared" / "fixtures"))
    if not folder.is_dir():
        unavailable("fixtures", f"no real payloads at {folder}; set FLEETOPS_FIXTURES")
    return folder
