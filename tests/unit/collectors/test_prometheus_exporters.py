"""What each exporter's names, labels and numbers mean: DCGM, AMD, node_exporter; OpenMetrics."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from fleetops_collectors.prometheus import DecodedText, decode_prometheus
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors import exporter_texts as texts

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def decoded(text: str, host: str | None = None) -> DecodedText:
    found = decode_prometheus(text, host=host, now=NOW)
    check_readings(found.readings)
    assert found.skipped == []
    return found


def cells(found: DecodedText) -> dict[tuple[str, str], Reading]:
    return {(one.device, one.metric): one for one in found.readings}


@pytest.mark.fixtures
def test_every_mapped_dcgm_field_is_known_by_all_its_names() -> None:
    """Expected from DCGM's own tables by field id, not from the catalog."""
    folder = fixtures() / "accelerators"
    names: dict[int, set[str]] = defaultdict(set)
    with (folder / "dcgm_field_ids.csv").open() as file:
        for row in csv.DictReader(file):
            names[int(row["field_id"])].add(row["name"])
    with (folder / "dcgm_field_aliases.csv").open() as file:
        for row in csv.DictReader(file):
            names[int(row["field_id"])] |= {row["deprecated_name"], row["new_name"]}
    assert sum(map(len, names.values())) == 976  # 648 names and 328 aliases
    mapped: dict[int, set[str]] = defaultdict(set)
    for name, places in load_catalog().by_source("dcgm").items():
        ((_, _, source),) = places
        assert source.id is not None, name
        mapped[source.id].add(name)
    assert len(mapped) >= 65
    for field_id, known in mapped.items():
        assert known == names[field_id], field_id


@pytest.mark.fixtures
def test_every_dcgm_name_decodes_or_is_counted() -> None:
    folder = fixtures() / "accelerators"
    with (folder / "dcgm_field_ids.csv").open() as file:
        names = {row["name"] for row in csv.DictReader(file)}
    with (folder / "dcgm_field_aliases.csv").open() as file:
        names |= {row["deprecated_name"] for row in csv.DictReader(file)}
    text = "".join(f'{name}{{gpu="0",Hostname="n"}} 1\n' for name in sorted(names))
    found = decoded(text)
    assert found.samples == len(names)
    assert len(found.readings) >= 61
    # and the two names of the CPU's temperature became one reading: the hotter
    told = len(found.readings) + found.unmapped.total() + found.duplicates
    assert told == len(names) - 1


def test_the_xid_gauge_is_shown_and_makes_no_event() -> None:
    """It keeps its code for ever, so two scrapes of it are no two faults, and neither is one."""
    for _ in range(2):
        found = decoded(texts.DCGM, host="node001")
        assert cells(found)["node001/gpu0", "last_fault_code"].value == 79
        assert found.events == []


def test_a_link_is_no_accelerator() -> None:
    text = 'DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL{gpu="0",nvlink="3",Hostname="n"} 4\n'
    found = decoded(text)
    assert found.readings == []
    assert found.unmapped.total() == 1


def test_identities_of_dcgm() -> None:
    (identity,) = decoded(texts.DCGM, host="node001").identities
    assert (identity.device, identity.source) == ("node001/gpu0", "prometheus")
    assert (identity.uuid, identity.model, identity.address) == (
        *("GPU-1", "NVIDIA H100", "00000000:31:00.0"),
    )


def test_the_hottest_cpu_is_the_hosts() -> None:
    text = "".join(
        f'DCGM_FI_DEV_CPU_TEMP_CURRENT{{cpu="{n}",Hostname="n"}} {60 + n}\n' for n in (1, 3, 2)
    )
    (one,) = decoded(text).readings
    assert (one.device_class, one.device, one.value) == ("host", "n", 63)


def test_a_second_field_stands_in_for_one_without_a_value() -> None:
    usual = 'DCGM_FI_DEV_POWER_USAGE{gpu="0",Hostname="n"} '
    instant = 'DCGM_FI_DEV_POWER_USAGE_INSTANT{gpu="0",Hostname="n"} 481\n'
    for text, value in [
        (f"{usual}500\n{instant}", 500),
        (f"{instant}{usual}500\n", 500),
        (f"{usual}9223372036854775794\n{instant}", 481),
        (f"{instant}{usual}9223372036854775794\n", 481),
    ]:
        (one,) = decoded(text).readings
        assert one.value == value


