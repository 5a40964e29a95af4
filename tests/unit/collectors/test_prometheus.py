"""Decoding of Prometheus text: the real captures with their traps, and every rule by hand."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from fleetops_collectors.prometheus import DecodedText, decode_prometheus
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.support import fixtures

GPU = 'gpu="0",UUID="GPU-1",device="nvidia0",Hostname="node7"'


def one(text: str, **options: object) -> Reading:
    decoded = decode_prometheus(text, **options)  # type: ignore[arg-type]
    assert not decoded.skipped, decoded.skipped
    (reading,) = decoded.readings
    return reading


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "samples", "good", "sentinels", "unmapped", "device"),
    [
        ("v1.35_kops_tests*", 23, 21, 1, 1, "i-030791dc5a37cd257/gpu0"),
        ("v1.35_rafay*", 17, 16, 1, 0, "ip-10-200-3-41/gpu0"),
        ("v1.35_upcloud*", 23, 21, 1, 1, "gpu1-wl8sg/gpu0"),
    ],
)
def test_real_exporters(
    name: str, samples: int, good: int, sentinels: int, unmapped: int, device: str
) -> None:
    (path,) = (fixtures() / "accelerators" / "dcgm-exporter").glob(name)
    decoded = decode_prometheus(path.read_bytes())
    check_readings(decoded.readings)
    qualities = Counter(reading.quality for reading in decoded.readings)
    assert decoded.samples == samples
    assert qualities == {Quality.GOOD: good, Quality.SENTINEL: sentinels}
    assert decoded.unmapped.total() == unmapped
    assert decoded.skipped_total == 0
    assert {reading.device for reading in decoded.readings} == {device}
    # these boards have no memory sensor and say 0
    blank = next(r for r in decoded.readings if r.quality is Quality.SENTINEL)
    assert blank.metric == "memory_temperature_celsius"


@pytest.mark.fixtures
def test_real_units_are_converted() -> None:
    (path,) = (fixtures() / "accelerators" / "dcgm-exporter").glob("v1.35_kops_tests*")
    values = {r.metric: r.value for r in decode_prometheus(path.read_bytes()).readings}
    assert values["energy_joules"] == pytest.approx(4742.776)  # from millijoules
    assert values["memory_free_bytes"] == 22563 * 1024**2
    assert values["temperature_celsius"] == 31
    assert values["power_watts"] == pytest.approx(16.365)


@pytest.mark.parametrize(
    ("old", "new", "metric", "raw", "value"),
    [
        (
            "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_GPU_TEMP_CELSIUS",
            "temperature_celsius",
            "61",
            61.0,
        ),
        (
            "DCGM_FI_DEV_POWER_USAGE",
            "DCGM_FI_DEV_BOARD_POWER_WATTS",
            "power_watts",
            "699.5",
            699.5,
        ),
        ("DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR", "last_fault_code", "79", 79),
        (
            "DCGM_FI_DEV_GPU_UTIL",
            "DCGM_FI_DEV_GPU_UTIL_RATIO",
            "utilization_ratio",
            "97",
            0.97,
        ),
    ],
)
def test_old_and_new_names_of_a_field_are_one_metric(
    old: str, new: str, metric: str, raw: str, value: float
) -> None:
    for name in (old, new):
        reading = one(f"{name}{{{GPU}}} {raw}")
        assert (reading.device, reading.metric) == ("node7/gpu0", metric)
        assert reading.value == pytest.approx(value)


@pytest.mark.parametrize(
    "raw",
    [
        *(str(0x7FFFFFFFFFFFFFF0 + n) for n in range(4)),
        *(str(0x7FFFFFF0 + n) for n in range(4)),
        *(f"{140737488355328 + n}.0" for n in range(4)),
        "140737488355328.000000",
        "9.223372036854775794e+18",
        "9.223372036854776e+18",
    ],
)
@pytest.mark.parametrize("name", ["DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"])
def test_blank_numbers_are_never_stored(name: str, raw: str) -> None:
    reading = one(f"{name}{{{GPU}}} {raw}")
    assert (reading.value, reading.quality) == (None, Quality.SENTINEL)


@pytest.mark.parametrize(
    ("name", "raw", "quality"),
    [
        ("DCGM_FI_DEV_GPU_TEMP", "NaN", Quality.MISSING),
        ("DCGM_FI_DEV_GPU_TEMP", "+Inf", Quality.MISSING),
        ("DCGM_FI_DEV_GPU_TEMP", "4000", Quality.OUT_OF_RANGE),
        ("DCGM_FI_DEV_GPU_TEMP", "0", Quality.GOOD),
        ("DCGM_FI_DEV_MEMORY_TEMP", "0", Quality.SENTINEL),
        ("DCGM_FI_DEV_MEMORY_TEMP", "74", Quality.GOOD),
        ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "4294967295", Quality.SATURATED),
        ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "18446744073709551615", Quality.SATURATED),
        ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "65535", Quality.GOOD),
        ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "9" * 400, Quality.OUT_OF_RANGE),
        ("DCGM_FI_DEV_GPU_TEMP", "9" * 400, Quality.OUT_OF_RANGE),
    ],
)
def test_quality(name: str, raw: str, quality: Quality) -> None:
    reading = one(f"{name}{{{GPU}}} {raw}")
    assert reading.quality is quality
    check_readings([reading])


def test_the_targets_host_wins_over_the_exporters_pod_name() -> None:
    text = 'DCGM_FI_DEV_GPU_TEMP{gpu="3",Hostname="dcgm-exporter-x9"} 40'
    assert one(text, host="node001").device == "node001/gpu3"


def test_migs_are_devices_of_their_own() -> None:
    text = f'DCGM_FI_PROF_SM_ACTIVE{{{GPU},GPU_I_PROFILE="1g.10gb",GPU_I_ID="7"}} 0.5'
    assert one(text).device == "node7/gpu0/mig7"


def test_what_a_mig_has_not_of_its_own_is_the_boards() -> None:
    """The exporter repeats the board's values for each instance, and gives the board none."""
    text = "".join(
        f'{name}{{{GPU},GPU_I_PROFILE="2g.20gb",GPU_I_ID="{instance}"}} {value}\n'
        for name, value in (("DCGM_FI_DEV_POWER_USAGE", 70), ("DCGM_FI_DEV_FB_USED", 10))
        for instance in (3, 5)
    )
    found = decode_prometheus(text, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert [(one.device, one.metric) for one in found.readings] == [
        ("node7/gpu0", "power_watts"),
        ("node7/gpu0/mig3", "memory_used_bytes"),
        ("node7/gpu0/mig5", "memory_used_bytes"),
    ]
    assert found.duplicates == 1
    assert [(one.device, one.uuid) for one in found.identities] == [("node7/gpu0", "GPU-1")]


def test_names_with_colons_and_a_space_before_the_labels() -> None:
    found = decode_prometheus(f"job:power:avg{{{GPU}}} 5\nDCGM_FI_DEV_GPU_TEMP {{{GPU}}} 61\n")
    assert found.skipped == []
    assert found.unmapped == {"job:power:avg": 1}
    assert [one.value for one in found.readings] == [61]


@pytest.mark.parametrize("gpu", ['gpu="3"', '"gpu"="3"'])
def test_names_may_stand_quoted_inside_the_braces(gpu: str) -> None:
    text = f'{{"DCGM_FI_DEV_GPU_TEMP",{gpu},Hostname="n","a.b"="c"}} 40\n{{"un\\"told"}} 1\n'
    found = decode_prometheus(text)
    assert [(one.device, one.value) for one in found.readings] == [("n/gpu3", 40)]
    assert (found.skipped, found.unmapped) == ([], {'un"told': 1})


def test_one_gpu_shared_by_pods_is_read_once() -> None:
    lines = [f'DCGM_FI_DEV_GPU_TEMP{{{GPU},pod="{pod}"}} 40' for pod in ("a", "b")]
    decoded = decode_prometheus("\n".join(lines))
    assert len(decoded.readings) == 1
    assert decoded.duplicates == 1


def test_training_ranks() -> None:
    labels = '{job="81",host="node004",rank="17"}'
    decoded = decode_prometheus(
        f"fleetops_training_step_seconds{labels} 2.5\n"
        f"fleetops_training_pipeline_stage{labels} 3\n"
        f"fleetops_training_step_total{labels} 4096\n"
    )
    assert {reading.device for reading in decoded.readings} == {"node004/job81/rank17"}
    assert decoded.labels == {"node004/job81/rank17": {"job": "81"}}
    values = {reading.metric: reading.value for reading in decoded.readings}
    assert values == {"step_seconds": 2.5, "pipeline_stage": 3, "step_total": 4096}


def test_garbage_is_named_by_its_line_and_the_rest_goes_on() -> None:
    good = f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61"
    bad = [
        "<html>",
        "DCGM_FI_DEV_POWER_USAGE{gpu= 61",
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}} sixty",
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}} 1_000",
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}}",
        'DCGM_FI_DEV_POWER_USAGE{gpu=0,Hostname="a"} 6',
        'DCGM_FI_DEV_POWER_USAGE{Hostname="a"} 6',
        'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 6',
        'fleetops_training_step_seconds{job="81",rank="1"} 6',
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}} 6 never",
    ]
    decoded = decode_prometheus("\n".join(["# HELP x y", *bad, "", good]))
    assert [reading.value for reading in decoded.readings] == [61]
    assert [skip.line for skip in decoded.skipped] == list(range(2, 2 + len(bad)))
    assert decoded.skipped_total == len(bad)
    assert all(skip.reason for skip in decoded.skipped)
    assert decoded.warnings()[0].startswith("line 2:")
    assert decoded.warnings()[-1] == "5 more lines skipped"


