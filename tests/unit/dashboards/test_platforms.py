"""The page of platforms, for each profile, as Streamlit's own test runs it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fleetops_dashboards.views.platforms import profile_title
from fleetops_dashboards.words import plain
from fleetops_schemas.fleet_profiles import fleet_names


def script() -> None:
    from fleetops_dashboards.views.platforms import page  # noqa: PLC0415 - its source is run

    page()


@pytest.mark.parametrize("name", fleet_names())
def test_every_profile_is_drawn(name: str) -> None:
    app = AppTest.from_function(script, default_timeout=30)
    app.query_params["profile"] = name
    app.run()
    assert not app.exception
    assert app.markdown[0].value == f"## {plain(profile_title(name))}"
    assert [one.value for one in app.subheader][-1] == "Figures"
    figures = app.dataframe[-1].value
    assert list(figures.columns) == ["figure", "value", "basis", "origin"]
    assert set(figures["basis"]) <= {"measured", "published", "assumed"}
    assert (figures["origin"].str.len() > 0).all()


def test_without_a_choice_there_is_the_demonstration() -> None:
    app = AppTest.from_function(script, default_timeout=30)
    app.run()
    assert app.markdown[0].value == f"## {plain('Cluster: Demonstration fleet')}"
    assert [one.value for one in app.metric][:2] == ["256", "32"]
    assert app.selectbox[0].options[0].startswith("Cluster: ")


def test_titles_say_what_a_profile_is() -> None:
    assert profile_title("zionex") == "Platform: ZionEX with eight A100"
    assert profile_title("demo") == "Cluster: Demonstration fleet"
