"""When a target is read: at a fixed phase of its interval, a little jittered."""

from __future__ import annotations

from math import ceil
from random import Random
from zlib import crc32

JITTER_RATIO = 0.05
MAX_JITTER_SECONDS = 1.0


class Schedule:
    """The rounds of one target, in monotonic seconds.

    Targets of one ``group`` (a rack) share their phase, so that their rows share messages; groups
    are spread over the interval. The phase depends on names alone, so a restart changes nothing.
    """

    def __init__(
        self, group: str, interval_seconds: float, start_seconds: float, rng: Random
    ) -> None:
        """The first round is due within one interval of ``start_seconds``."""
        self._interval = interval_seconds
        self._jitter = min(JITTER_RATIO * interval_seconds, MAX_JITTER_SECONDS)
        self._rng = rng
        self._due = start_seconds + interval_seconds * crc32(group.encode()) / 2**32

    def wait_seconds(self, now_seconds: float) -> float:
        """Seconds until the round that is due next, 0 where it is due."""
        return max(0.0, self._due + self._rng.uniform(0, self._jitter) - now_seconds)

    def advance(self, now_seconds: float) -> int:
        """Moves on after a round; how many rounds passed by unread meanwhile."""
        self._due += self._interval
        missed = max(0, ceil((now_seconds - self._due) / self._interval))
        self._due += missed * self._interval
        return missed
