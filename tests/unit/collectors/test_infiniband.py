"""What sysfs says of InfiniBand ports, with its traps."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband import decode_adapters, read_adapters
from fleetops_collectors.infiniband.recordings import decode_recording
from fleetops_schemas.readings import Quality, Reading
from tests.conftest import Figure
from tests.contract.collector_contract import check_readings
from tests.support import fixtures
from tests.unit.collectors.sysfs_tree import (
    add_module_sensor,
    add_pci_device,
    add_port,
    write,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def decoded(sysfs: Path, **options: object) -> Decoded:
    out = decode_adapters(read_adapters(sysfs), host="n1", now=NOW, **options)  # type: ignore[arg-type]
    check_readings(out.readings)
    return out


def cells(out: Decoded) -> dict[tuple[str, str], tuple[float | None, Quality]]:
    return {(one.device, one.metric): (one.value, one.quality) for one in out.readings}


def cell(sysfs: Path, metric: str, device: str = "n1/mlx5_0") -> tuple[float | None, Quality]:
    return cells(decoded(sysfs))[device, metric]


def good(readings: list[Reading]) -> dict[tuple[str, str], float | None]:
    return {(r.device, r.metric): r.value for r in readings if r.quality is Quality.GOOD}


def test_data_counters_are_octets_divided_by_four(tmp_path: Path) -> None:
    add_port(tmp_path)
    assert cell(tmp_path, "receive_bytes_total") == (4000, Quality.GOOD)
    assert cell(tmp_path, "transmit_bytes_total") == (8000, Quality.GOOD)
    assert cell(tmp_path, "receive_packets_total") == (30, Quality.GOOD)


@pytest.mark.parametrize(
    ("name", "bits", "metric"),
    [
        ("symbol_error", 16, "symbol_errors_total"),
        ("link_error_recovery", 8, "link_recovery_total"),
        ("link_downed", 8, "link_downed_total"),
        ("port_rcv_errors", 16, "receive_errors_total"),
        ("port_rcv_remote_physical_errors", 16, "receive_remote_errors_total"),
        ("port_rcv_switch_relay_errors", 16, "receive_relay_errors_total"),
        ("port_xmit_discards", 16, "transmit_discards_total"),
        ("port_xmit_constraint_errors", 8, "transmit_constraint_errors_total"),
        ("port_rcv_constraint_errors", 8, "receive_constraint_errors_total"),
        ("local_link_integrity_errors", 4, "link_integrity_errors_total"),
        ("excessive_buffer_overrun_errors", 4, "buffer_overruns_total"),
        ("VL15_dropped", 16, "management_drops_total"),
        ("port_xmit_wait", 32, "transmit_wait_total"),
        ("port_rcv_packets", 32, "receive_packets_total"),
        ("port_rcv_data", 64, "receive_bytes_total"),
    ],
)
def test_a_counter_at_the_top_of_its_width_is_saturated(
    tmp_path: Path, name: str, bits: int, metric: str
) -> None:
    top = (1 << bits) - 1
    add_port(tmp_path, counters={name: top})
    assert cell(tmp_path, metric) == (None, Quality.SATURATED)
    add_port(tmp_path, counters={name: top - 1})
    value, quality = cell(tmp_path, metric)
    assert quality is (Quality.OUT_OF_RANGE if bits == 64 else Quality.GOOD)
    assert value is None or value == top - 1
    if bits < 32:  # a driver that keeps more bits than the attribute has
        add_port(tmp_path, counters={name: top + 1})
        assert cell(tmp_path, metric) == (top + 1, Quality.GOOD)


def test_a_reset_is_just_a_lower_value_and_64_bits_are_exact(
    tmp_path: Path, figure: Figure
) -> None:
    add_port(tmp_path, counters={"port_rcv_packets": 2**62 + 1})
    assert cell(tmp_path, "receive_packets_total") == (2**62 + 1, Quality.GOOD)
    add_port(tmp_path, counters={"port_rcv_packets": 3})
    assert cell(tmp_path, "receive_packets_total") == (3, Quality.GOOD)
    figure("2**62 + 1 read as it is, then 3 after a reset or a wrap")


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("N/A (no PMA)", Quality.ABSENT),
        ("NO", Quality.ABSENT),
        ("", Quality.MISSING),
        ("-", Quality.MISSING),
        ("twelve", Quality.MISSING),
        ("1_000", Quality.MISSING),
        ("9" * 400, Quality.MISSING),
        ("9" * 30, Quality.OUT_OF_RANGE),
        ("-1", Quality.OUT_OF_RANGE),
    ],
)
def test_what_is_no_count_is_null(tmp_path: Path, text: str, quality: Quality) -> None:
    add_port(tmp_path, counters={"symbol_error": text, "port_rcv_errors": 3})
    assert cell(tmp_path, "symbol_errors_total") == (None, quality)
    assert cell(tmp_path, "receive_errors_total") == (3, Quality.GOOD)


def test_a_counter_that_the_kernel_refuses_is_absent(tmp_path: Path) -> None:
    port = add_port(tmp_path)
    (port / "counters" / "symbol_error").unlink()
    (port / "counters" / "symbol_error").mkdir()  # reading it fails, as EINVAL does
    assert cell(tmp_path, "symbol_errors_total") == (None, Quality.ABSENT)


@pytest.mark.parametrize(
    ("state", "physical", "expected"),
    [
        ("4: ACTIVE", "5: LinkUp", 1),
        ("1: DOWN", "2: Polling", 0),
        ("1: DOWN", "3: Disabled", 4),
        ("2: INIT", "5: LinkUp", 2),
        ("3: ARMED", "5: LinkUp", 3),
        ("5: ACTIVE_DEFER", "5: LinkUp", 2),
        ("0: NOP", "5: LinkUp", None),
        ("9: UNKNOWN", "5: LinkUp", None),
        ("ACTIVE", "5: LinkUp", None),
        ("", "", None),
    ],
)
def test_states(tmp_path: Path, state: str, physical: str, expected: int | None) -> None:
    add_port(tmp_path, state=state, phys_state=physical)
    value, quality = cell(tmp_path, "link_state")
    assert value == expected
    assert quality is (Quality.MISSING if expected is None else Quality.GOOD)


@pytest.mark.parametrize(
    ("rate", "gigabits"),
    [
        ("400 Gb/sec (4X NDR)", 400.0),
        ("800 Gb/sec (4X XDR)", 800.0),
        ("2.5 Gb/sec (1X SDR)", 2.5),
        ("56 Gb/sec (4X FDR)", 56.0),
        ("25.78125 Gb/sec", 25.78125),
    ],
)
def test_rates(tmp_path: Path, rate: str, gigabits: float) -> None:
    add_port(tmp_path, rate=rate)
    assert cell(tmp_path, "rate_gigabits_per_second") == (gigabits, Quality.GOOD)


def test_the_default_rate_of_a_port_without_a_link_is_none(tmp_path: Path) -> None:
    add_port(tmp_path, state="1: DOWN", phys_state="2: Polling", rate="10 Gb/sec (4X SDR)")
    assert cell(tmp_path, "rate_gigabits_per_second") == (None, Quality.ABSENT)
    assert cell(tmp_path, "physical_state") == (2, Quality.GOOD)


def test_without_a_physical_state_an_active_port_has_its_rate(tmp_path: Path) -> None:
    (add_port(tmp_path) / "phys_state").unlink()
    assert cell(tmp_path, "rate_gigabits_per_second") == (400, Quality.GOOD)


def test_a_second_port_has_its_number_in_the_name(tmp_path: Path) -> None:
    add_port(tmp_path)
    add_port(tmp_path, number=2)
    assert {one.device for one in decoded(tmp_path).readings} == {"n1/mlx5_0", "n1/mlx5_0/2"}


def test_roce_counters(tmp_path: Path) -> None:
    counters = {
        "np_cnp_sent": 1,
        "rp_cnp_handled": 2,
        "np_ecn_marked_roce_packets": 3,
        "roce_adp_retrans": 4,
        "out_of_sequence": 5,
        "resp_cqe_error": 6,
    }
    add_port(tmp_path, hw_counters=counters, link_layer="Ethernet")
    out = decoded(tmp_path)
    values = good(out.readings)
    assert values["n1/mlx5_0", "cnp_sent_total"] == 1
    assert values["n1/mlx5_0", "cnp_handled_total"] == 2
    assert values["n1/mlx5_0", "ecn_marked_total"] == 3
    assert values["n1/mlx5_0", "adaptive_retransmissions_total"] == 4
    assert values["n1/mlx5_0", "out_of_sequence_total"] == 5
    assert out.unmapped == {"resp_cqe_error": 1, "multicast_rcv_packets": 1}


def test_of_a_roce_port_that_ethernet_reads_only_rdma_is_taken(tmp_path: Path) -> None:
    add_port(tmp_path, hw_counters={"np_cnp_sent": 1}, link_layer="Ethernet")
    add_port(tmp_path, "mlx5_1")
    out = decoded(tmp_path, ethernet_ports=False)
    assert [r.metric for r in out.readings if r.device == "n1/mlx5_0"] == ["cnp_sent_total"]
    assert len([r for r in out.readings if r.device == "n1/mlx5_1"]) > 5


def test_a_drivers_repetition_of_a_counter_is_read_once(tmp_path: Path) -> None:
    add_port(tmp_path, counters={"port_rcv_data": 10}, hw_counters={"rx_bytes": 77})
    assert cell(tmp_path, "receive_bytes_total") == (40, Quality.GOOD)


def test_the_wide_counters_of_old_kernels_come_first(tmp_path: Path) -> None:
    port = add_port(tmp_path, counters={"port_rcv_data": 2**32 - 1})
    write(port / "counters_ext" / "port_rcv_data_64", 2**40)
    assert cell(tmp_path, "receive_bytes_total") == (2**42, Quality.GOOD)


def test_the_module_s_own_temperature(tmp_path: Path) -> None:
    port = add_port(tmp_path)
    device = add_pci_device(tmp_path, "0000:18:00.0", port.parent.parent)
    add_module_sensor(device, 48250)
    out = decoded(tmp_path)
    assert cells(out)["n1/mlx5_0", "optics_temperature_celsius"] == (48.25, Quality.GOOD)
    [identity] = out.identities
    assert identity.device == "n1/mlx5_0"
    assert identity.address == "0000:18:00.0"
    assert identity.uuid == "b83f:d203:00da:1138"
    assert (identity.model, identity.firmware) == ("MT4129", "28.41.1000")
    add_module_sensor(device, "garbage")
    assert cell(tmp_path, "optics_temperature_celsius") == (None, Quality.MISSING)


def test_without_a_host_the_description_names_it(tmp_path: Path) -> None:
    add_port(tmp_path)
    assert decode_recording(tmp_path, None, NOW).readings[0].device == "node001/mlx5_0"
    add_port(tmp_path, about={"node_desc": "mlx5_0"})
    assert decode_recording(tmp_path, None, NOW).readings[0].device == "unknown/mlx5_0"


def test_every_folder_that_may_be_meant_is_understood(tmp_path: Path) -> None:
    adapter = add_port(tmp_path / "capture" / "sys").parent.parent
    folders = [adapter, adapter.parent, tmp_path / "capture" / "sys", tmp_path / "capture"]
    found = [decode_recording(folder, "n1", NOW).readings for folder in folders]
    assert found[0]
    assert all(readings == found[0] for readings in found)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "notes" / "a.txt", "hello")
    with pytest.raises(InputError, match="no InfiniBand adapter"):
        decode_recording(tmp_path, None, NOW)
    (tmp_path / "class" / "infiniband").mkdir(parents=True)
    with pytest.raises(InputError, match="no InfiniBand adapter"):
        decode_recording(tmp_path, None, NOW)


def test_what_is_huge_is_bounded(tmp_path: Path) -> None:
    add_port(tmp_path, counters={"symbol_error": "7" * 1_000_000})
    assert cell(tmp_path, "symbol_errors_total") == (None, Quality.MISSING)
    for at in range(300):
        (tmp_path / "class" / "infiniband" / f"mlx5_{at}" / "ports").mkdir(
            parents=True, exist_ok=True
        )
    with pytest.raises(InputError, match="at most 256"):
        read_adapters(tmp_path)


@pytest.mark.fixtures
def test_the_real_tree_of_an_h100_host() -> None:
    out = decode_recording(fixtures() / "fabric" / "gpud-h100", "h100", NOW)
    check_readings(out.readings)
    assert Counter(one.quality for one in out.readings) == {"good": 241, "saturated": 10}
    saturated = Counter(r.metric for r in out.readings if r.quality is Quality.SATURATED)
    assert saturated == {"buffer_overruns_total": 9, "link_downed_total": 1}
    assert not out.problems
    assert len(out.identities) == 9
    values = good(out.readings)
    rates = Counter(value for (_, name), value in values.items() if name.startswith("rate_"))
    assert rates == {400.0: 8, 200.0: 1}
    expected = {device for device, name in values if name.startswith("expected_")}
    assert len(expected) == 8  # the bond is the only one of its board
    assert "h100/mlx5_bond_0" not in expected
    assert values["h100/mlx5_0", "receive_bytes_total"] == 230539874932483 * 4
    assert all(value == 1 for (_, name), value in values.items() if name == "link_state")
