"""Nodes and jobs that a scheduler lists no longer: each is told once, as gone.

Their topics keep the last word on every key, so silence would leave them running for ever.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from fleetops_collectors.base import Scrape
from fleetops_schemas.records import ENDED, GONE, Job, NodeState


class EndedFacts:
    """What each target listed last."""

    def __init__(self) -> None:
        """Nothing was listed yet."""
        self._listed: dict[str, tuple[set[str], set[str]]] = {}
        """By target: nodes and jobs."""

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Takes what was listed before a restart, from cursors by target name."""
        for target, cursor in cursors.items():
            try:
                nodes, jobs = orjson.loads(cursor)
                self._listed[target] = {str(one) for one in nodes}, {str(one) for one in jobs}
            except (orjson.JSONDecodeError, TypeError, ValueError):
                continue  # another version's: what ended meanwhile is not told

    def add(self, scrape: Scrape) -> None:
        """Adds what is gone since the last scrape of the target, and the cursor for the next."""
        nodes, jobs = {one.node for one in scrape.nodes}, {one.id for one in scrape.jobs}
        nodes_before, jobs_before = self._listed.get(scrape.target.name, (set(), set()))
        now = scrape.observed_at
        scrape.nodes += [
            NodeState(node=name, states=(GONE,), drained=False, busy=False, observed_at=now)
            for name in sorted(nodes_before - nodes)
        ]
        scrape.jobs += [
            Job(id=name, state=ENDED, observed_at=now) for name in sorted(jobs_before - jobs)
        ]
        self._listed[scrape.target.name] = nodes, jobs
        scrape.cursor = orjson.dumps([sorted(nodes), sorted(jobs)]).decode()
