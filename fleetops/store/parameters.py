"""Query parameters, written ``{name:Type}`` in ClickHouse's own way, for both ways of sending.

The embedded engine takes them apart from the SQL. Over the native protocol of clickhouse-driver
they become literals here: ``CAST('escaped text', 'Type')``. A value can never become SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from fleetops.core.errors import StoreRejectedError
from fleetops.store.base import Parameter

_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\0": "\\0",
    }
)
_PLACEHOLDER = re.compile(
    r"""'(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | `(?:\\.|[^`\\])*`  # quoted
      | --[^\n]* | /\*.*?\*/                                       # comments
      | \{\s*(?P<name>\w+)\s*:\s*(?P<type>[^{}]+?)\s*\}""",
    re.VERBOSE | re.DOTALL,
)


def quoted(text: str) -> str:
    """The text as an SQL string literal."""
    return f"'{text.translate(_ESCAPES)}'"


def server_side(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """The values as the engine parses them: escaped text; arrays as array literals."""
    return {
        name: _array(value) if isinstance(value, list | tuple) else _text(value).translate(_ESCAPES)
        for name, value in parameters.items()
    }


def substituted(sql: str, parameters: Mapping[str, Parameter]) -> str:
    """The SQL with every placeholder outside quotes and comments made a typed literal.

    Raises:
        StoreRejectedError: a placeholder has no value.
    """

    def literal(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in parameters:
            raise StoreRejectedError(f"the query's parameter {name!r} has no value; give one")
        value = parameters[name]
        text = _array(value) if isinstance(value, list | tuple) else _text(value)
        return f"CAST({quoted(text)}, {quoted(match['type'])})"

    return _PLACEHOLDER.sub(literal, sql)


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise StoreRejectedError(f"a time without a zone in a query: {value}; make it aware")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


def _array(values: list[object] | tuple[object, ...]) -> str:
    items = (quoted(item) if isinstance(item, str) else str(item) for item in values)
    return f"[{','.join(items)}]"
