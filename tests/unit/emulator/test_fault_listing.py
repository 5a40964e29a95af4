from __future__ import annotations

from fleetops.emulator.fault_kinds import fault_kinds
from fleetops.emulator.fault_listing import WIDTH, list_faults


def test_every_kind_is_listed_with_what_it_does_and_where_it_is_from() -> None:
    text = list_faults()
    flat = " ".join(text.split())
    for kind in fault_kinds().values():
        assert f"{kind.kind} ({kind.target.value}): {kind.title}" in flat
        assert " ".join(kind.about.split()) in flat
        assert f"source ({kind.source.basis.value}): {kind.source.text}" in flat
        for name in kind.parameters:
            assert f"{name} = " in flat
    assert max(map(len, text.splitlines())) <= WIDTH
    assert flat.count("CONFOUNDER ") == 1