class TestAmd:
    def test_units_and_blanks(self) -> None:
        found = decoded(texts.AMD)
        values = {metric: one for (_, metric), one in cells(found).items()}
        assert {one.device for one in found.readings} == {"mi-host/gpu0"}
        good = {m: one.value for m, one in values.items() if one.quality is Quality.GOOD}
        assert good == pytest.approx(
            {
                "energy_joules": 1.4e11,
                "power_watts": 748,
                "temperature_celsius": 76,
                "memory_temperature_celsius": 58,
                "utilization_ratio": 0.97,
                "memory_copy_utilization_ratio": 0.41,
                "memory_used_bytes": 65535 * 1024**2,  # an honest number here
                "sm_clock_megahertz": 1410,  # of the slowest die
                "memory_clock_megahertz": 1300,
                "ecc_uncorrectable_total": 1,
                "health": 2,
                "thermal_throttle_ratio": 0.30,
                "power_throttle_ratio": 0.04,
            }
        )
        assert found.unmapped == {
            "GPU_POWER_USAGE": 1,
            "GPU_EDGE_TEMPERATURE": 1,
            "GPU_HBM_TEMPERATURE": 1,
            "gpu_clock": 1,
            "gpu_xgmi_link_rx": 1,
            "gpu_nodes_total": 1,
        }

    @pytest.mark.parametrize("raw", ["255", "65535", "4294967295", "18446744073709551615"])
    def test_not_available_in_every_width(self, raw: str) -> None:
        """Older agents widened the driver's all-ones as they were."""
        text = f'gpu_junction_temperature{{gpu_id="0",hostname="n"}} {raw}\n'
        (one,) = decoded(text).readings
        assert (one.value, one.quality) == (None, Quality.SENTINEL)

    def test_255_watts_are_255_watts(self) -> None:
        (one,) = decoded('gpu_package_power{gpu_id="0",hostname="n"} 255\n').readings
        assert (one.value, one.quality) == (255, Quality.GOOD)

    @pytest.mark.parametrize(
        "name", ["gpu_package_power", "amd_gpu_package_power", "GPU_PACKAGE_POWER"]
    )
    def test_every_spelling(self, name: str) -> None:
        (one,) = decoded(f'{name}{{gpu_id="2",hostname="n"}} 700\n').readings
        assert (one.device, one.metric, one.value) == ("n/gpu2", "power_watts", 700)

    def test_the_energy_of_gauges_in_small_units(self) -> None:
        (one,) = decoded('gpu_energy_consumed{gpu_id="0",hostname="n"} 15259\n').readings
        assert one.value == pytest.approx(0.015259)

    def test_a_partition_has_no_power_of_its_own(self) -> None:
        labels = 'gpu_id="1",gpu_partition_id="1",hostname="n"'
        found = decoded(f"gpu_package_power{{{labels}}} 0\ngpu_used_vram{{{labels}}} 512\n")
        power, memory = found.readings
        assert (power.device, power.value, power.quality) == (
            *("n/gpu1/partition1", None, Quality.ABSENT),
        )
        assert memory.value == 512 * 1024**2
        assert found.identities == []

    def test_identity(self) -> None:
        (identity,) = decoded(texts.AMD, host="node002").identities
        assert (identity.device, identity.serial, identity.manufacturer) == (
            *("node002/gpu0", "692432000123", "AMD"),
        )


