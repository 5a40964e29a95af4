"""What a matched line means: the tables' word, refined by what the line says of itself.

Only in one direction does a line without a doubt count: a refinement never drains where the driver
itself calls the error non-fatal, and what cannot be read is not acted on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from fleetops_collectors.kernel_log.patterns import Match
from fleetops_schemas.faults import Fatality, FaultCatalog, FaultCode
from fleetops_schemas.records import JsonScalar, RecommendedAction, Severity

XID_NVLINK = 74
XID_RECOVERY_ACTION = 154
XID_NVLINK5 = range(144, 151)

_RECOVERY = re.compile(r"changed from 0x[0-9a-f]+ \([^)]*\) to 0x([0-9a-f]{1,4}) \(([^)]{0,80})\)")
# nvmlDeviceGpuRecoveryAction_t of nvml.h; drivers word the same number differently
# ("OS Reboot" and "Node Reboot Required"), so the number counts.
_RECOVERY_ACTIONS = {
    0: (Severity.INFO, RecommendedAction.NONE),
    1: (Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET),
    2: (Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET),
    3: (Severity.WARNING, RecommendedAction.DRAIN),
    4: (Severity.WARNING, RecommendedAction.DRAIN_AND_RESET),
}
_NVLINK5 = re.compile(
    r"^(?P<unit>[A-Z][A-Z0-9_]{1,31})\s+(?P<fatal>Nonfatal|Non-fatal|Fatal)\b"
    r"(?:.*?\bLink (?P<link>-?\d{1,3}))?(?:.*?\((?P<words>0x[0-9a-fA-F]+(?:[ ,]+0x[0-9a-fA-F]+)*))?"
)
_NVLINK_REGISTERS = re.compile(r"\((0x[0-9a-fA-F]+(?:,? +0x[0-9a-fA-F]+)+)\)?")
# First register of Xid 74 (NVIDIA's workflow for NVLink errors): bits that may be ignored, and bits
# that only accompany an error elsewhere.
_NVLINK_HARMLESS = 1 << 0 | 1 << 23 | 1 << 30
_NVLINK_SYMPATHETIC = 1 << 1 | 1 << 20
_CAUSED_BY = re.compile(r"caused by previous Xid (\d{1,4})")
# IA32_MCi_STATUS (Intel SDM volume 3, 17.3.2.2; AMD APM volume 2, 9.3.2): uncorrected, and
# processor context corrupt.
_MCE_UNCORRECTED = 1 << 61
_MCE_CONTEXT_CORRUPT = 1 << 57


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one line says: its kind, how bad it is, what to do, and what it named."""

    kind: str
    severity: Severity
    action: RecommendedAction
    code: int | None = None
    attributes: dict[str, JsonScalar] = field(default_factory=dict)


def meaning_of(match: Match, faults: FaultCatalog) -> Meaning:
    """What a matched line means."""
    pattern, groups = match
    attributes: dict[str, JsonScalar] = {
        name: groups[name]
        for name in ("pid", "process", "link", "bank", "status", "interface", "mig", "count")
        if name in groups and "<unknown>" not in groups[name]
    }
    if pattern.table is None:
        kind = faults.kind(pattern.kind or "")
        meaning = Meaning(
            kind.name, pattern.severity or kind.severity, pattern.action or kind.action
        )
    elif pattern.table == "xid":
        meaning = _of_code(faults.xid(int(groups["code"])))
    else:
        meaning = _of_code(faults.sxid(int(groups["code"])))
    refined = _refine(meaning, match, faults)
    return replace(refined, attributes={**attributes, **refined.attributes})


def _of_code(code: FaultCode) -> Meaning:
    named: dict[str, JsonScalar] = {"mnemonic": code.mnemonic} if code.mnemonic else {}
    return Meaning(code.kind, code.severity, code.action, code.code, named)


def _refine(meaning: Meaning, match: Match, faults: FaultCatalog) -> Meaning:
    detail = match.groups.get("detail", "")
    if match.pattern.table == "sxid":
        return _switch_error(meaning, match, faults)
    if match.pattern.table == "xid":
        return _accelerator_error(meaning, detail, faults)
    if match.pattern.name == "mce":
        return _machine_check(meaning, int(match.groups["status"], 16))
    return meaning


def _accelerator_error(meaning: Meaning, detail: str, faults: FaultCatalog) -> Meaning:
    if meaning.code == XID_RECOVERY_ACTION:
        return _recovery_action(meaning, detail)
    if meaning.code == XID_NVLINK:
        return _nvlink(meaning, detail)
    if meaning.code in XID_NVLINK5:
        return _nvlink5(meaning, detail, faults)
    if cause := _CAUSED_BY.search(detail):
        return _with(meaning, caused_by=int(cause[1]))
    return meaning


