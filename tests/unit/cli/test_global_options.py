from __future__ import annotations

import pytest

from fleetops.cli.main import global_options_first


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["collect", "once", "--config", "a.yaml"], ["--config", "a.yaml", "collect", "once"]),
        (["-c", "a.yaml", "demo", "--list"], ["-c", "a.yaml", "demo", "--list"]),
        (["demo", "--config=a.yaml", "--list"], ["--config=a.yaml", "demo", "--list"]),
        (["node", "list", "--log-level", "debug", "-o", "json"],
         ["--log-level", "debug", "node", "list", "-o", "json"]),
        (["decode", "x", "--", "--config", "b"], ["decode", "x", "--", "--config", "b"]),
        (["collect", "--config"], ["--config", "collect"]),
        ([], []),
    ],
)  # fmt: skip
def test_options_of_every_command_may_stand_anywhere(given: list[str], meant: list[str]) -> None:
    assert global_options_first(given) == meant