class TestNode:
    def test_infiniband_ports(self) -> None:
        found = cells(decoded(texts.NODE))
        port = {m: one for (d, m), one in found.items() if d == "node001/mlx5_0"}
        assert {m: one.value for m, one in port.items()} == pytest.approx(
            {
                "link_downed_total": 2,
                "receive_bytes_total": 22031403016,  # node_exporter has multiplied it by 4
                "rate_gigabits_per_second": 400,
                "link_state": 1,
                "cnp_sent_total": 17,
            }
        )
        other = {m: one for (d, m), one in found.items() if d == "node001/mlx5_1/2"}
        assert {m: (one.value, one.quality) for m, one in other.items()} == {
            "link_downed_total": (None, Quality.SATURATED),  # eight bits
            "receive_bytes_total": (None, Quality.SATURATED),  # 32 bits, times 4
            "transmit_bytes_total": (None, Quality.SATURATED),
            "rate_gigabits_per_second": (200, Quality.GOOD),
            "link_state": (0, Quality.GOOD),
        }

    @pytest.mark.parametrize(
        ("raw", "value"), [("1", 0), ("2", 2), ("3", 3), ("4", 1), ("0", None), ("5", None)]
    )
    def test_port_states(self, raw: str, value: int | None) -> None:
        text = f'node_infiniband_state_id{{device="mlx5_0",port="1"}} {raw}\n'
        (one,) = decoded(text, host="n").readings
        assert one.value == value

    def test_adapters(self) -> None:
        (identity,) = decoded(texts.NODE).identities
        assert (identity.device, identity.device_class) == ("node001/mlx5_0", "fabric_port")
        assert (identity.model, identity.part_number, identity.firmware) == (
            *("MT4129", "MT_838", "28.45"),
        )

    def test_temperatures_are_those_of_whole_parts(self) -> None:
        found = decoded(texts.NODE)
        host = {m: one.value for (d, m), one in cells(found).items() if d == "node001"}
        assert host == {
            "cpu_temperature_celsius": 62,  # the hotter package, no core
            "disk_temperature_celsius": 51.85,  # the composite, not a sensor with 0xffff
            "nic_temperature_celsius": 58,  # the chip, not its transceiver
        }
        assert found.unmapped["node_hwmon_temp_celsius"] == 1  # acpitz says not of what

    @pytest.mark.parametrize(
        ("lines", "value"),
        [
            (
                'node_hwmon_chip_names{chip="pci0_18_3",chip_name="k10temp"} 1\n'
                'node_hwmon_sensor_label{chip="pci0_18_3",label="Tctl",sensor="temp1"} 1\n'
                'node_hwmon_sensor_label{chip="pci0_18_3",label="Tccd1",sensor="temp3"} 1\n'
                'node_hwmon_temp_celsius{chip="pci0_18_3",sensor="temp1"} 90\n'
                'node_hwmon_temp_celsius{chip="pci0_18_3",sensor="temp3"} 63.5\n',
                63.5,  # Tctl may carry an offset
            ),
            (
                'node_hwmon_temp_celsius{chip="pci0_18_3",sensor="temp1"} 64\n'
                'node_hwmon_chip_names{chip="pci0_18_3",chip_name="k10temp"} 1\n',
                64,  # no label, and the name comes later
            ),
            ('node_hwmon_temp_celsius{chip="coretemp",sensor="package_id_0"} 51\n', 51),  # 0.13
            (
                'node_hwmon_temp_celsius{chip="coretemp",sensor="temp1"} NaN\n'
                'node_hwmon_temp_celsius{chip="coretemp",sensor="temp2"} 50\n',
                50,
            ),
        ],
    )
    def test_cpu_temperatures(self, lines: str, value: float) -> None:
        (one,) = decoded(lines, host="n").readings
        assert (one.device, one.metric, one.value) == ("n", "cpu_temperature_celsius", value)

    def test_an_address_that_is_the_driver_s_name_needs_no_other(self) -> None:
        text = "".join(
            f'node_hwmon_temp_celsius{{chip="{chip}",sensor="temp1"}} {value}\n'
            for chip, value in (
                ("platform_coretemp_0", 41),
                ("platform_coretemp_1", 44),
                ("nvme_nvme12", 36),
                ("platform_coretemp_0_x", 90),
                ("pci0000:00_0000:00:18_3", 91),
                ("thermal_thermal_zone0", 92),
            )
        )
        found = decoded(text, host="n")
        assert {one.metric: one.value for one in found.readings} == {
            "cpu_temperature_celsius": 44,
            "disk_temperature_celsius": 36,
        }
        assert found.unmapped == {"node_hwmon_temp_celsius": 3}

    def test_a_name_is_believed_before_an_address(self) -> None:
        text = (
            'node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="other"} 1\n'
            'node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"} 41\n'
        )
        assert decoded(text, host="n").readings == []

    @pytest.mark.parametrize("suffix", ["", "_total"])
    def test_counters_of_old_exporters_have_no_suffix(self, suffix: str) -> None:
        name = f"node_infiniband_port_data_received_bytes{suffix}"
        (one,) = decoded(f'{name}{{device="mlx5_0",port="1"}} 4096\n', host="n").readings
        assert (one.device, one.metric, one.value) == ("n/mlx5_0", "receive_bytes_total", 4096)

    def test_without_a_host_it_says_so(self) -> None:
        text = texts.NODE[: texts.NODE.index("node_uname_info")]
        found = decode_prometheus(text)
        assert found.readings == []
        assert all("no host" in skip.reason for skip in found.skipped)
        assert len(found.problems) == 3
        assert "no host" in found.warnings()[0]


class TestOpenMetrics:
    def test_types_exemplars_times_and_end(self) -> None:
        found = decoded(texts.OPENMETRICS, host="n")
        (one,) = found.readings
        assert (one.metric, one.value) == ("pcie_replay_total", 7)
        assert one.time == datetime(2026, 1, 1, 11, 59, 50, 500_000, tzinfo=UTC)
        assert found.unmapped == {
            "exporter_build_info": 1,
            "exporter_mode": 2,
            "DCGM_FI_DEV_PCIE_REPLAY_COUNTER_created": 1,
            "wait_seconds_bucket": 1,
            "wait_seconds_count": 1,
            "wait_seconds_sum": 1,
        }
        assert found.warnings() == []

    def test_one_cut_off_is_told_and_its_last_line_not_believed(self) -> None:
        whole = 'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61\nDCGM_FI_DEV_POWER_USAGE{gpu="0"} 512\n# EOF\n'
        for at in range(len(whole) - len("# EOF\n")):
            found = decode_prometheus(whole[:at], host="n", openmetrics=True)
            lines = whole[:at].count("\n")
            assert found.problems == [f"the text was cut off: no '# EOF' after {lines} lines"]
            assert len(found.readings) == lines

    def test_names_in_quotes_are_counted(self) -> None:
        text = '{"odd.name",gpu="0"} 1\n{"other name"} 2\nDCGM_FI_DEV_GPU_TEMP{gpu="0"} 61\n'
        found = decoded(text, host="n")
        assert len(found.readings) == 1
        assert found.unmapped.total() == 2

    def test_a_time_beyond_all_years_is_no_sample(self) -> None:
        text = 'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61 999999999999999\n# EOF\n'
        found = decode_prometheus(text, host="n", now=NOW)
        assert (found.readings, found.skipped_total) == ([], 1)
