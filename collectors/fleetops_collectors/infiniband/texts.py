"""Lines of the tools' output, bounded, so that no line makes a pattern search for long."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE = 512
"""Characters; the tools' own lines have at most 200."""


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1. One that is too long becomes one that says nothing."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, line if len(line) <= MAX_LINE else f"{line[:60]} ..."
