"""Fabric ports: traffic that both ends count, errors before and after correction, light."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.groups import NONE, indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.links import (
    CODEWORD_BITS,
    LEAST_EFFECTIVE_RATE,
    MARKS_PER_PAUSE,
    Links,
    lost_codewords,
)
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import load_profile

GIGABITS = 400.0
KP4_LIMIT = 2.4e-4
"""Bit error rate before correction up to which KP4 is specified (IEEE 802.3, clause 120)."""


class Bench:
    """Links of a fleet whose ports are asked to send what a test says."""

    def __init__(self, seed: int = 1) -> None:
        self.site = build_site(cluster_of("demo"), 16)
        self.links = Links(self.site, np.random.default_rng(seed))
        self.effects = Effects(sizes(self.site) | Jobs(self.site, 1).sizes())
        count = len(self.site.ports.names)
        self.demand: Floats = np.full(count, 0.5)
        self.air: Floats = np.full(count, 35.0)

    def port(self, name: str) -> int:
        return self.site.index("ports", name)

    def strike(self, channel: str, devices: list[int], value: float) -> Bench:
        self.effects.apply(channel, indices(devices), value, 1.0)
        return self

    def run(self, seconds: float = 10.0, step: float = 1.0) -> Links:
        for _ in range(round(seconds / step)):
            self.links.step(step, self.demand, self.air, self.effects)
        return self.links


@pytest.fixture
def bench() -> Bench:
    return Bench()


def gained(bench: Bench, counter: str, seconds: float = 10.0) -> Floats:
    before = getattr(bench.links, counter).copy()
    bench.run(seconds)
    grown: Floats = getattr(bench.links, counter) - before
    return grown


def test_what_one_end_sends_the_other_receives(bench: Bench) -> None:
    bench.demand = np.linspace(0.0, 1.0, len(bench.demand))
    sent = gained(bench, "transmit_bytes")
    received_by_peer = Bench()
    received_by_peer.demand = bench.demand
    received = gained(received_by_peer, "receive_bytes")
    linked = np.flatnonzero(bench.site.ports.peer != NONE)
    assert np.array_equal(received[linked], sent[bench.site.ports.peer[linked]])
    rate = bench.site.ports.gigabits_per_second * 1e9 / 8.0
    assert sent == pytest.approx(10.0 * rate * bench.demand, rel=1e-6, abs=10.0)


def test_a_link_is_down_at_both_ends_and_counted_once_each(bench: Bench) -> None:
    port = bench.port("node003/mlx5_4")
    peer = int(bench.site.ports.peer[port])
    bench.run(2.0)
    links = bench.strike("link_down", [peer], 1.0).run(5.0)
    assert np.flatnonzero(links.up == 0.0).tolist() == sorted([port, peer])
    assert links.link_downed[[port, peer]].tolist() == [1.0, 1.0]
    assert links.link_downed.sum() == 2.0
    assert links.capacity_ratio[port] == links.transmit_milliwatts[port] == 0.0
    assert not gained(bench, "transmit_bytes")[[port, peer]].any()
    bench.effects.reset()
    bench.run(2.0)
    assert links.up.all()
    assert links.transitions[[port, peer]].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("channel", "kind", "name", "down"),
    [("down", "hosts", "node003", 16), ("switch_down", "switches", "leaf1", 160)],
)
def test_what_a_port_stands_in_takes_its_links_down(
    bench: Bench, channel: str, kind: str, name: str, down: int
) -> None:
    """A host has eight links of two ends; a leaf eight a host and sixteen to spines."""
    links = bench.strike(channel, [bench.site.index(kind, name)], 1.0).run(1.0)
    assert int((links.up == 0.0).sum()) == down


def test_half_a_rate_is_half_the_traffic(bench: Bench) -> None:
    port = bench.port("node001/mlx5_0")
    peer = int(bench.site.ports.peer[port])
    bench.demand[:] = 1.0
    bench.strike("rate", [port], 0.5)
    sent = gained(bench, "transmit_bytes")
    assert bench.links.gigabits_per_second[[port, peer]].tolist() == [GIGABITS / 2] * 2
    assert sent[[port, peer]] == pytest.approx([10 * GIGABITS / 2 * 1e9 / 8] * 2, rel=1e-6)


def test_goodput_is_lost_at_the_full_rate(bench: Bench) -> None:
    port = bench.port("node001/mlx5_0")
    links = bench.strike("goodput", [port], 0.3).run(1.0)
    assert links.gigabits_per_second[port] == GIGABITS
    assert links.capacity_ratio[port] == pytest.approx(0.3)


class TestErrors:
    def test_codewords_are_lost_as_the_mathematics_of_the_code_says(self) -> None:
        """Poisson tail of 544 symbols of ten bits, 15 of which are mended."""
        rate = np.array([KP4_LIMIT, 1e-3, 0.02])
        share = lost_codewords(rate)
        assert share[0] < 1e-11, "at its limit the code is still as good as error free"
        assert 1e-4 < share[1] < 1e-3
        assert share[2] == pytest.approx(1.0, abs=1e-6)
        assert (np.diff(lost_codewords(np.geomspace(1e-4, 1e-2, 50))) >= 0.0).all()

    def test_a_healthy_link_corrects_and_loses_nothing(self, bench: Bench) -> None:
        corrected = gained(bench, "corrected", 60.0)
        links = bench.links
        # 5e-9 errors a bit, one a codeword
        expected = links.bit_error_rate * GIGABITS * 1e9 * 60.0
        assert corrected == pytest.approx(expected, rel=0.001)
        assert 4e-10 < links.bit_error_rate.min() < links.bit_error_rate.max() < 6e-8
        for counter in ("uncorrectable", "symbol_errors", "receive_errors"):
            assert not getattr(links, counter).any()
        assert (links.effective_bit_error_rate == LEAST_EFFECTIVE_RATE).all()

    def test_decades_of_errors_break_through_on_that_link_alone(self, bench: Bench) -> None:
        port = bench.port("node001/mlx5_0")
        links = bench.strike("bit_errors", [port], 6.0).run(10.0)
        words = 10.0 * GIGABITS * 1e9 / CODEWORD_BITS
        lost = words * lost_codewords(links.bit_error_rate[[port]])[0]
        assert links.bit_error_rate[port] > KP4_LIMIT
        assert links.uncorrectable[port] == pytest.approx(lost, rel=0.001, abs=10.0)
        assert links.receive_errors[port] == links.uncorrectable[port] > 0.0
        assert links.effective_bit_error_rate[port] > LEAST_EFFECTIVE_RATE
        assert np.delete(links.uncorrectable, port).sum() == 0.0

    def test_a_healthy_run_of_the_same_seed_errs_alike_elsewhere(self) -> None:
        one, two = Bench(), Bench()
        port = one.port("node001/mlx5_0")
        one.strike("bit_errors", [port], 6.0)
        assert np.array_equal(
            np.delete(gained(one, "corrected"), port), np.delete(gained(two, "corrected"), port)
        )

    def test_pauses_are_counted_at_both_ends_and_marks_come_first(self, bench: Bench) -> None:
        port = bench.port("leaf1/eth3")
        peer = int(bench.site.ports.peer[port])
        usual = gained(Bench(), "marked")[port]
        bench.strike("pause_frames_per_second", [port], 1000.0)
        marked = gained(bench, "marked")[port]
        assert bench.links.pause_transmit[port] == 10_000.0
        assert bench.links.pause_receive[peer] == 10_000.0
        assert bench.links.pause_transmit[peer] == bench.links.pause_receive[port] == 0.0
        assert marked - usual == pytest.approx(MARKS_PER_PAUSE * 10_000.0)


class TestLight:
    def test_a_healthy_module_shines_as_its_profile_says(self, bench: Bench) -> None:
        links, module = bench.run(), load_profile(Optics, "pluggable_400g")
        assert links.has_optics.all()
        assert links.transmit_milliwatts == pytest.approx(
            np.full(len(bench.demand), float(module.transmit_milliwatts))
        )
        assert links.receive_milliwatts.mean() == pytest.approx(
            float(module.receive_milliwatts), rel=0.02
        )
        assert links.optics_watts == pytest.approx(np.full(len(bench.demand), float(module.watts)))
        assert links.module_celsius == pytest.approx(
            np.full(len(bench.demand), 35.0 + float(module.temperature_rise_kelvin))
        )

    def test_three_decibels_less_light_are_decades_of_errors(self, bench: Bench) -> None:
        port = bench.port("node001/mlx5_0")
        before = bench.run().receive_milliwatts[port], bench.links.bit_error_rate[port]
        links = bench.strike("receive_power", [port], 10.0**-0.3).run(1.0)
        assert links.receive_milliwatts[port] == pytest.approx(before[0] * 10.0**-0.3)
        assert links.bit_error_rate[port] == pytest.approx(before[1] * 10.0 ** (0.9 * 3.0))

    def test_a_warm_module_needs_more_current_after_a_while(self, bench: Bench) -> None:
        before = bench.run(300.0, 5.0).bias_milliamperes.copy()
        bench.air += 10.0
        links = bench.run(40.0, 1.0)
        warm = 10.0 * -np.expm1(-1.0)
        assert links.bias_milliamperes / before == pytest.approx(
            np.full(len(before), 1.0 + 0.004 * warm)
        )

    def test_an_ageing_laser_shows_in_its_current_alone(self, bench: Bench) -> None:
        port = bench.port("node001/mlx5_0")
        before = bench.run().bias_milliamperes.copy()
        light = bench.links.transmit_milliwatts[port]
        links = bench.strike("laser_bias", [port], 1.5).run()
        assert links.bias_milliamperes[port] == pytest.approx(1.5 * before[port])
        assert links.transmit_milliwatts[port] == light
