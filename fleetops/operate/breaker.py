"""The circuit breaker: many hosts blamed at once is more likely our mistake than theirs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from fleetops.core.config import PolicyConfig
from fleetops_schemas.records import Incident, Intent, IntentKind, Verdict


class Breaker:
    """Trips when too many hosts are blamed within its window; only a person resets it."""

    def __init__(self, policy: PolicyConfig) -> None:
        """Not tripped."""
        self._limit = policy.breaker_incidents
        self._window = timedelta(seconds=policy.breaker_window_seconds)
        self._reset_at: datetime | None = None
        self._seen_offset = -1
        self.reset_id = ""
        """Id of the last reset: what was refused before it may be planned anew."""
        self.why: str | None = None
        """Why it is tripped; None while it is not."""

    def hear(self, intent: Intent, offset: int) -> None:
        """Takes in a trip or a reset, in the order of the log; an old one again changes nothing."""
        if offset <= self._seen_offset:
            return
        if intent.kind is IntentKind.RESET_BREAKER:
            self.why, self._reset_at, self.reset_id = None, intent.created_at, intent.id
        elif intent.kind is IntentKind.TRIP_BREAKER:
            self.why = intent.reason
        else:
            return
        self._seen_offset = offset

    def weigh(self, incidents: Iterable[Incident]) -> bool:
        """Whether these incidents trip it now: the hosts blamed since the last reset."""
        if self.why is not None:
            return False
        blamed = sorted(
            (incident.opened_at, host)
            for incident in incidents
            if incident.verdict is Verdict.HARDWARE and incident.action.drains
            for host in incident.suspect_hosts
            if self._reset_at is None or incident.opened_at > self._reset_at
        )
        start = 0
        for end, (until, _) in enumerate(blamed):
            while blamed[start][0] <= until - self._window:
                start += 1
            recent = {host for _, host in blamed[start : end + 1]}
            if len(recent) >= self._limit:
                seconds = self._window.total_seconds()
                self.why = (
                    f"{len(recent)} hosts blamed within {seconds:g} s "
                    f"up to {until:%Y-%m-%d %H:%M:%S} UTC; look, then reset the breaker"
                )
                return True
        return False
