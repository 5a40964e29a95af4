"""One set of colours and words for every page. Colours differ in lightness too, for all eyes."""

from __future__ import annotations

from fleetops.api.models import NodeStatus, Outlook
from fleetops_schemas.records import ActionState, Severity, Verdict

SEVERITY_BADGE = {
    Severity.INFO: ("Info", "gray"),
    Severity.WARNING: ("Warning", "orange"),
    Severity.CRITICAL: ("Critical", "red"),
}
SEVERITY_ICON = {
    Severity.INFO: ":gray[:material/info:]",
    Severity.WARNING: ":orange[:material/warning:]",
    Severity.CRITICAL: ":red[:material/error:]",
}
RESOLVED_ICON = ":green[:material/check_circle:]"
VERDICT_WORDS = {
    Verdict.HARDWARE: "the hardware",
    Verdict.FACILITY: "shared equipment",
    Verdict.JOB: "the job, not the hardware",
    Verdict.COLLECTOR: "FleetOps' own collector",
}
STATUS_BADGE = {
    NodeStatus.IDLE: ("idle", "gray"),
    NodeStatus.BUSY: ("busy", "green"),
    NodeStatus.DRAINING: ("draining, running work goes on", "orange"),
    NodeStatus.DRAINED: ("drained", "orange"),
    NodeStatus.DOWN: ("down", "red"),
    NodeStatus.UNKNOWN: ("unknown to the scheduler", "gray"),
}
ACTION_BADGE = {
    ActionState.PENDING_APPROVAL: ("Waits for approval", "orange"),
    ActionState.APPROVED: ("Approved", "blue"),
    ActionState.EXECUTING: ("Executing", "blue"),
    ActionState.DONE: ("Done", "green"),
    ActionState.FAILED: ("Failed", "red"),
    ActionState.REFUSED: ("Refused", "gray"),
    ActionState.DENIED: ("Denied", "gray"),
    ActionState.EXPIRED: ("Expired", "gray"),
    ActionState.CANCELLED: ("Cancelled", "gray"),
}
OUTLOOK_BADGE = {
    Outlook.ALLOW: ("will be done", "green"),
    Outlook.ASK: ("will wait for an approval", "orange"),
    Outlook.REFUSE: ("will be refused", "red"),
}

COLDEST_CELSIUS, HOTTEST_CELSIUS = 30.0, 95.0
"""Ends of the fleet map's colour scale. Fixed, so that a colour always means the same."""

# All of the following are readable on the light and on the dark background.
SERIES_COLORS = (
    "#3d7dca", "#d9822b", "#2e9e6b", "#a368c4", "#b59a1f", "#2a9fb0", "#c8588a", "#7f8c99",
)  # fmt: skip
ACCUSED, PEER, REFERENCE = "#e0313f", "#8c9aa8", "#b07a00"
MARK_COLORS = {"incident": "#e0313f", "action": "#3d7dca"}
STATE_COLORS = {"fine": "rgba(140,154,168,0.3)", "warning": "#e09a2b", "critical": "#e0313f"}
