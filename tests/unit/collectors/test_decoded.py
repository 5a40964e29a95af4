"""What a decoder's result warns of."""

from __future__ import annotations

from collections import Counter

from fleetops_collectors.decoded import Decoded


def test_names_that_were_not_met_are_no_warning() -> None:
    assert Decoded(unmapped=Counter({"a": 0})).warnings() == []


def test_names_without_a_column_are_counted_and_some_are_named() -> None:
    unmapped = Counter({f"n{number}": 2 for number in range(9)}) + Counter()
    unmapped["never"] = 0
    (warning,) = Decoded(unmapped=unmapped).warnings()
    assert warning == (
        "18 values have no column in the catalog: n0, n1, n2, n3, n4, n5, n6, n7, ..."
    )
