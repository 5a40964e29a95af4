"""Properties are the catalogue's sources the other way round, as the collector reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.emulator.interfaces.redfish.points import duration, encoder, points_of
from fleetops.emulator.interfaces.redfish.telemetry import text_of
from fleetops_collectors.quality import judge
from fleetops_collectors.redfish.values import duration_seconds, number_of
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.readings import Quality

WORDS_OF_OTHERS = {"link_state", "breaker_state", "leak_detector_ok"}
"""States of ports and circuits, which are not emulated, and one that is no number to a reader."""
SOURCES = [
    pytest.param(metric, source, id=f"{device_class.name}.{metric.name}-{source.name}")
    for device_class in load_catalog().classes.values()
    for metric in device_class.metrics
    for source in metric.sources.get("redfish", ())
    if not source.name.startswith("Sensor.") and metric.name not in WORDS_OF_OTHERS
]


def values_of(metric: Metric) -> list[float]:
    """Some values that the metric may have."""
    if metric.states:
        return [float(value) for value in metric.states if value <= 2]
    if metric.name == "pcie_link_generation":
        return [1.0, 5.0]
    low, high = metric.range
    some = [low, min(high, 3.0), min(high, 1234.5)]
    return [float(round(value)) if metric.type.is_integer else value for value in some]


@pytest.mark.parametrize(("metric", "source"), SOURCES)
def test_what_is_shown_is_read_as_it_was_meant(metric: Metric, source: Source) -> None:
    encode = encoder(metric, source)
    for value in values_of(metric):
        if metric.name == "power_state" and value > 1.0:
            continue  # on its way up or down: the model switches at once
        shown = encode(value)
        for raw in (shown, text_of(shown)):
            number = number_of(raw, metric)
            assert number is not None, raw
            read, quality = judge(metric, number, source.scale, source.offset)
            assert quality is Quality.GOOD
            assert read == pytest.approx(value, rel=1e-12, abs=1e-6), raw


def test_a_point_stands_where_the_catalogue_says() -> None:
    points = points_of("EnvironmentMetrics", "accelerator", 3, {"power_watts", "energy_joules"})
    assert {point.metric: point.path for point in points} == {
        "power_watts": "/PowerWatts/Reading",
        "energy_joules": "/EnergyJoules/Reading",
    }
    assert {point.part for point in points} == {3}


def test_rails_and_groups_are_lists() -> None:
    (rail,) = points_of("PowerSupplyMetrics", "power_unit", 1, {"output_voltage_volts"})
    assert rail.path == "/RailVoltage/0/Reading"
    (group,) = points_of("PowerSubsystem", "power_unit", 0, {"redundancy_lost"})
    assert group.path == "/PowerSupplyRedundancy/0/Status/Health"


def test_plain_values_have_no_reading() -> None:
    points = points_of(
        "CoolantConnector",
        "coolant_unit",
        0,
        {"rated_flow_litres_per_minute", "flow_litres_per_minute"},
    )
    assert {point.path for point in points} == {
        "/RatedFlowLitersPerMinute",
        "/FlowLitersPerMinute/Reading",
    }


def test_properties_of_nvidia_are_left_out_where_others_made_the_part() -> None:
    metrics = {"utilization_ratio", "tensor_active_ratio"}
    shown = {point.metric for point in points_of("ProcessorMetrics", "accelerator", 0, metrics)}
    others = points_of("ProcessorMetrics", "accelerator", 0, metrics, oem=False)
    assert shown == metrics
    assert [point.metric for point in others] == ["utilization_ratio"]


def test_a_duration_is_days_hours_minutes_and_seconds() -> None:
    assert duration(0.0) == "P0DT0H0M0.000000S"
    assert duration(86_400.0 + 2 * 3600 + 3 * 60 + 4.5) == "P1DT2H3M4.500000S"


@given(st.integers(0, 10**13))
def test_durations_come_back_to_the_microsecond(microseconds: int) -> None:
    seconds = duration_seconds(duration(microseconds / 1e6))
    assert seconds is not None
    assert round(seconds * 1e6) == microseconds