def test_many_bad_lines_are_counted_but_not_all_kept() -> None:
    decoded = decode_prometheus("?\n" * 5000)
    assert decoded.skipped_total == 5000
    assert len(decoded.skipped) == 100


@pytest.mark.parametrize(
    "line",
    [
        "a" + " " * 500_000 + "}",
        "a{" + 'b="' * 200_000,
        "a{" + "b" * 500_000,
        "a # " + " " * 500_000 + "\x00",
        'a{b="' + "\\\\" * 250_000,
        "a" * 500_000,
        "a " + "x" * 500_000,
        'DCGM_FI_DEV_GPU_TEMP{gpu="0",Hostname="n"} 1 ' + "9" * 500_000,
        "{" * 500_000,
        '{"a" ' + "," * 500_000,
        'DCGM_FI_DEV_GPU_TEMP{gpu="0" ' + "," * 500_000 + "} 1",
    ],
)
def test_long_lines_take_no_long_time(line: str) -> None:
    began = time.perf_counter()
    decoded = decode_prometheus(f"{line}\n")
    assert time.perf_counter() - began < 2
    assert decoded.skipped_total == 1
    assert len(decoded.warnings()[0]) < 200


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    good = f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61".encode()
    decoded = decode_prometheus(b"\xff\xfe\x00\n" + good)
    assert (len(decoded.readings), decoded.skipped_total) == (1, 1)


