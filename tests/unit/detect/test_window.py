from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from fleetops.detect.window import Window, masked_median, robust_z
from fleetops_schemas.readings import Quality
from tests.unit.detect.support import START, rows


def test_readings_arrive_in_rings_of_their_own() -> None:
    window = Window(("temperature_celsius", "power_watts"), ticks=3)
    for tick in range(5):
        values = {"node001/gpu0": {"temperature_celsius": 60.0 + tick, "power_watts": 500.0}}
        if tick >= 3:
            values["node002/gpu0"] = {"temperature_celsius": 50.0, "power_watts": 400.0}
        window.update(rows("accelerator", tick, values)[1])
    assert window.devices.names == ["node001/gpu0", "node002/gpu0"]
    assert window.devices.hosts == ["node001", "node002"]
    assert window.latest("temperature_celsius").tolist() == [64.0, 50.0]
    assert window.median("temperature_celsius", 60.0).tolist() == [63.0, 50.0]
    assert window.median("temperature_celsius", 60.0, before_seconds=1.0).tolist() == [62.5, 50.0]
    assert window.last_seen.tolist() == [START.timestamp() + 4] * 2
    assert np.isnan(window.values[0, 1]).sum() == 1


def test_null_is_not_zero_and_not_the_last_value() -> None:
    window = Window(("power_watts",), ticks=4)
    window.update(rows("accelerator", 0, {"node001/gpu0": {"power_watts": 500.0}})[1])
    window.update(rows("accelerator", 1, {"node001/gpu0": {"power_watts": Quality.SENTINEL}})[1])
    assert np.isnan(window.latest("power_watts")[0])
    assert window.median("power_watts", 10.0)[0] == 500.0
    assert window.count("power_watts")[0] == 1


def test_late_rows_are_counted_and_change_nothing() -> None:
    window = Window(("power_watts",), ticks=4)
    window.update(rows("accelerator", 5, {"node001/gpu0": {"power_watts": 500.0}})[1])
    window.update(rows("accelerator", 2, {"node001/gpu0": {"power_watts": 100.0}})[1])
    assert window.late_rows == 1
    assert window.latest("power_watts")[0] == 500.0


def test_a_batch_of_several_ticks_keeps_their_order() -> None:
    header, first = rows("accelerator", 3, {"node001/gpu0": {"power_watts": 3.0}})
    _, second = rows("accelerator", 1, {"node001/gpu0": {"power_watts": 1.0}})
    both = pa.Table.from_batches([first, second]).unify_dictionaries().combine_chunks()
    window = Window(("power_watts",), ticks=4)
    window.update(both.to_batches()[0])
    assert window.latest("power_watts")[0] == 3.0
    assert window.count("power_watts")[0] == 2
    assert header.device_class == "accelerator"


def test_masked_median_against_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32)
    values[values > 1] = np.nan
    values[0] = np.nan
    with np.errstate(all="ignore"):
        known = ~np.isnan(values).all(axis=1)
        expected = np.nanmedian(values[known], axis=1)
    assert np.isnan(masked_median(values)[0])
    np.testing.assert_allclose(masked_median(values)[known], expected, rtol=1e-6)


def test_robust_z_is_within_the_group_and_skips_nulls() -> None:
    values = np.array([[1.0, 1.0, 1.0, 2.0, 10.0, 10.0, 10.0, np.nan, 5.0]], np.float32)
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1])
    scores = robust_z(values, groups)[0]
    assert scores[3] == pytest.approx(100.0)  # 1 / (1 % of the median): identical peers
    assert scores[:3].tolist() == [0.0, 0.0, 0.0]
    assert scores[4:7].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(scores[7:]).all()


@pytest.mark.parametrize("groups", ["racks", "uneven"])
def test_robust_z_of_a_fleet(groups: str) -> None:
    rng = np.random.default_rng(1)
    numbers = np.arange(20_000) // 64 if groups == "racks" else rng.integers(0, 300, 20_000)
    values = rng.normal(60.0, 3.0, (8, 20_000)).astype(np.float32)
    started = time.perf_counter()
    scores = robust_z(values, numbers)
    assert time.perf_counter() - started < 1.0
    one = numbers == 17
    middle = np.median(values[3, one])
    spread = np.median(np.abs(values[3, one] - middle))
    expected = (values[3, one] - middle) / (1.4826 * spread + 0.01 * middle)
    np.testing.assert_allclose(scores[3, one], expected, rtol=1e-3, atol=1e-4)
