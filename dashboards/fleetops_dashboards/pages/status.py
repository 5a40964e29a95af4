"""What every page says when it cannot show what it should."""

from __future__ import annotations

import streamlit as st

from fleetops.core.errors import FleetOpsError, TemporaryError
from fleetops_dashboards import data
from fleetops_dashboards.words import plain


def out_of_reach(error: FleetOpsError) -> None:
    """Says that nothing is known right now, and that the page mends itself."""
    if isinstance(error, TemporaryError):
        st.error(
            "**The API does not answer, so nothing here is known right now.** "
            f"{plain(str(error))}. "
            f"This page asks again every {data.REFRESH_SECONDS} seconds."
        )
        return
    st.error(plain(str(error)))
