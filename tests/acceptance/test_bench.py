"""``fleetops bench`` at a small size: what it tells, not how fast this machine is."""

from __future__ import annotations

import pytest

from tests.acceptance.commands import answer, fleetops


@pytest.mark.timeout(180)
def test_ingest_tells_rate_ratio_and_bytes() -> None:
    found = answer("bench", "ingest", "--devices", "512", "--ticks", "15")
    assert found["rows"] == 512 * 15
    assert found["samples"] % found["rows"] == 0
    metrics = found["samples"] // found["rows"]
    assert metrics >= 20
    assert found["samples_per_second_per_core"] == pytest.approx(
        found["samples"] / found["cpu_seconds"], rel=0.01
    )
    assert found["ratio_to_baseline"] == pytest.approx(
        found["samples_per_second_per_core"] / found["baseline_samples_per_second_per_core"],
        rel=0.01,
    )
    assert found["ratio_to_baseline"] > 1
    # a sample is a number of 4 or 8 bytes before it is compressed, and JSON has its name too
    assert 0.1 < found["wire_bytes_per_sample"] < 8
    assert 0.1 < found["disk_bytes_per_sample"] < 16
    assert found["baseline_wire_bytes_per_sample"] > 3 * found["wire_bytes_per_sample"]
    assert found["rollup_rows"] > 0


def test_peers_agree_with_the_baseline() -> None:
    found = answer("bench", "peers", "--accelerators", "2048")
    assert found["samples"] == found["accelerators"] * found["metrics"] * found["ticks"]
    assert found["accelerators"] == 2048
    assert found["seconds"] > 0
    assert found["ratio_to_baseline"] > 1
    assert found["largest_difference"] < 1e-3


@pytest.mark.timeout(180)
def test_collect_tells_rates_a_report_and_a_fleet() -> None:
    found = answer("bench", "collect", "--seconds", "0.2", "--hosts", "64", "--interval", "2")
    names = [one["name"] for one in found["rates"]]
    assert len(names) == len(set(names)) >= 5
    for one in found["rates"]:
        assert one["per_second_per_core"] == pytest.approx(one["count"] / one["cpu_seconds"])
        assert one["baseline_per_second_per_core"] > 0
        assert one["published"]
    assert 0 < found["reporter"]["burst_p50_us"] < 1000
    fleet = found["fleet"]
    assert (fleet["hosts"], fleet["failed"]) == (64, 0)
    assert fleet["rounds"] >= 2 * 64
    assert fleet["samples_per_second"] > 0.5 * 64 * fleet["samples_per_round"] / 2
    assert fleet["peak_memory_bytes"] > 0


def test_the_text_says_what_is_counted() -> None:
    done = fleetops("bench", "peers", "--accelerators", "2048")
    assert done.returncode == 0, done.stderr
    for word in ("data ", "counted ", "ours ", "baseline ", "ratio "):
        assert word in done.stdout
    assert "2,048 accelerators" in done.stdout
