"""What a matched line means: the tables' word, refined by what the line says of itself.

Only in one direction does a line without a doubt count: a refinement never drains where the driver
itself calls the error non-fatal, and what cannot be read is not acted on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetops_collectors.kernel_log.meaning import Meaning
from fleetops_collectors.kernel_log.nvlink import (
    XID_NVLINK,
    XID_NVLINK5,
    judge_registers,
    judge_unit,
)
from fleetops_collectors.kernel_log.patterns import Match
from fleetops_schemas.faults import Fatality, FaultCatalog, FaultCode
from fleetops_schemas.records import JsonScalar, RecommendedAction, Severity

XID_RECOVERY_ACTION = 154

_NAMED = (
    *("pid", "process", "link", "bank", "status", "interface", "mig", "count"),
    *("bond", "driver", "slot", "gpu"),
)
"""Groups of a pattern that become attributes of the event."""
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
_CAUSED_BY = re.compile(r"caused by previous Xid (\d{1,4})")
# IA32_MCi_STATUS (Intel SDM volume 3, 17.3.2.2; AMD APM volume 2, 9.3.2): uncorrected, and
# processor context corrupt.
_MCE_UNCORRECTED = 1 << 61
_MCE_CONTEXT_CORRUPT = 1 << 57
_LOGLEVEL_ERROR = 3
_LOGLEVEL_WARNING = 4


def meaning_of(match: Match, faults: FaultCatalog) -> Meaning:
    """What a matched line means."""
    pattern, groups = match
    if pattern.table == "xid":
        meaning = _of_code(faults.xid(int(groups["code"])))
    elif pattern.table == "sxid":
        meaning = _of_code(faults.sxid(int(groups["code"])))
    else:
        kind = faults.kind(pattern.kind or "")
        meaning = Meaning(
            kind.name, pattern.severity or kind.severity, pattern.action or kind.action
        )
    named: dict[str, JsonScalar] = {
        name: groups[name] for name in _NAMED if name in groups and "<unknown>" not in groups[name]
    }
    return _refine(meaning.saying(**named), match, faults)


def _of_code(code: FaultCode) -> Meaning:
    named: dict[str, JsonScalar] = {"mnemonic": code.mnemonic} if code.mnemonic else {}
    return Meaning(code.kind, code.severity, code.action, code.code, named)


def _refine(meaning: Meaning, match: Match, faults: FaultCatalog) -> Meaning:
    groups = match.groups
    if match.pattern.table == "sxid":
        return _switch_error(meaning, groups, faults)
    if match.pattern.table == "xid":
        return _accelerator_error(meaning, groups.get("detail", ""), faults)
    if match.pattern.source == "mce" and "status" in groups:
        return _machine_check(meaning, int(groups["status"], 16), groups.get("flags", ""))
    if "loglevel" in groups:
        return _by_loglevel(meaning, int(groups["loglevel"]))
    return meaning


def _accelerator_error(meaning: Meaning, detail: str, faults: FaultCatalog) -> Meaning:
    if meaning.code == XID_RECOVERY_ACTION:
        return _recovery_action(meaning, detail)
    if meaning.code == XID_NVLINK:
        return judge_registers(meaning, detail)
    if meaning.code in XID_NVLINK5:
        return judge_unit(meaning, detail, faults)
    if cause := _CAUSED_BY.search(detail):
        return meaning.saying(caused_by=int(cause[1]))
    return meaning


def _recovery_action(meaning: Meaning, detail: str) -> Meaning:
    """Xid 154 asks for something by number; one that is not known stays at what the table says."""
    found = _RECOVERY.search(detail)
    if found is None:
        return meaning
    known = _RECOVERY_ACTIONS.get(int(found[1], 16))
    meaning = meaning.saying(recovery_action=found[2])
    return meaning.judged(*known) if known else meaning


def _switch_error(meaning: Meaning, groups: Mapping[str, str], faults: FaultCatalog) -> Meaning:
    """An SXid says for itself whether it was fatal; a table's "always" is believed as well."""
    fatal = groups["fatal"].lower() == "fatal"
    fatality = faults.sxid(meaning.code or 0).fatality
    meaning = meaning.saying(fatal=fatal)
    if fatal and fatality is not Fatality.NEVER:
        return meaning.judged(Severity.CRITICAL, RecommendedAction.DRAIN_AND_RESET)
    if not fatal and meaning.action.drains:
        return meaning.judged(Severity.WARNING, RecommendedAction.INSPECT)
    return meaning


def _machine_check(meaning: Meaning, status: int, flags: str) -> Meaning:
    """A bank's status register tells corrected from uncorrected.

    ``flags`` are the words in which AMD's decoder repeats it; deferred errors are uncorrected, but
    nobody has used the bad data yet.
    """
    if "Deferred" in flags:
        return meaning.saying(corrected=False).judged(Severity.WARNING, RecommendedAction.INSPECT)
    if not status & _MCE_UNCORRECTED:
        return meaning.saying(corrected=True).judged(Severity.INFO, RecommendedAction.WATCH)
    corrupt = bool(status & _MCE_CONTEXT_CORRUPT)
    return meaning.saying(corrected=False, context_corrupt=corrupt)


def _by_loglevel(meaning: Meaning, level: int) -> Meaning:
    """mlx5 firmware grades its own errors by the kernel's log levels."""
    if level <= _LOGLEVEL_ERROR:
        return meaning
    if level == _LOGLEVEL_WARNING:
        return meaning.judged(Severity.WARNING, meaning.action)
    return meaning.judged(Severity.INFO, RecommendedAction.WATCH)
