"""The fault data: complete, consistent, careful, and overridable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetops_schemas.faults import Fatality, FaultDataError, load_faults
from fleetops_schemas.faults_reference import REFERENCE_PAGE, render_faults
from fleetops_schemas.records import RecommendedAction, Severity
from tests.support import ROOT, fixtures

CATALOG = load_faults()


def test_every_kind_names_a_source_that_is_listed() -> None:
    for kind in CATALOG.kinds.values():
        assert kind.source in CATALOG.sources, kind.name
        assert kind.title
        assert kind.description


def test_every_xid_and_sxid_of_the_public_catalogs_is_there() -> None:
    folder = fixtures() / "accelerators"
    xids = {row["xid"]: row for row in json.loads((folder / "xid_catalog.json").read_text())}
    sxids = {row["sxid"] for row in json.loads((folder / "sxid_catalog.json").read_text())}
    assert set(CATALOG.xids) == set(xids)
    assert len(xids) == 172
    assert set(CATALOG.sxids) == sxids
    assert len(sxids) == 93
    for code, row in xids.items():
        assert CATALOG.xid(code).mnemonic == row["mnemonic"]
        assert CATALOG.xid(code).vendor_advice == row["immediate_resolution"]


@pytest.mark.parametrize("code", [13, 31, 43, 45])
def test_programs_errors_never_touch_a_node(code: int) -> None:
    xid = CATALOG.xid(code)
    assert xid.kind == "accelerator_application"
    assert xid.action in (RecommendedAction.NONE, RecommendedAction.CHECK_JOB)
    assert xid.severity is Severity.INFO


@pytest.mark.parametrize(
    ("code", "kind", "action"),
    [
        (79, "accelerator_fallen_off_bus", RecommendedAction.DRAIN),
        (48, "accelerator_memory_uncorrectable", RecommendedAction.DRAIN_AND_RESET),
        (94, "accelerator_memory_uncorrectable", RecommendedAction.DRAIN_AND_RESET),
        (95, "accelerator_memory_uncorrectable", RecommendedAction.DRAIN_AND_RESET),
        (63, "accelerator_row_remap", RecommendedAction.WATCH),
        (64, "accelerator_row_remap", RecommendedAction.DRAIN_AND_RESET),
        (74, "accelerator_nvlink", RecommendedAction.DRAIN_AND_RESET),
        (119, "accelerator_gsp", RecommendedAction.DRAIN_AND_RESET),
        (120, "accelerator_gsp", RecommendedAction.DRAIN_AND_RESET),
        (149, "accelerator_nvlink", RecommendedAction.INSPECT),
        (160, "accelerator_driver", RecommendedAction.WATCH),
        (162, "accelerator_driver", RecommendedAction.NONE),
    ],
)
def test_what_to_do_about_the_codes_that_matter(
    code: int, kind: str, action: RecommendedAction
) -> None:
    assert (CATALOG.xid(code).kind, CATALOG.xid(code).action) == (kind, action)


def test_only_what_the_vendor_resets_or_restarts_drains_without_a_note() -> None:
    for xid in CATALOG.xids.values():
        if xid.action.drains and not xid.note:
            assert xid.vendor_advice in ("RESET_GPU", "RESTART_BM", "WORKFLOW_XID_48"), xid.code


def test_an_unknown_code_is_watched_and_says_that_it_is_unknown() -> None:
    unknown = CATALOG.xid(4711)
    assert not unknown.known
    assert unknown.kind == "unclassified"
    assert not unknown.action.drains
    assert CATALOG.sxid(4711).kind == "nvswitch_fault"
    assert CATALOG.kind("no_such_kind").name == "unclassified"


def test_switch_codes_tell_how_fatal_they_are() -> None:
    assert CATALOG.sxid(12020).fatality is Fatality.ALWAYS
    assert CATALOG.sxid(24007).fatality is Fatality.POSSIBLE
    assert CATALOG.sxid(11012).fatality is Fatality.NEVER
    assert not any(
        code.action.drains
        for code in CATALOG.sxids.values()
        if code.fatality is not Fatality.ALWAYS
    )


def test_an_installation_overrides_single_fields(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(
        "xid: {160: {severity: critical, action: drain}}\nkinds: {slow_rank: {action: inspect}}"
    )
    own = load_faults(file)
    assert own.xid(160).action is RecommendedAction.DRAIN
    assert own.xid(160).mnemonic == CATALOG.xid(160).mnemonic
    assert own.kinds["slow_rank"].action is RecommendedAction.INSPECT
    assert own.xid(79) == CATALOG.xid(79)
    assert load_faults().xid(160).action is RecommendedAction.WATCH


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("xid: {160: {severity: dreadful}}", "severity"),
        ("xid: {160: {acton: drain}}", "acton"),
        ("xid: {9999: {severity: info}}", "9999"),
        ("xids: {}", "xids"),
        ("xid: [", "not YAML"),
        ("xid: {160: {kind: no_such}}", "no_such"),
    ],
)
def test_a_wrong_override_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(FaultDataError) as caught:
        load_faults(file)
    assert said in str(caught.value)
    with pytest.raises(FaultDataError, match="cannot read"):
        load_faults(tmp_path / "absent.yaml")


def test_the_reference_page_is_current() -> None:
    assert (ROOT / REFERENCE_PAGE).read_text("utf-8") == render_faults(CATALOG), (
        "run: python -m fleetops_schemas.faults_reference"
    )
