"""The Streamlit app: ``streamlit run`` this file, or ``fleetops up``."""

from __future__ import annotations

from importlib.resources import files

import streamlit as st

from fleetops.core.logging import configure_logging
from fleetops_dashboards.links import register
from fleetops_dashboards.views import fleet, incidents, node, platforms

HERE = files("fleetops_dashboards")


@st.cache_resource(show_spinner=False)
def _log_once() -> None:
    configure_logging()


def main() -> None:
    """Four pages; each keeps what it shows in its address."""
    _log_once()
    st.set_page_config(
        page_title="FleetOps", page_icon=(HERE / "icon.svg").read_text("utf-8"), layout="wide"
    )
    st.html(f"<style>{(HERE / 'style.css').read_text('utf-8')}</style>")
    st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")
    pages = {
        "fleet": st.Page(fleet.page, title="Fleet", url_path="fleet", default=True),
        "incidents": st.Page(incidents.page, title="Incidents", url_path="incidents"),
        "node": st.Page(node.page, title="Node", url_path="node"),
        "platforms": st.Page(platforms.page, title="Platforms", url_path="platforms"),
    }
    register(pages)
    st.navigation(list(pages.values()), position="top").run()


main()