def test_labels_with_escapes_braces_and_spaces() -> None:
    text = r'DCGM_FI_DEV_GPU_TEMP { gpu = "2" , Hostname="no\"de\\7}",pod="a # {b}\n", } 50'
    assert one(text).device == "no_de_7_/gpu2"


def test_metrics_without_a_column_are_counted_by_name() -> None:
    decoded = decode_prometheus("go_goroutines 12\nprocess_cpu_seconds_total 4.5\n")
    assert decoded.readings == []
    assert decoded.samples == 2
    assert decoded.unmapped == {"go_goroutines": 1, "process_cpu_seconds_total": 1}


class TestTimes:
    NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def decode(self, stamp: str, end: str = "", now: datetime | None = NOW) -> DecodedText:
        text = f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61 {stamp}\n{end}"
        return decode_prometheus(text, now=now)

    def test_prometheus_text_counts_milliseconds(self) -> None:
        (reading,) = self.decode("1767268790000").readings
        assert reading.time == datetime(2026, 1, 1, 11, 59, 50, tzinfo=UTC)
        assert reading.value == 61

    def test_openmetrics_counts_seconds(self) -> None:
        (reading,) = self.decode("1767268790.5", "# EOF\n").readings
        assert reading.time == datetime(2026, 1, 1, 11, 59, 50, 500_000, tzinfo=UTC)

    def test_an_old_sample_is_stale(self) -> None:
        (reading,) = self.decode("1767268000000").readings
        assert (reading.value, reading.quality) == (None, Quality.STALE)

    def test_in_a_file_nothing_is_stale(self) -> None:
        (reading,) = self.decode("1500000000000", now=None).readings
        assert reading.quality is Quality.GOOD

    def test_an_impossible_time_is_no_sample(self) -> None:
        assert self.decode("99999999999999999").skipped_total == 1


def test_openmetrics_counters_and_exemplars() -> None:
    decoded = decode_prometheus(
        f"# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter\n"
        f'DCGM_FI_DEV_PCIE_REPLAY_COUNTER_total{{{GPU}}} 7 # {{trace_id="a}}b"}} 0.5 1.5\n'
        f"# EOF\n"
    )
    assert decoded.skipped == []
    assert [(r.metric, r.value) for r in decoded.readings] == [("pcie_replay_total", 7)]


@pytest.mark.parametrize(
    ("rest", "value"),
    [
        (" 512", 512),
        ("512", 512),
        ("  512 ", 512),
        ("\t512\r", 512),
        (" 512 1", 512),
        (" 512 #", 512),
    ],
)
def test_spaces_around_a_number(rest: str, value: float) -> None:
    """Also of a device that came before, whose lines are read another way."""
    for before in ("", f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61\n"):
        decoded = decode_prometheus(f"{before}DCGM_FI_DEV_POWER_USAGE{{{GPU}}}{rest}\n")
        assert decoded.skipped == []
        assert decoded.readings[-1].value == value


def test_numbers_of_any_length_are_no_trouble() -> None:
    digits = "9" * 5000
    text = (
        f"DCGM_FI_DEV_POWER_USAGE{{{GPU}}} {digits}\n"
        f'DCGM_FI_DEV_GPU_TEMP{{gpu="{digits}",Hostname="n"}} 40\n'
        f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 40\n"
    )
    power, temperature = decode_prometheus(text).readings
    assert (power.value, power.quality) == (None, Quality.OUT_OF_RANGE)
    assert (temperature.metric, temperature.value) == ("temperature_celsius", 40)
