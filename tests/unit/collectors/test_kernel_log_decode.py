# ruff: noqa: E501  (tables of lines as the kernel writes them)
"""Kernel lines: every format, every family, and nothing that is no line of the kernel."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops_collectors.kernel_log import KernelFinding, decode_kernel_log
from fleetops_collectors.kernel_log.memory import normalise_pci
from fleetops_collectors.kernel_log.patterns import load_patterns
from fleetops_collectors.kernel_log.record import MAX_LINE_BYTES, bounded_lines
from fleetops_schemas.records import RecommendedAction, Severity
from tests.support import fixtures

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
XID_79 = (
    "NVRM: Xid (PCI:0000:43:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
)


def decode(*lines: str | bytes, host: str | None = "n1") -> list[KernelFinding]:
    return list(decode_kernel_log(lines, host=host, now=NOW))


def one(line: str | bytes, host: str | None = "n1") -> KernelFinding:
    findings = decode(line, host=host)
    assert len(findings) == 1, findings
    return findings[0]


def test_real_dmesg_with_xid_119() -> None:
    path = fixtures() / "accelerators" / "gpud-dmesg-with-xid-119.log"
    with path.open("rb") as file:
        findings = list(decode_kernel_log(bounded_lines(file), host="n1", now=NOW))
    assert [finding.line for finding in findings] == [3, 38, 40, 42, 43]
    assert {finding.code for finding in findings} == {119}
    assert {finding.kind for finding in findings} == {"accelerator_gsp"}
    assert {finding.device for finding in findings} == {"n1/pci-0000:9b:00.0"}
    assert findings[0].time == datetime(2025, 2, 23, 16, 24, 18, tzinfo=UTC)
    assert findings[-1].time == datetime(2025, 2, 23, 16, 30, 13, tzinfo=UTC)
    assert findings[0].attributes["gpu_uuid"] == "GPU-509665ad-b600-ac93-3616-d754b23d636d"
    assert findings[0].attributes["process"] == "nvidia-smi"
    assert findings[0].text.startswith("NVRM: Xid (PCI:0000:9b:00): 119")
    assert findings[0].recommended_action is RecommendedAction.DRAIN_AND_RESET


@pytest.mark.parametrize(
    ("line", "host", "time"),
    [
        (f"3,10,5000000,-;{XID_79}", "n1", datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)),
        (f"[    5.000000] {XID_79}", "n1", datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)),
        (f"<3>[    5.000000][  T812] {XID_79}", "n1", datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)),
        (f"kern  :err   : [    5.000000] {XID_79}", "n1", datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)),
        (f"[    5.000000] n7 kernel: {XID_79}", "n7", datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)),
        (f"[Sun Feb 23 16:24:18 2025] {XID_79}", "n1", datetime(2025, 2, 23, 16, 24, 18, tzinfo=UTC)),
        (f"Feb 23 16:24:18 n7 kernel: {XID_79}", "n7", datetime(2026, 2, 23, 16, 24, 18, tzinfo=UTC)),
        (f"Dec 31 23:59:59 n7 kernel: [ 5.0] {XID_79}", "n7", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (f"2026-02-23T16:24:18+0100 n7 kernel: {XID_79}", "n7", datetime(2026, 2, 23, 15, 24, 18, tzinfo=UTC)),
        (f"2026-02-23T16:24:18.250000+00:00 n7 kernel: [ 5.0] {XID_79}", "n7", datetime(2026, 2, 23, 16, 24, 18, 250000, tzinfo=UTC)),
        (f"2026-02-23T16:24:18,250000+00:00 {XID_79}", "n1", datetime(2026, 2, 23, 16, 24, 18, 250000, tzinfo=UTC)),
        (f"kernel: {XID_79}", "n1", None),
        (XID_79, "n1", None),
    ],
)  # fmt: skip
def test_every_format_gives_host_and_time(line: str, host: str, time: datetime | None) -> None:
    boot = datetime(2026, 3, 1, tzinfo=UTC)
    lines = decode_kernel_log([line], host=None, boot_time=boot, now=NOW)
    (finding,) = lines
    assert finding.time == time
    assert finding.host == ("unknown" if host == "n1" else host)
    assert finding.text == XID_79
    assert one(line).device == "n1/pci-0000:43:00.0"


def test_uptime_without_a_boot_time_has_no_time() -> None:
    assert one(f"3,10,5000000,-;{XID_79}").time is None


def test_stamps_without_a_zone_are_in_the_zone_given() -> None:
    line = f"[Sun Feb 23 16:24:18 2025] {XID_79}"
    (finding,) = decode_kernel_log([line], now=NOW, timezone=ZoneInfo("America/New_York"))
    assert finding.time == datetime(2025, 2, 23, 16, 24, 18, tzinfo=timezone(timedelta(hours=-5)))


def test_journald_json_with_text_and_with_bytes() -> None:
    entry = {
        "__REALTIME_TIMESTAMP": "1772366400000000",
        "_HOSTNAME": "n9",
        "_TRANSPORT": "kernel",
        "MESSAGE": XID_79,
    }
    finding = one(json.dumps(entry), host=None)
    assert (finding.host, finding.time) == ("n9", datetime(2026, 3, 1, 12, tzinfo=UTC))
    entry["MESSAGE"] = [*XID_79.encode(), 0xFF]  # type: ignore[assignment]
    assert one(json.dumps(entry)).code == 79


@pytest.mark.parametrize(
    "line",
    [
        f"Feb 23 16:24:18 n7 python3[812]: {XID_79}",
        f"Feb 23 16:24:18 n7 sshd: {XID_79}",
        f"2026-02-23T16:24:18+00:00 n7 python3[812]: {XID_79}",
        f"[    5.000000] n7 python3[812]: {XID_79}",
        json.dumps({"MESSAGE": XID_79, "_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "python3"}),
    ],
)
def test_other_programs_that_quote_the_kernel_are_not_believed(line: str) -> None:
    assert decode(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "6,1,1,-;Linux version 6.8.0",
        " SUBSYSTEM=pci",
        "6,2,2,-;nvidia-nvlink: Nvlink Core is being initialized, major device number 234",
        "6,3,3,-;mlx5_core 0000:18:00.0: Port module event: module 0, Cable plugged",
        "6,4,4,-;mlx5_core 0000:18:00.0: mlx5_cmd_out_err: ACCESS_REG(0x805) op_mod(0x1) failed",
        "6,5,5,-;EDAC MC: Ver: 3.0.0",
        "6,6,6,-;mce: CPU0: Thermal monitoring enabled (TM1)",
        "6,7,7,-;pcieport 0000:00:01.0: AER: enabled with IRQ 24",
        "6,8,8,-;nvme nvme0: 8/0/0 default/read/poll queues",
        "6,9,9,-;Buffer I/O error on dev sr0, logical block 0",
        "6,10,10,-;nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 28006, Severity 0 Engine instance 46",
        "6,11,11,-;nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 28006, Data {0x00140004, 0x00100000}",
        "6,12,12,-;traps: python3[812] general protection fault ip:7f sp:7f error:0",
        "NVRM: Xid (PCI:0000:66:00): abc, pid=1",
        "NVRM: GPU at PCI:0000:9b:00: GPU-509665ad-b600-ac93-3616-d754b23d636d",
        "",
        "{",
        '{"MESSAGE": null}',
        "[]",
    ],
)
def test_lines_that_mean_nothing(line: str) -> None:
    assert decode(line) == []


def test_a_line_names_its_device_by_the_hosts_map() -> None:
    devices = {"0000:43:00": "gpu3", "0000:5E:00.0": "nic0"}
    lines = [XID_79, "mlx5_core 0000:5e:00.0 ens3: Link down"]
    found = list(decode_kernel_log(lines, host="n1", now=NOW, devices=devices))
    assert [finding.device for finding in found] == ["n1/gpu3", "n1/nic0"]
    assert [finding.device_class for finding in found] == ["accelerator", "fabric_port"]


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("0000:9b:00", "0000:9b:00.0"),
        ("00000000:9B:00.0", "0000:9b:00.0"),
        ("9b:00.1", "0000:9b:00.1"),
        ("0019:01:00", "0019:01:00.0"),
        ("somewhere", "somewhere"),
    ],
)
def test_pci_addresses_have_one_spelling(address: str, normal: str) -> None:
    assert normalise_pci(address) == normal


@pytest.mark.parametrize(
    ("wanted", "severity", "action"),
    [
        ("0x1 (GPU Reset Required)", "critical", "drain_and_reset"),
        ("0x1 (PF FLR)", "critical", "drain_and_reset"),
        ("0x2 (Node Reboot Required)", "critical", "drain_and_reset"),
        ("0x2 (OS Reboot)", "critical", "drain_and_reset"),
        ("0x3 (Drain P2P)", "warning", "drain"),
        ("0x4 (Drain and Reset)", "warning", "drain_and_reset"),
        ("0x0 (None)", "info", "none"),
        ("0x9 (Something New)", "warning", "inspect"),
    ],
)
def test_xid_154_carries_what_the_driver_asks_for(wanted: str, severity: str, action: str) -> None:
    text = (
        f"NVRM: Xid (PCI:0008:01:00): 154, GPU recovery action changed from 0x0 (None) to {wanted}"
    )
    finding = one(text)
    assert finding.kind == "accelerator_reset_required"
    assert (finding.severity.value, finding.recommended_action.value) == (severity, action)
    assert finding.attributes["recovery_action"] == wanted.split("(")[1].rstrip(")")
    assert not one("NVRM: Xid (PCI:0008:01:00): 154, cut off").recommended_action.drains


@pytest.mark.parametrize(
    ("detail", "severity", "action"),
    [
        ("144, SAW_MVB Nonfatal XC0 i0 Link 0 (0x00000001 0x00000008 0x0 0x0 0x0 0x0)", "info", "watch"),
        ("144, SAW_MVB Fatal XC0 i0 Link 0 (0x00000001 0x00000002 0x0 0x0 0x0 0x0)", "critical", "drain_and_reset"),
        ("144, SAW_MVB Nonfatal XC0 i0 Link 0 (0x00000001 0x00000002 0x0 0x0 0x0 0x0)", "warning", "inspect"),
        ("145, RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008 0x1 0x0 0x00100000 0x4)", "info", "watch"),
        ("145, RLW_REMAP Fatal XC0 i0 Link 1 (0x00000004 0x000001c0 0x0 0x0 0x0 0x0)", "critical", "drain_and_reset"),
        ("149, NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6 0x00000000 0x0 0x0 0x0 0x0)", "critical", "drain_and_reset"),
        ("149, NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x00000000 0x0 0x0 0x0 0x0)", "warning", "watch"),
        ("149, NETIR_MFDE_EVENT Fatal XC0 i0 Link 00 (0x00000246 0x00000003 0x0 0x0 0x0 0x0)", "warning", "watch"),
        ("149, NETIR Fatal XC0 i0 Link -1 (0x000fe406 0x00000000 0x0 0x0 0x0 0x0)", "critical", "drain_and_reset"),
        ("150, MSE_NEW_UNIT Nonfatal XC0 i0 Link 02 (0x0 0x0)", "warning", "watch"),
        ("150, MSE_NEW_UNIT Fatal XC0 i0 Link 02", "critical", "drain_and_reset"),
        ("148, words that nobody knows", "warning", "inspect"),
    ],
)  # fmt: skip
def test_nvlink_5_lines_are_judged_by_unit_and_status(
    detail: str, severity: str, action: str
) -> None:
    finding = one(f"NVRM: Xid (PCI:0000:01:00): {detail}")
    assert finding.kind == "accelerator_nvlink"
    assert (finding.severity.value, finding.recommended_action.value) == (severity, action)


@pytest.mark.parametrize(
    ("registers", "action"),
    [
        ("(0x1, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)", RecommendedAction.NONE),
        ("(0x100000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)", RecommendedAction.WATCH),
        ("(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)", RecommendedAction.DRAIN_AND_RESET),
        ("(0x1, 0x0, 0x4, 0x0, 0x0, 0x0, 0x0)", RecommendedAction.DRAIN_AND_RESET),
        ("", RecommendedAction.DRAIN_AND_RESET),
    ],
)
def test_xid_74_with_harmless_bits_alone_is_not_acted_on(
    registers: str, action: RecommendedAction
) -> None:
    text = f"NVRM: Xid (PCI:0000:D8:00): 74, NVLink: fatal error detected on link 14{registers}"
    finding = one(text)
    assert finding.recommended_action is action
    assert finding.attributes.get("link") == ("14" if registers else None)


def test_xid_45_names_its_cause_and_is_noise() -> None:
    line = "NVRM: Xid (PCI:0000:dc:00): 45, pid=18, name=python3, Ch 01 caused by previous Xid 149"
    finding = one(line)
    assert finding.attributes["caused_by"] == 149
    assert finding.recommended_action is RecommendedAction.NONE
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("detail", "action", "fatal"),
    [
        ("24007, Fatal, Link 36 sourcetrack timeout error (First)", "drain_and_reset", True),
        ("12028, Non-fatal, Link 32 egress non-posted PRIV error (First)", "watch", False),
        ("12020, Non-fatal, Link 32 egress sequence ID error", "inspect", False),
        ("11012, Fatal, Link 1 single bit", "none", True),
        ("10003, Fatal, Host_unhandled_interrupt", "drain_and_reset", True),
        ("77777, Non-fatal, Link 1 new", "watch", False),
    ],
)
def test_sxid_lines_say_whether_they_were_fatal(detail: str, action: str, fatal: bool) -> None:
    finding = one(f"[1.0] nvidia-nvswitch3: SXid (PCI:0000:05:00.0): {detail}")
    assert finding.device == "n1/nvswitch3"
    assert finding.kind == "nvswitch_fault"
    assert finding.recommended_action.value == action
    assert finding.attributes["fatal"] is fatal


def test_a_repeated_message_counts_its_repeats() -> None:
    finding = one(f"Feb 23 16:24:18 n7 kernel: message repeated 3 times: [ {XID_79}]")
    assert (finding.code, finding.attributes["repeats"]) == (79, 3)


def test_garbage_around_a_line_does_not_hide_it() -> None:
    assert one(b"\x00\x00" + XID_79.encode() + b"\xff\xfe\x00\n").code == 79
    assert one("3,1,1,-;" + XID_79 + "\\x0a\\xff").code == 79
    long = one(XID_79 + "x" * 1_000_000)
    assert len(long.text) <= 1024


@given(st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), max_size=20))
def test_nothing_that_is_fed_in_crashes(lines: list[str | bytes]) -> None:
    for finding in decode_kernel_log(lines, host="n1", now=NOW):
        assert finding.host == "n1"


@given(
    st.text(max_size=80),
    st.sampled_from(["Xid (", "SXid (", "EDAC MC0: 1 CE ", "mce: [Hardware Error]: "]),
)
def test_nothing_behind_a_known_word_crashes(text: str, word: str) -> None:
    list(decode_kernel_log([f"NVRM: {word}{text}", f"3,1,1,-;{word}{text}"], now=NOW))


@pytest.mark.parametrize(
    "stamp", [f"[Sun Feb 23 16:24:18 {'2' * 12}]", f"[Sun Feb {'9' * 30} 16:24:18 2025]"]
)
def test_a_stamp_out_of_the_calendar_costs_the_time_alone(stamp: str) -> None:
    (found,) = decode_kernel_log([f"{stamp} NVRM: Xid (PCI:0000:9b:00): 79, pid=1, gone"])
    assert (found.code, found.time) == (79, None)


def test_huge_lines_are_read_in_bounded_memory() -> None:
    stream = BytesIO(b"a" * (10 * MAX_LINE_BYTES) + b"\n" + XID_79.encode() + b"\n")
    lines = list(bounded_lines(stream))
    assert [len(line) <= MAX_LINE_BYTES for line in lines] == [True, True]
    assert decode(*lines)[0].line == 2


def test_columns_for_people() -> None:
    assert one(XID_79).as_dict() == {
        "line": 1,
        "time": None,
        "device": "n1/pci-0000:43:00.0",
        "source": "xid",
        "code": 79,
        "kind": "accelerator_fallen_off_bus",
        "severity": "critical",
        "recommended_action": "drain",
        "text": XID_79,
    }


def test_the_patterns_load_once() -> None:
    assert load_patterns() is load_patterns()