def _recovery_action(meaning: Meaning, detail: str) -> Meaning:
    """Xid 154 asks for something by number; one that is not known stays at what the table says."""
    found = _RECOVERY.search(detail)
    if found is None:
        return meaning
    meaning = _with(meaning, recovery_action=found[2])
    known = _RECOVERY_ACTIONS.get(int(found[1], 16))
    return replace(meaning, severity=known[0], action=known[1]) if known else meaning


def _nvlink(meaning: Meaning, detail: str) -> Meaning:
    """Xid 74: register words that hold harmless or sympathetic bits alone are no reason to act."""
    found = _NVLINK_REGISTERS.search(detail)
    if found is None:
        return meaning
    words = [int(word, 16) for word in re.findall(r"0x[0-9a-fA-F]+", found[1])]
    first, others = words[0], any(words[1:])
    meaning = _with(meaning, registers=found[1][:200])
    if others or first & ~(_NVLINK_HARMLESS | _NVLINK_SYMPATHETIC) or first == 0:
        return meaning
    if first & _NVLINK_SYMPATHETIC:
        return replace(meaning, severity=Severity.WARNING, action=RecommendedAction.WATCH)
    return replace(meaning, severity=Severity.INFO, action=RecommendedAction.NONE)


def _nvlink5(meaning: Meaning, detail: str, faults: FaultCatalog) -> Meaning:
    """Xid 144-150: unit, fatal or not, link, and two data words, judged by ``nvlink_rules``."""
    found = _NVLINK5.match(detail)
    if found is None:
        return meaning
    fatal = found["fatal"] == "Fatal"
    meaning = _with(meaning, unit=found["unit"], fatal=fatal)
    if found["link"]:
        meaning = _with(meaning, link=found["link"])
    words = [int(word, 16) for word in re.findall(r"0x[0-9a-fA-F]+", found["words"] or "")]
    ruled = _ruled(meaning, found["unit"], words, faults)
    if ruled is not None:
        meaning = replace(ruled, attributes={**meaning.attributes, **ruled.attributes})
    elif fatal:
        severity, action = Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET
        meaning = replace(meaning, severity=severity, action=action)
    else:
        meaning = replace(meaning, action=RecommendedAction.WATCH)
    if not fatal and meaning.action.drains:
        return replace(meaning, severity=Severity.WARNING, action=RecommendedAction.INSPECT)
    if fatal and meaning.severity is Severity.INFO:
        return replace(meaning, severity=Severity.WARNING)
    return meaning


def _ruled(meaning: Meaning, unit: str, words: list[int], faults: FaultCatalog) -> Meaning | None:
    """The gravest rule that holds, or None.

    A status that is listed counts as it stands; any other is taken for a mask of several errors.
    """
    if len(words) < 2:  # noqa: PLR2004  interrupt word and error status
        return None
    subcode, status = words[0] >> 20 & 0x3F, words[1]
    rules = [
        rule
        for rule in faults.nvlink_rules
        if rule.xid == meaning.code
        and unit in rule.units
        and (not rule.subcodes or subcode in rule.subcodes)
    ]
    holding = [rule for rule in rules if not rule.statuses or status in rule.statuses] or [
        rule for rule in rules if any(status & listed for listed in rule.statuses)
    ]
    if not holding:
        return None
    worst = max(holding, key=lambda rule: rule.severity.rank)
    return replace(
        meaning,
        severity=worst.severity,
        action=worst.action,
        attributes={"subcode": subcode, "error_status": f"0x{status:08x}"},
    )


def _switch_error(meaning: Meaning, match: Match, faults: FaultCatalog) -> Meaning:
    """An SXid says for itself whether it was fatal; a table's "always" is believed as well."""
    fatal = match.groups["fatal"].lower() == "fatal"
    fatality = faults.sxid(meaning.code or 0).fatality
    meaning = _with(meaning, fatal=fatal)
    if fatal and fatality is not Fatality.NEVER:
        severity, action = Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET
        return replace(meaning, severity=severity, action=action)
    if not fatal and meaning.action.drains:
        return replace(meaning, severity=Severity.WARNING, action=RecommendedAction.INSPECT)
    return meaning


def _machine_check(meaning: Meaning, status: int) -> Meaning:
    """A bank's status register tells corrected from uncorrected."""
    if not status & _MCE_UNCORRECTED:
        return replace(
            _with(meaning, corrected=True), severity=Severity.INFO, action=RecommendedAction.WATCH
        )
    corrupt = bool(status & _MCE_CONTEXT_CORRUPT)
    return _with(meaning, corrected=False, context_corrupt=corrupt)


def _with(meaning: Meaning, **attributes: JsonScalar) -> Meaning:
    return replace(meaning, attributes={**meaning.attributes, **attributes})
