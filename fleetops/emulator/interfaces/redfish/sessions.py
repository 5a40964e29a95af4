"""Sessions of one management controller: few, and gone when not used."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from fleetops.core.clock import Clock

MAX_SESSIONS = 4
"""Small, as on real controllers: whoever does not log out is soon locked out."""
IDLE_SECONDS = 300.0


@dataclass(slots=True)
class Session:
    """One login."""

    id: str
    token: str
    username: str
    used_at: float


class SessionStore:
    """The open sessions."""

    def __init__(self, clock: Clock) -> None:
        """None open."""
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def open(self, username: str) -> Session | None:
        """A new session; None when the limit is reached."""
        self._expire()
        if len(self._sessions) >= MAX_SESSIONS:
            return None
        session = Session(
            secrets.token_hex(8), secrets.token_hex(16), username, self._clock.monotonic()
        )
        self._sessions[session.id] = session
        return session

    def is_open(self, token: str) -> bool:
        """Whether the token is good; using it keeps it so."""
        self._expire()
        for session in self._sessions.values():
            if secrets.compare_digest(session.token.encode(), token.encode()):
                session.used_at = self._clock.monotonic()
                return True
        return False

    def close(self, session_id: str) -> bool:
        """Ends a session; False if there is none of that id."""
        return self._sessions.pop(session_id, None) is not None

    def get(self, session_id: str) -> Session | None:
        """A session by id."""
        self._expire()
        return self._sessions.get(session_id)

    @property
    def ids(self) -> list[str]:
        """Ids of the open sessions."""
        self._expire()
        return list(self._sessions)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        for session in [s for s in self._sessions.values() if now - s.used_at > IDLE_SECONDS]:
            del self._sessions[session.id]
