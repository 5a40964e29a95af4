"""Words that the pages share: badges, times, units, and text from outside made harmless."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fleetops.api.models import FleetHost
from fleetops_dashboards.palette import ACTION_BADGE, SEVERITY_BADGE
from fleetops_schemas.records import Action, ActionState, Severity

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-!|$:~])")
_SIGNS = {"Cel": "°C", "1": "", "{rev}/min": "rpm", "By": "B", "By/s": "B/s"}
_UNITS = re.compile(r"(?<=\d) (Cel\b|\{rev\}/min|By/s\b)")
MINUTE, HOUR, DAY = 60, 3600, 86400
NAMED = 4


def severity_badge(severity: Severity) -> str:
    """A coloured word, as Markdown."""
    word, color = SEVERITY_BADGE[severity]
    return f":{color}-badge[{word}]"


def action_badge(state: ActionState) -> str:
    """A coloured word, as Markdown."""
    word, color = ACTION_BADGE[state]
    return f":{color}-badge[{word}]"


def action_line(action: Action) -> str:
    """What was asked for, what became of it, and when, as Markdown."""
    names, unnamed = action.nodes[:NAMED], action.nodes[NAMED:]
    more = f" and {len(unnamed)} more" if unnamed else ""
    what = plain(f"{action.kind} {', '.join(names) or action.target}{more}")
    return f"{action_badge(action.state)} **{what}** at {clock(action.updated_at)}"


def freshness_badge(host: FleetHost) -> str:
    """How old the newest telemetry of a host is, as Markdown."""
    if host.age_seconds is None:
        return ":red-badge[no recent data]"
    color = "red" if host.stale else "gray"
    return f":{color}-badge[data {duration(host.age_seconds)} old]"


def clock(moment: datetime) -> str:
    """A time of today, or a date and time; UTC."""
    moment = moment.astimezone(UTC)
    today = datetime.now(UTC).date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """How long since: ``40 s``, ``12 min``, ``5 h``, ``3 d``."""
    return duration((now - moment).total_seconds())


def duration(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    if seconds < MINUTE:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} d"


def count(number: int, one: str, many: str = "") -> str:
    """``1 host``, ``3 hosts``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sign(unit: str) -> str:
    """A UCUM unit as people write it; empty for a plain number."""
    return _SIGNS.get(unit, unit)


def plain(text: str) -> str:
    """Text from outside, as Markdown that shows just that text, with units as people write them."""
    return _MARKS.sub(r"\\\1", _UNITS.sub(lambda unit: f" {sign(unit[1])}", text))
