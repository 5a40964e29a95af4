from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand, fold


def test_as_slurm_writes_them() -> None:
    assert expand("node[001-003,007],gpu7") == ["node001", "node002", "node003", "node007", "gpu7"]
    assert fold(["node001", "node002", "node003", "node007"]) == "node[001-003,007]"


@pytest.mark.parametrize("bad", ["", "  ", "node[001-", "node]1[", "node[5-1]"])
def test_what_is_no_hostlist_says_how_to_write_one(bad: str) -> None:
    with pytest.raises(InputError, match="write for example"):
        expand(bad)


def test_a_huge_hostlist_is_refused() -> None:
    with pytest.raises(InputError):
        expand("n[0-99999999]")


@given(st.sets(st.integers(0, 9999), min_size=1, max_size=50))
def test_folding_and_expanding_are_inverse(numbers: set[int]) -> None:
    hosts = [f"node{number:04d}" for number in sorted(numbers)]
    assert sorted(expand(fold(hosts))) == hosts
