"""Tables: what sensors can tell apart, what is missing, and the types that the store has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fleetops.emulator.model.tables import Roster, Table, quantised, resolution
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.fleet_profiles import fleet_names
from fleetops_schemas.telemetry import arrow_schema
from tests.unit.emulator.emulated import emulated

NAN = float("nan")


def table(device_class: str = "accelerator", rows: int = 3) -> Table:
    devices = tuple(f"node001/gpu{number}" for number in range(rows))
    roster = Roster(device_class, devices, ("node001",) * rows, ("r01",) * rows)
    return Table(roster, present=np.ones(rows, dtype=np.bool_))


@pytest.mark.parametrize(
    ("device_class", "metric", "step"),
    [
        ("accelerator", "temperature_celsius", 1.0),
        ("accelerator", "utilization_ratio", 0.01),
        ("accelerator", "power_watts", 0.5),
        ("accelerator", "throttle_reasons", 1.0),
        ("host", "inlet_temperature_celsius", 0.25),
        ("host", "fan_speed_ratio", 1 / 1024),
        ("power_unit", "output_voltage_volts", 1 / 64),
        ("coolant_unit", "flow_litres_per_minute", 1 / 16),
        ("coolant_unit", "supply_pressure_kilopascals", 0.125),
        ("fabric_port", "receive_bytes_total", 1.0),
        ("training_rank", "step_seconds", 1e-6),
    ],
)
def test_a_sensor_tells_apart_what_a_real_one_does(
    device_class: str, metric: str, step: float
) -> None:
    assert resolution(device_class, metric) == step
    values = np.array([0.3, 7.77, 41.0])
    told = quantised(device_class, metric, values)
    assert np.abs(told - values).max() <= step / 2 + 1e-12
    assert told / step == pytest.approx(np.rint(told / step))


def test_where_no_step_is_known_a_value_is_told_as_it_is() -> None:
    assert resolution("accelerator", "energy_joules") == 0.0
    told = quantised("accelerator", "energy_joules", np.array([1e9 + 0.25]))
    assert told.tolist() == [1e9 + 0.25]


def test_no_protocol_rounds_a_binary_point_twice() -> None:
    """Registers and ADCs have binary fractions: such a value is one of single precision too."""
    told = quantised("power_unit", "output_voltage_volts", np.linspace(0.0, 60.0, 997))
    assert np.array_equal(told, told.astype(np.float32))
    assert np.array_equal(told * 64.0, np.rint(told * 64.0))


def test_light_is_told_in_hundredths_of_a_decibel() -> None:
    told = quantised("fabric_port", "optics_receive_power_milliwatts", np.array([1.0, 0.5003, 2.2]))
    decibels = 10.0 * np.log10(told)
    assert decibels * 100.0 == pytest.approx(np.rint(decibels * 100.0), abs=1e-9)
    assert told == pytest.approx([1.0, 0.5003, 2.2], rel=0.0012)
    dark = quantised("fabric_port", "optics_receive_power_milliwatts", np.array([0.0]))
    assert 0.0 < dark[0] <= 1e-9, "no light has a logarithm"


def test_what_has_no_reading_stays_without_one() -> None:
    told = quantised("accelerator", "temperature_celsius", np.array([NAN, 61.4]))
    assert np.isnan(told[0])
    assert told[1] == 61.0


def test_a_value_is_found_by_device_unless_it_is_away() -> None:
    made = table()
    made.put("temperature_celsius", np.array([60.2, NAN, 61.8]))
    assert made.value("node001/gpu0", "temperature_celsius") == 60.0
    assert np.isnan(made.value("node001/gpu1", "temperature_celsius"))
    assert np.isnan(made.value("node001/gpu0", "power_watts"))
    made.present[0] = False
    assert np.isnan(made.value("node001/gpu0", "temperature_celsius"))
    with pytest.raises(KeyError):
        made.value("node001/gpu9", "temperature_celsius")


def test_rows_are_laid_into_a_column_and_hidden_from_it() -> None:
    made = table()
    made.lay("power_watts", np.array([2]), np.array([100.3]))
    assert made["power_watts"][:2].tolist() == pytest.approx([NAN, NAN], nan_ok=True)
    made.lay("power_watts", np.array([0]), np.array([50.0]))
    assert made["power_watts"][[0, 2]].tolist() == [50.0, 100.5]
    made.put("temperature_celsius", np.array([1.0, 2.0, 3.0]))
    before = made["temperature_celsius"]
    made.hide(["temperature_celsius", "no_such_metric"], slice(0, 2))
    assert made.metrics_of(0) == ("power_watts",)
    assert made.metrics_of(2) == ("power_watts", "temperature_celsius")
    assert before.tolist() == [1.0, 2.0, 3.0], "who holds the old column keeps it"


def test_arrays_have_the_stores_types_and_null_where_nothing_is_read() -> None:
    made = table()
    made.put("temperature_celsius", np.array([60.0, NAN, 61.0]))
    made.put("energy_joules", np.array([1e12, 2e12, 3e12]))
    made.put("row_remap_failed", np.array([0.0, NAN, 1.0]))
    arrays, schema = made.arrays(), arrow_schema("accelerator")
    assert {name: array.type for name, array in arrays.items()} == {
        name: schema.field(name).type for name in arrays
    }
    assert arrays["temperature_celsius"].to_pylist() == [60.0, None, 61.0]
    assert arrays["energy_joules"].to_pylist() == [1e12, 2e12, 3e12]
    assert [
        None if one is None else int(one) for one in arrays["row_remap_failed"].to_pylist()
    ] == [
        0,
        None,
        1,
    ]


def test_texts_of_a_roster_are_dictionaries_of_their_own() -> None:
    texts = table(rows=5).roster.texts(slice(1, 3))
    assert {name: array.to_pylist() for name, array in texts.items()} == {
        "device": ["node001/gpu1", "node001/gpu2"],
        "host": ["node001"] * 2,
        "rack": ["r01"] * 2,
    }
    kind = arrow_schema("accelerator").field("device").type
    assert pa.types.is_dictionary(kind)
    assert {array.type for array in texts.values()} == {kind}
    assert texts["host"].dictionary.to_pylist() == ["node001"]


@pytest.mark.parametrize("name", fleet_names())
def test_every_table_of_every_profile_becomes_arrays(name: str) -> None:
    """Of the store's types, equal to the columns as far as single precision goes."""
    fleet = emulated(name, tick_seconds=10.0, hosts=4, warm_up_seconds=60.0)
    fleet.tick()
    for device_class, one in fleet.tables.items():
        schema = arrow_schema(device_class)
        for metric, array in one.arrays().items():
            column = one[metric]
            assert array.type == schema.field(metric).type
            assert array.null_count == int(np.isnan(column).sum())
            known = ~np.isnan(column)
            back = array.to_numpy(zero_copy_only=False).astype(np.float64)[known]
            assert back == pytest.approx(column[known], rel=1e-6), f"{device_class}.{metric}"
            integers = load_catalog()[device_class].metric(metric).type.is_integer
            assert not integers or np.array_equal(back, column[known])
