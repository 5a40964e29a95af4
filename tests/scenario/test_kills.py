"""kill -9 of ingest, detect and operate, ten times each, while a scenario runs; on both lines."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.scenario.killed_line import (
    ROLES,
    SCENARIO,
    STRUCK,
    aftermath,
    assert_all_is_stored,
    assert_epochs_grow,
    assert_one_drain,
    run_and_kill,
)
from tests.scenario.sites import Site

LOG = logging.getLogger(__name__)
BATCH_SECONDS = 0.05
"""It inserts nearly all the time: that is when most kills come."""


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_is_done_twice(site: Site, tmp_path: Path) -> None:
    ingest = {"batch_seconds": BATCH_SECONDS}
    with site.line(tmp_path / "line", SCENARIO, ingest=ingest) as line:
        node = line.hosts[STRUCK]
        kills = run_and_kill(line, node, seed=79)
        LOG.info("kills: %s", kills)
        assert [line.role(name).kills for name in ROLES] == [10] * 3
        after = aftermath(line)
        assert_one_drain(after, node)
        assert_epochs_grow(line, after)
        assert site.writes(line) == [("drain", node)]
        reason = site.drain_of(line, node)
        assert reason is not None
        assert reason.startswith(f"fleetops:{after.actions[0].incident_id} ")
        stored = assert_all_is_stored(line)
        LOG.info("stored: %s", stored)
    assert stored["rows"] > 0
