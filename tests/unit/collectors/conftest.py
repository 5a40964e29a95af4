"""Fixtures of collectors' tests."""

from __future__ import annotations

import pytest

from tests.nvml_testbed import EmulatedDriver


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> EmulatedDriver:
    return EmulatedDriver(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(built: EmulatedDriver) -> EmulatedDriver:
    built.behave()
    return built
