"""Sockets of the emulator: many at a time, within what the process may open."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.http_server import (
    FILES_PER_LISTENER,
    OTHER_FILES,
    listen_many,
    port_of,
)


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_of_files_is_raised_as_far_as_is_needed() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    already = len(os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (already + 10, hard))
    listeners = listen_many(20)
    try:
        assert len({port_of(listener) for listener in listeners}) == 20
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft >= already + 20 * FILES_PER_LISTENER + OTHER_FILES
    finally:
        for listener in listeners:
            listener.close()


def test_more_than_the_hard_limit_is_refused_with_the_remedy() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no hard limit here")
    with pytest.raises(ConfigError, match=f"hard limit is {hard}; raise it"):
        listen_many(hard)
