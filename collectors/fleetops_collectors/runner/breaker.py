"""A circuit breaker for one target: a dead one is tried ever more rarely."""

from __future__ import annotations

from random import Random

FAILURES_TO_OPEN = 3
"""Failures in a row; fewer may be a restart."""
MAX_BACK_OFF_SECONDS = 60.0
"""A target that comes back is noticed within this."""


class Breaker:
    """Counts failures in a row, and says when the next attempt is due."""

    def __init__(
        self, base_seconds: float, rng: Random, max_seconds: float = MAX_BACK_OFF_SECONDS
    ) -> None:
        """Closed.

        Args:
            base_seconds: The target's interval; the first back-off is twice that.
            rng: For the jitter that keeps targets which died together from returning together.
            max_seconds: Longest back-off, unless the interval is longer.
        """
        self._base = base_seconds
        self._max = max(max_seconds, base_seconds)
        self._rng = rng
        self._failures = 0
        self._retry_at = 0.0

    @property
    def open(self) -> bool:
        """Whether attempts are held back."""
        return self._failures >= FAILURES_TO_OPEN

    def allows(self, now_seconds: float) -> bool:
        """Whether an attempt may be made at this monotonic time."""
        return not self.open or now_seconds >= self._retry_at

    def succeeded(self) -> None:
        """Closes it."""
        self._failures = 0

    def failed(self, now_seconds: float) -> None:
        """Counts a failure; from the third on the wait doubles, with jitter of a half down."""
        self._failures += 1
        if self.open:
            doublings = min(self._failures - FAILURES_TO_OPEN + 1, 32)
            wait = min(self._base * 2.0**doublings, self._max)
            self._retry_at = now_seconds + wait * self._rng.uniform(0.5, 1.0)
