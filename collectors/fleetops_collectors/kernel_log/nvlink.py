"""NVLink errors: Xid 74 by its register words, Xid 144-150 (NVLink 5) by unit and status.

Source: NVIDIA's workflow for NVLink errors and its sheet "Xid 144-150 Decode" (Xid catalog).
"""

from __future__ import annotations

import re

from fleetops_collectors.kernel_log.meaning import Meaning
from fleetops_schemas.faults import FaultCatalog
from fleetops_schemas.records import RecommendedAction, Severity

XID_NVLINK = 74
XID_NVLINK5 = range(144, 151)

_REGISTERS = re.compile(
    r"(?:\blink (?P<link>\d{1,3}) ?)?\((?P<words>0x[0-9a-fA-F]+(?:,? +0x[0-9a-fA-F]+)+)\)?"
)
# First register of Xid 74: bits that may be ignored, and bits that only accompany an error
# elsewhere.
_HARMLESS = 1 << 0 | 1 << 23 | 1 << 30
_SYMPATHETIC = 1 << 1 | 1 << 20
_NVLINK5 = re.compile(
    r"^(?P<unit>[A-Z][A-Z0-9_/]{1,63})\s+(?P<fatal>(?i:non-?fatal|fatal))\b"
    r"(?:.*?\bLink (?P<link>-?\d{1,3}))?(?:.*?\((?P<words>0x[0-9a-fA-F]+(?:[ ,]+0x[0-9a-fA-F]+)*))?"
)
_WORD = re.compile(r"0x[0-9a-fA-F]{1,16}")
_OLD_UNIT_BITS, _NEW_UNIT_BITS = 0x3FF, 0x7F
_SUBCODE_SHIFT, _SUBCODE_BITS = 20, 0x3F


def judge_registers(meaning: Meaning, detail: str) -> Meaning:
    """Xid 74: register words that hold harmless or sympathetic bits alone are no reason to act."""
    found = _REGISTERS.search(detail)
    if found is None:
        return meaning
    first, *others = (int(word, 16) for word in _WORD.findall(found["words"]))
    meaning = meaning.saying(registers=found["words"][:200])
    if found["link"]:
        meaning = meaning.saying(link=found["link"])
    if any(others) or first & ~(_HARMLESS | _SYMPATHETIC) or first == 0:
        return meaning
    if first & _SYMPATHETIC:
        return meaning.judged(Severity.WARNING, RecommendedAction.WATCH)
    return meaning.judged(Severity.INFO, RecommendedAction.NONE)


def judge_unit(meaning: Meaning, detail: str, faults: FaultCatalog) -> Meaning:
    """Xid 144-150: unit, fatal or not, link, and data words, judged by ``nvlink_rules``."""
    found = _NVLINK5.match(detail)
    if found is None:
        return meaning
    fatal = found["fatal"].lower() == "fatal"
    meaning = meaning.saying(unit=found["unit"], fatal=fatal)
    if found["link"]:
        meaning = meaning.saying(link=found["link"])
    words = [int(word, 16) for word in _WORD.findall(found["words"] or "")]
    if ruled := _ruled(meaning, found["unit"], words, faults):
        meaning = ruled
    elif fatal:
        meaning = meaning.judged(Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET)
    else:
        meaning = meaning.judged(meaning.severity, RecommendedAction.WATCH)
    if not fatal and meaning.action.drains:
        return meaning.judged(Severity.WARNING, RecommendedAction.INSPECT)
    if fatal and meaning.severity is Severity.INFO:
        return meaning.judged(Severity.WARNING, meaning.action)
    return meaning


def _ruled(meaning: Meaning, unit: str, words: list[int], faults: FaultCatalog) -> Meaning | None:
    """The gravest rule that holds, or None.

    A status that is listed counts as it stands; any other is taken for a mask of several errors.
    """
    if len(words) < 2:  # noqa: PLR2004  interrupt word and error status
        return None
    word, status = words[:2]
    names, layout = _units(meaning.code, unit, word, faults)
    subcode = word >> _SUBCODE_SHIFT & _SUBCODE_BITS
    if layout:
        meaning = meaning.saying(driver_branch=layout)
    rules = [
        rule
        for rule in faults.nvlink_rules
        if rule.xid == meaning.code
        and not names.isdisjoint(rule.units)
        and (not rule.subcodes or subcode in rule.subcodes)
    ]
    holding = [rule for rule in rules if not rule.statuses or status in rule.statuses] or [
        rule for rule in rules if any(status & listed for listed in rule.statuses)
    ]
    if not holding:
        return None
    worst = max(holding, key=lambda rule: rule.severity.rank)
    return meaning.judged(worst.severity, worst.action).saying(
        subcode=subcode, error_status=f"0x{status:08x}"
    )


def _units(code: int | None, named: str, word: int, faults: FaultCatalog) -> tuple[set[str], str]:
    """The unit's names, and the driver branches that write the word so ("" where no unit does).

    The line's own name counts; a name that is in no table gives way to the word.
    """
    names = set(named.split("/"))
    known, spelled, layout = False, set[str](), ""
    for unit in faults.nvlink_units:
        if unit.xid != code:
            continue
        known = known or not names.isdisjoint(unit.names)
        if word & _NEW_UNIT_BITS == unit.since_r575 != 0:
            spelled, layout = set(unit.names), "R575 and later"
        elif word & _OLD_UNIT_BITS == unit.before_r575 != 0:
            spelled, layout = spelled | set(unit.names), "before R575"
    return (names if known else spelled or names), layout
