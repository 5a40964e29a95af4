"""Lines of Prometheus text (0.0.4) and OpenMetrics text (1.0): name, labels, number, time."""

from __future__ import annotations

import math
import re

BEYOND = 2**64 + 1
"""Stands for every larger whole number: no source counts so far, and text may hold any."""
_LONG = len(str(2**64))

# Possessive: a line that does not match fails in one pass, however long it is.
_LABELS = r'(?P<labels>(?:[^"{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+)'
_HEAD = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)[ \t]*+(?:\{" + _LABELS + r"\})?+")
_QUOTED_HEAD = re.compile(
    r'\{[ \t]*+(?P<name>"[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t]*+(?:,' + _LABELS + r")?+\}"
)
"""Prometheus 3 writes names that are no identifiers inside the braces, and may so write any."""
_LABEL = re.compile(
    r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*|"[^"\\]*(?:\\.[^"\\]*)*")[ \t]*='
    r'[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(?:,|$)'
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}

Parts = tuple[str, str, str, str]


def split(line: str) -> Parts | None:
    """Name, label text, value and time ("" without one); None if it is no sample."""
    opening, closing = line.find("{"), line.rfind("}")
    name = line[: max(opening, 0)]
    if name.isidentifier() and "#" not in line:  # the usual shape, without a regular expression
        if closing < opening:
            return None
        labels, rest = line[opening + 1 : closing], line[closing + 1 :]
    else:
        match = _HEAD.match(line) or _QUOTED_HEAD.match(line)
        if match is None:
            return None
        name, labels = _plain(match["name"]), match["labels"] or ""
        rest = line[match.end() :].partition("#")[0]  # what follows is an exemplar or a remark
    parts = rest.split()
    if len(parts) == 1:
        return name, labels, parts[0], ""
    if len(parts) == 2 and _is_time(parts[1]):  # noqa: PLR2004 (value and time)
        return name, labels, parts[0], parts[1]
    return None


def number_of(text: str) -> float | None:
    """The number, whole ones exactly: a blank 64 bit integer would not survive as a float."""
    if text.isdecimal() and text.isascii():
        return int(text) if len(text) < _LONG else min(int(text[: _LONG + 1]), BEYOND)
    if "_" in text:
        return None  # Python's own grouping, not Prometheus'
    try:
        return float(text)
    except ValueError:
        return None


def labels_of(text: str) -> dict[str, str] | None:
    """The labels, unescaped; None if malformed."""
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _LABEL.match(text, position)
        if match is None:
            return None if text[position:].strip() else labels
        labels[_plain(match[1])] = _unescaped(match[2])
        position = match.end()
    return labels


def _plain(name: str) -> str:
    """A name without the quotes that it may stand in."""
    return _unescaped(name[1:-1]) if name.startswith('"') else name


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[0]), text)


def _is_time(text: str) -> bool:
    number = number_of(text)
    return number is not None and 0 <= number < math.inf
