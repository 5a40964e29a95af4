from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.api.paging import Key, decode_cursor, encode_cursor, paginate
from fleetops.core.errors import InputError

KEYS = st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), unique=True, max_size=30)


def pages(items: list[Key], limit: int, *, newest_first: bool) -> list[list[Key]]:
    found, cursor = [], None
    while True:
        page, cursor = paginate(items, lambda key: key, cursor, limit, newest_first=newest_first)
        found.append([*page])
        if cursor is None:
            return found


@given(KEYS, st.integers(1, 10), st.booleans())
def test_pages_together_are_the_list_in_order(
    items: list[Key], limit: int, newest_first: bool
) -> None:
    found = pages(items, limit, newest_first=newest_first)
    assert [item for page in found for item in page] == sorted(items, reverse=newest_first)
    assert all(len(page) == limit for page in found[:-1])


@given(KEYS, st.integers(1, 10), KEYS)
def test_what_is_added_in_between_neither_skips_nor_repeats(
    items: list[Key], limit: int, added: list[Key]
) -> None:
    first, cursor = paginate(items, lambda key: key, None, limit)
    later = sorted({*items, *added})
    seen = [*first]
    while cursor is not None:
        page, cursor = paginate(later, lambda key: key, cursor, limit)
        seen += page
    assert len(seen) == len(set(seen))
    assert set(items) <= set(seen)


@given(st.lists(st.text(), min_size=1).map(tuple))
def test_a_cursor_gives_its_position_back(key: Key) -> None:
    assert decode_cursor(encode_cursor(key)) == key


@pytest.mark.parametrize("cursor", ["", "%%%", "e30", "WzFd", "W10", "bm90IGpzb24", "é"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InputError, match="start again without it"):
        decode_cursor(cursor)
