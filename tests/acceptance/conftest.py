"""One line for all tests of this folder: it takes longer to start than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.line import TestLine, running_line

ROLES = [("collect", "ingest", "detect", "operate", "alert", "api")]


@pytest.fixture(scope="package")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLine]:
    """Every role in one process over an emulated fleet on which nothing happens by itself."""
    with running_line(tmp_path_factory.mktemp("acceptance"), ROLES) as running:
        yield running
