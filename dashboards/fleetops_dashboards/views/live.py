"""The part of a page that redraws itself, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

import streamlit as st

from fleetops.core.errors import FleetOpsError
from fleetops.core.logging import get_logger
from fleetops_dashboards.data import REFRESH_SECONDS
from fleetops_dashboards.words import clock, plain

_LOG = get_logger("dashboard")
_DRAWN_AT = "drawn-at"


def live(draw: Callable[[], None]) -> Callable[[], None]:
    """Draws again every few seconds; the boundary at which a page's errors end.

    What a page cannot show is said in its place, never left as it was: old numbers that look
    like present ones are worse than none.
    """

    @st.fragment(run_every=f"{REFRESH_SECONDS}s")
    @wraps(draw)
    def part() -> None:
        try:
            draw()
        except FleetOpsError as error:
            _unknown(plain(str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary of the loop
            _LOG.exception("page failed", page=draw.__module__)
            _unknown(f"This page failed: `{type(error).__name__}`; the dashboard's log has more")
        else:
            st.session_state[_DRAWN_AT] = datetime.now(UTC)

    return part


def _unknown(why: str) -> None:
    drawn_at: datetime | None = st.session_state.get(_DRAWN_AT)
    last = f" It last knew at {clock(drawn_at)} UTC." if drawn_at else ""
    st.error(
        f"**Nothing is known right now.** {why[0].upper()}{why[1:].rstrip('.')}.  \n"
        f"This page asks again every {REFRESH_SECONDS} seconds.{last}",
        icon=":material/cloud_off:",
    )
