"""An emulated day of the Acme clusters against the distributions that were published of them.

The files are quantiles (value, cumulative percent) of AcmeTrace (Hu et al., NSDI 2024, CC BY 4.0);
docs/calibration.md says which column is what, and what is not known.
"""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
import pytest

from fleetops.emulator.model.effects import Floats
from tests.conftest import Figure
from tests.support import fixtures
from tests.unit.emulator.emulated import emulated

HOSTS, DAY_TICKS, EVERY = 100, 1440, 10
FURTHEST = 0.15
"""Kalos and Seren are themselves up to 0.12 from each other; a quarter more is left to four kinds
of jobs that never move."""
UNLIKE = 0.4

CASES = (
    ("acme_kalos", "power_watts", "acme_gpu_power_kalos_cdf.csv", 0),
    ("acme_kalos", "temperature_celsius", "acme_gpu_temp_kalos_cdf.csv", 0),
    ("acme_kalos", "memory_temperature_celsius", "acme_gpu_temp_kalos_cdf.csv", 1),
    ("acme_kalos", "utilization_ratio", "acme_util_gpu_kalos_cdf.csv", 0),
    ("acme_seren", "power_watts", "acme_gpu_power_seren_cdf.csv", 0),
    ("acme_seren", "temperature_celsius", "acme_gpu_temp_seren_cdf.csv", 0),
    ("acme_seren", "memory_temperature_celsius", "acme_gpu_temp_seren_cdf.csv", 1),
    ("acme_seren", "utilization_ratio", "acme_util_gpu_seren_cdf.csv", 0),
)
METRICS = tuple(dict.fromkeys(metric for _, metric, _, _ in CASES))

pytestmark = pytest.mark.fixtures


@cache
def day(cluster: str) -> dict[str, Floats]:
    """Readings of a day, every tenth minute: accelerators' metrics, and hosts' power."""
    fleet = emulated(cluster, hosts=HOSTS)
    found: dict[str, list[Floats]] = {metric: [] for metric in (*METRICS, "server")}
    for tick in range(DAY_TICKS):
        tables = fleet.tick()
        if tick % EVERY == 0:
            for metric in METRICS:
                found[metric].append(tables["accelerator"][metric])
            found["server"].append(tables["host"]["power_watts"][: len(fleet.site.hosts)])
    return {metric: np.concatenate(parts) for metric, parts in found.items()}


def published(file: str, pair: int) -> Floats:
    """The values of one pair of columns: quantiles at even steps of the cumulative share."""
    with (fixtures() / "calibration" / file).open(encoding="ascii") as lines:
        rows = [[float(cell) for cell in row] for row in csv.reader(lines)]
    return np.array(rows[1:])[:, 2 * pair]


def distance(one: Floats, other: Floats) -> float:
    """Kolmogorov and Smirnov's, of two samples: the furthest that their distributions are apart."""
    every = np.concatenate([one, other])
    shares = (
        np.searchsorted(np.sort(values), every, "right") / len(values) for values in (one, other)
    )
    return float(np.abs(np.subtract(*shares)).max())


@pytest.mark.parametrize(("cluster", "metric", "file", "pair"), CASES)
def test_accelerators_are_spread_as_in_the_acme_clusters(
    cluster: str, metric: str, file: str, pair: int, figure: Figure
) -> None:
    scale = 100.0 if metric.endswith("ratio") else 1.0
    real = published(file, pair)
    values = day(cluster)[metric] * scale
    found = distance(values, real)
    figure(f"distance {found:.3f}, medians {np.median(values):.0f} and {np.median(real):.0f}")
    assert found <= FURTHEST


def test_servers_draw_as_those_of_seren(figure: Figure) -> None:
    real = published("acme_server_power_cdf.csv", 0)
    values = day("acme_seren")["server"]
    found = distance(values, real)
    figure(f"distance {found:.3f}, medians {np.median(values):.0f} and {np.median(real):.0f}")
    assert found <= FURTHEST


def test_the_real_clusters_are_that_far_from_each_other(figure: Figure) -> None:
    """What the bound rests on."""
    pairs = zip(CASES[:4], CASES[4:], strict=True)
    apart = [distance(published(*kalos[2:]), published(*seren[2:])) for kalos, seren in pairs]
    figure(f"power, core, memory, utilisation: {', '.join(f'{one:.3f}' for one in apart)}")
    assert 0.10 <= max(apart) <= 0.8 * FURTHEST


def test_a_fleet_that_only_trains_is_far_off() -> None:
    """The bound tells fleets apart."""
    fleet = emulated("dgx_a100", hosts=2)
    tables = fleet.tick()
    for _, metric, file, pair in CASES[:3]:
        assert distance(tables["accelerator"][metric], published(file, pair)) > UNLIKE, metric
