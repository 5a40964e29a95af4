"""Parameters as literals: a value can never become SQL."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.core.errors import StoreRejectedError
from fleetops.store.base import Parameter
from fleetops.store.parameters import quoted, server_side, substituted

LITERAL = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)


def test_scalars() -> None:
    moment = datetime(2026, 11, 21, 19, 0, 0, 5, timezone(timedelta(hours=9)))
    values: dict[str, Parameter] = {
        "s": "it's",
        "i": -5,
        "f": 0.1,
        "yes": True,
        "no": False,
        "t": moment,
    }
    assert server_side(values) == {
        "s": "it\\'s",
        "i": "-5",
        "f": "0.1",
        "yes": "1",
        "no": "0",
        "t": "2026-11-21 10:00:00.000005",
    }
    sql = "SELECT {s:String}, {t: DateTime64(6, 'UTC')}"
    assert substituted(sql, values) == (
        "SELECT CAST('it\\'s', 'String'), "
        "CAST('2026-11-21 10:00:00.000005', 'DateTime64(6, \\'UTC\\')')"
    )
    assert moment.astimezone(UTC).hour == 10


def test_arrays() -> None:
    values: dict[str, Parameter] = {"s": ["a'b", "c\\d"], "n": (1, 2), "e": []}
    assert server_side(values) == {"s": "['a\\'b','c\\\\d']", "n": "[1,2]", "e": "[]"}
    assert substituted("{n:Array(UInt8)}", values) == "CAST('[1,2]', 'Array(UInt8)')"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '{x:String}'",
        'SELECT "{x:String}"',
        "SELECT `{x:String}`",
        "SELECT 'it\\'s {x:String}'",
        "SELECT 1 -- {x:String}",
        "SELECT /* {x:String}\n */ 1",
        "SELECT {'a': 1}",
    ],
)
def test_quotes_and_comments_are_left_alone(sql: str) -> None:
    assert substituted(sql, {"x": "no"}) == sql


def test_every_place_is_filled() -> None:
    assert substituted("{a:UInt8} + {a:UInt8} - {b:UInt8}", {"a": 1, "b": 2, "unused": 3}) == (
        "CAST('1', 'UInt8') + CAST('1', 'UInt8') - CAST('2', 'UInt8')"
    )


def test_a_value_that_is_missing() -> None:
    with pytest.raises(StoreRejectedError, match="'x' has no value"):
        substituted("SELECT {x:String}", {})


def test_a_time_without_a_zone() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(StoreRejectedError, match="without a zone"):
        server_side({"t": naive})


@given(st.text())
def test_a_quoted_text_is_one_literal(text: str) -> None:
    assert LITERAL.fullmatch(quoted(text))
    assert "\n" not in quoted(text)


@given(st.text(), st.lists(st.text(), max_size=5))
def test_no_value_ends_its_literal(text: str, many: list[str]) -> None:
    sql = substituted("{x:String}{y:Array(String)}", {"x": text, "y": many})
    assert LITERAL.sub("?", sql) == "CAST(?, ?)CAST(?, ?)"
