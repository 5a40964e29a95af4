"""Decodes saved output of ``perfquery`` (rdma-core, infiniband-diags)."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband.counters import (
    LEGACY_BITS,
    Column,
    columns,
    judge_counter,
    reading,
)
from fleetops_collectors.infiniband.texts import numbered_lines
from fleetops_collectors.quality import Verdict
from fleetops_schemas.readings import Quality, Reading

EXTENDED_ERRORS = 1 << 1
"""IsAdditionalPortCountersExtendedSupported in CapMask2: without it the error counters of the
extended attribute are zeros that nobody counted."""
EXTENDED_ERRORS_SWAPPED = 1 << 25
"""The same, as versions print it that do not swap its bytes."""
ALL_PORTS = "255"
_HEADER = re.compile(
    r"# (?P<kind>Port[A-Za-z ]* counters): (?P<node>.{1,80}?) port (?P<port>\d{1,3})"
    r"(?: \(CapMask: 0x[0-9A-Fa-f]{1,8}(?: CapMask2: 0x(?P<mask>[0-9A-Fa-f]{1,8}))?\))?"
)
_LINE = re.compile(r"(?P<name>[A-Za-z0-9]{1,40}):\.*(?P<value>\S*)")
_SELECTORS = frozenset({"PortSelect", "CounterSelect", "CounterSelect2"})
_EXTENDED_ONLY = frozenset({*LEGACY_BITS, "transmit_wait_total"})
"""Metrics whose counters are of the additional ones in the extended attribute."""


class _Section(NamedTuple):
    device: str
    extended: bool
    error_counters: bool


def looks_like_perfquery(text: str) -> bool:
    """Whether a text is output of perfquery."""
    return any(_HEADER.fullmatch(line.strip()) for _, line in islice(numbered_lines(text), 50))


def decode_perfquery(text: str, *, host: str | None) -> Decoded:
    """The counters of each port in it.

    Of two lines of a port that say the same the first with a number counts: where both attributes
    were asked for, a narrow counter may be at its end.

    Args:
        text: What perfquery printed, of one port or several.
        host: Device that the ports belong to; without it ``lid1719``.
    """
    out = Decoded()
    section: _Section | None = None
    found: dict[tuple[str, str], Reading] = {}
    for number, line in numbered_lines(text):
        stripped = line.strip()
        if header := _HEADER.fullmatch(stripped):
            section = _section(header, host)
        elif match := _LINE.fullmatch(stripped):
            if section is None or match["name"] in _SELECTORS:
                continue
            column = columns().get(match["name"])
            if column is None:
                out.unmapped[match["name"]] += 1
            else:
                verdict = _judge(section, column, match["value"], number, out)
                new = reading(section.device, column.metric, verdict)
                old = found.setdefault((new.device, new.metric), new)
                if old.value is None and new.value is not None:
                    found[new.device, new.metric] = new
        elif stripped and not stripped.startswith("#"):
            out.problems.append(f"line {number}: not a counter: {stripped[:60]!r}")
    out.readings = list(found.values())
    return out


def _section(header: re.Match[str], host: str | None) -> _Section:
    node = host or header["node"].lower().replace("lid ", "lid").replace(" ", "-")
    extended = header["kind"] == "Port extended counters"
    mask = int(header["mask"] or "0", 16)
    return _Section(
        device=node if header["port"] == ALL_PORTS else f"{node}/{header['port']}",
        extended=extended,
        error_counters=not extended or bool(mask & (EXTENDED_ERRORS | EXTENDED_ERRORS_SWAPPED)),
    )


def _judge(section: _Section, column: Column, text: str, number: int, out: Decoded) -> Verdict:
    try:
        verdict = judge_counter(column, text, legacy=not section.extended)
    except ValueError as error:
        out.problems.append(f"line {number}: {error}")
        return None, Quality.MISSING
    uncounted = not section.error_counters and column.metric.name in _EXTENDED_ONLY
    return (None, Quality.ABSENT) if uncounted and verdict[0] == 0 else verdict
