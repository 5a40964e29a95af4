"""Every code of NVIDIA's public tables, as its driver writes it, judged as the vendor advises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetops_collectors.kernel_log import KernelFinding, decode_kernel_log
from fleetops_schemas.faults import Fatality, load_faults
from fleetops_schemas.records import RecommendedAction, Severity
from tests.support import fixtures

pytestmark = pytest.mark.fixtures
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CATALOG = load_faults()
BUCKETS = {
    "RESTART_APP": RecommendedAction.CHECK_JOB,
    "RESET_GPU": RecommendedAction.DRAIN_AND_RESET,
    "WORKFLOW_XID_48": RecommendedAction.DRAIN_AND_RESET,
    "WORKFLOW_NVLINK_ERR": RecommendedAction.DRAIN_AND_RESET,
    "RESTART_BM": RecommendedAction.DRAIN,
    "CONTACT_SUPPORT": RecommendedAction.WATCH,
    "CHECK_MECHANICALS": RecommendedAction.INSPECT,
    "UPDATE_SWFW": RecommendedAction.INSPECT,
}
"""NVIDIA's resolution buckets; a code that differs carries a note that says why."""


def table(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((fixtures() / "accelerators" / name).read_text())
    return rows


def decoded(text: str) -> KernelFinding:
    (finding,) = decode_kernel_log([f"3,1,1,-;{text}"], host="n1", now=NOW)
    return finding


def test_every_xid_is_judged_by_its_bucket() -> None:
    rows = table("xid_catalog.json")
    assert len(rows) == 172
    for row in rows:
        found = decoded(f"NVRM: Xid (PCI:0000:9b:00): {row['xid']}, pid=812, name=python3, detail")
        known = CATALOG.xid(row["xid"])
        bucket = row["immediate_resolution"]
        assert (found.code, found.source) == (row["xid"], "xid")
        assert found.attributes["mnemonic"] == row["mnemonic"]
        assert found.kind != "unclassified" or row["description"] == "Unused", row
        if not known.note:
            wanted = BUCKETS.get(bucket)
            assert wanted is None or found.recommended_action is wanted, row
        if bucket == "IGNORE":
            assert not found.recommended_action.drains, row
        if found.recommended_action.drains:
            assert found.severity is not Severity.INFO, row


def test_a_vendors_advice_is_left_for_a_reason_only() -> None:
    left = {
        row["xid"]
        for row in table("xid_catalog.json")
        if (wanted := BUCKETS.get(row["immediate_resolution"]))
        and CATALOG.xid(row["xid"]).action is not wanted
    }
    assert left == {94, 155}
    assert all(CATALOG.xid(code).note for code in left)


@pytest.mark.parametrize("fatal", [True, False])
def test_every_sxid_is_judged_by_its_line_and_its_fatality(fatal: bool) -> None:
    rows = table("sxid_catalog.json")
    assert len(rows) == 93
    for row in rows:
        word = "Fatal" if fatal else "Non-fatal"
        text = f"{row['sxid']}, {word}, Link 28 {row['name']}"
        found = decoded(f"nvidia-nvswitch2: SXid (PCI:0000:c4:00.0): {text}")
        assert (found.code, found.source, found.kind) == (row["sxid"], "sxid", "nvswitch_fault")
        assert found.attributes["link"] == "28"
        can_be_fatal = (row["potential_fatal"], row["always_fatal"]) != ("false", "false")
        assert found.recommended_action.drains == (fatal and can_be_fatal), row
        if row["always_fatal"] in ("true", "defaultAlwaysFatalErr"):
            assert CATALOG.sxid(row["sxid"]).fatality is Fatality.ALWAYS
            assert found.severity.rank >= Severity.WARNING.rank


def nvlink_lines() -> Iterator[tuple[str, dict[str, str], str]]:
    """Each row of the vendor's sheet as drivers before and from R575 on write it."""
    for row in table("nvlink5_xid144_150_rules.derived.json"):
        names = row["unit"].split("/")
        fatal = "Fatal" if "Fatal" in row["severity"] else "Nonfatal"
        for version, name in (("v1", names[0]), ("v2", names[-1])):
            word = int(row[f"intrinfo_{version}"].replace("-", "0"), 2)
            words = f"(0x{word:08x} {row['error_status']} 0x00000000 0x00000000)"
            for unit in (name, row["unit"], "SOME_NEW_NAME"):
                yield f"{row['xid']}, {unit} {fatal} XC0 i0 Link 03 {words}", row, version


def test_every_nvlink_5_rule_holds_in_both_layouts_by_name_and_by_word() -> None:
    lines = 0
    for detail, row, version in nvlink_lines():
        found = decoded(f"NVRM: Xid (PCI:0000:9b:00): {detail}")
        by_word = "SOME_NEW_NAME" in detail
        if by_word and row["xid"] == "150":
            continue  # its only unit has no number of its own
        lines += 1
        action = found.recommended_action
        if row["resolution"] == "RESET_GPU":
            assert action is RecommendedAction.DRAIN_AND_RESET, (detail, found)
            assert found.severity is Severity.CRITICAL
        else:  # IGNORE, or what the Xid 154 that follows will say
            assert action is RecommendedAction.WATCH, (detail, found)
        if row["xid"] != "150":
            layout = "before R575" if version == "v1" else "R575 and later"
            assert found.attributes["driver_branch"] == layout, detail
    assert lines > 500


def test_a_driver_that_calls_it_nonfatal_is_believed() -> None:
    for detail, _, _ in nvlink_lines():
        text = detail.replace(" Fatal ", " Nonfatal ")
        found = decoded(f"NVRM: Xid (PCI:0000:9b:00): {text}")
        assert not found.recommended_action.drains, text
