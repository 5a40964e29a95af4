"""The addresses of the pages: what is shown stands in the URL, so reloads and links keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import streamlit as st
from streamlit.navigation.page import StreamlitPage

NODE = "node"
INCIDENT = "incident"
SPAN = "span"
UNTIL = "until"
SHOWN = "show"
PROFILE = "profile"


def register(pages: Mapping[str, StreamlitPage]) -> None:
    """Makes the pages known to the links of this session."""
    st.session_state["pages"] = dict(pages)


def go_to_node(name: str) -> None:
    """Opens a node's page."""
    st.switch_page(_page("node"), query_params={NODE: name})


def link_to_node(name: str, until: datetime | None = None, label: str | None = None) -> None:
    """A link to a node's page; with ``until`` it shows the time up to then instead of now."""
    parameters = {NODE: name}
    if until is not None:
        parameters[UNTIL] = until.isoformat(timespec="seconds")
    st.page_link(_page("node"), label=label or name, query_params=parameters)


def link_to_incident(identity: str, label: str) -> None:
    """A link to an incident's page."""
    st.page_link(_page("incidents"), label=label, query_params={INCIDENT: identity})


def choose(
    label: str,
    options: Sequence[str],
    parameter: str,
    *,
    words: Callable[[str], str] = str,
    placeholder: str | None = None,
) -> str | None:
    """A select box whose value is the URL's parameter. None where the URL names no option."""
    key = f"choose-{parameter}"
    wanted = st.query_params.get(parameter)
    st.session_state[key] = wanted if wanted in options else None

    def picked() -> None:
        _write(parameter, st.session_state[key])

    return st.selectbox(
        label,
        options,
        index=None,
        key=key,
        on_change=picked,
        format_func=words,
        placeholder=placeholder,
        label_visibility="collapsed",
    )


def switch(label: str, options: Sequence[str], parameter: str, default: str) -> str:
    """A row of alternatives whose value is the URL's parameter."""
    key = f"switch-{parameter}"
    wanted = st.query_params.get(parameter, default)
    st.session_state[key] = wanted if wanted in options else default

    def picked() -> None:
        value = st.session_state[key]
        _write(parameter, None if value == default else value)

    chosen = st.segmented_control(
        label, options, key=key, on_change=picked, label_visibility="collapsed"
    )
    return chosen or default


def _write(parameter: str, value: str | None) -> None:
    if value is None:
        st.query_params.pop(parameter, None)
    else:
        st.query_params[parameter] = value


def _page(name: str) -> StreamlitPage:
    page: StreamlitPage = st.session_state["pages"][name]
    return page
