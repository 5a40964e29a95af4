"""The fault kinds as a text: for ``fleetops emulate --list-faults``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fleetops.emulator.fault_kinds import FaultKind, fault_kinds

WIDTH = 100
INDENT = "    "


def list_faults() -> str:
    """Every kind: category, target, what it does, its parameters, where its shape comes from."""
    lines: list[str] = []
    category = None
    for kind in fault_kinds().values():
        if kind.category is not category:
            category = kind.category
            lines += ["", category.value.upper()]
        lines += ["", *_describe(kind)]
    return "\n".join(lines).strip() + "\n"


def _describe(kind: FaultKind) -> Iterator[str]:
    truth = kind.truth
    right = "drain" if truth.drain else "no drain"
    yield f"{kind.kind} ({kind.target.value}): {kind.title}"
    yield from _wrapped(kind.about.strip())
    for name, one in kind.parameters.items():
        unit = f" {one.unit}" if one.unit else ""
        allowed = ", ".join(one.choices) or f"{one.least:g} to {one.most:g}"
        default = one.default if isinstance(one.default, str) else f"{one.default:g}"
        yield from _wrapped(f"{name} = {default}{unit} ({allowed}): {one.about}")
    yield from _wrapped(f"truth: {truth.verdict}, {right}")
    yield from _wrapped(f"source ({kind.source.basis.value}): {kind.source.text}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
