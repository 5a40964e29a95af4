"""The Streamlit app: ``streamlit run`` this file, or ``fleetops up``."""

from __future__ import annotations

import streamlit as st

from fleetops_dashboards.pages import fleet, incidents, node


def main() -> None:
    """Three pages; each keeps what it shows in its address."""
    st.set_page_config(page_title="FleetOps", page_icon=":material/dns:", layout="wide")
    pages = {
        "fleet": st.Page(fleet.page, title="Fleet", url_path="fleet", default=True),
        "incidents": st.Page(incidents.page, title="Incidents", url_path="incidents"),
        "node": st.Page(node.page, title="Node", url_path="node"),
    }
    st.session_state["pages"] = pages
    st.navigation(list(pages.values()), position="top").run()


main()
