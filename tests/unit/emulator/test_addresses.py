"""How often the written configuration asks."""

from __future__ import annotations

from typing import Any

import pytest

from fleetops.emulator.addresses import paced
from fleetops_collectors.base import CollectorConfig


@pytest.mark.parametrize(
    ("kind", "tick_seconds", "interval", "deadline"),
    [
        ("prometheus", 0.25, 1.0, 3.0),
        ("redfish", 0.25, 4.0, 8.0),
        ("gnmi", 1.0, 4.0, 8.0),
        # the fleet's own cadence, with a fifth of it in hand
        ("prometheus", 10.0, 10.0, 8.0),
        ("redfish", 60.0, 60.0, 48.0),
        ("redfish", 5.0, 5.0, 8.0),
        ("prometheus", 86_400.0, 3600.0, 600.0),
    ],
)
def test_collectors_ask_as_often_as_the_fleet_changes(
    kind: str, tick_seconds: float, interval: float, deadline: float
) -> None:
    entry: dict[str, Any] = {"kind": kind, "name": "x", "targets": [{"name": "a", "url": "b"}]}
    made = paced({**entry, "interval_seconds": 77.0}, tick_seconds)
    assert (made["interval_seconds"], made["deadline_seconds"]) == (interval, deadline)
    assert made["targets"] == entry["targets"]
    fields = {key: value for key, value in made.items() if key != "kind"}
    config = CollectorConfig.model_validate(fields)
    assert config.interval_seconds == interval
