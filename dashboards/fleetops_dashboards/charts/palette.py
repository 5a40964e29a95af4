"""One set of colours and words for every page. Colours differ in lightness too, for all eyes."""

from __future__ import annotations

from fleetops.api.models import NodeStatus
from fleetops_schemas.records import ActionState, Severity, Verdict

SEVERITY_COLOR = {
    Severity.INFO: "#5b7083",
    Severity.WARNING: "#d98c00",
    Severity.CRITICAL: "#c8102e",
}
SEVERITY_BADGE = {
    Severity.INFO: ("Info", "gray"),
    Severity.WARNING: ("Warning", "orange"),
    Severity.CRITICAL: ("Critical", "red"),
}
VERDICT_WORDS = {
    Verdict.HARDWARE: "Hardware",
    Verdict.FACILITY: "Shared equipment",
    Verdict.JOB: "The job, not the hardware",
    Verdict.COLLECTOR: "FleetOps' own collector",
}
STATUS_WORDS = {
    NodeStatus.IDLE: "idle",
    NodeStatus.BUSY: "busy",
    NodeStatus.DRAINING: "draining (running work goes on)",
    NodeStatus.DRAINED: "drained",
    NodeStatus.DOWN: "down",
    NodeStatus.UNKNOWN: "unknown to the scheduler",
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
COLDEST_CELSIUS, HOTTEST_CELSIUS = 30.0, 95.0
"""Ends of the fleet map's colour scale. Fixed, so that a colour always means the same."""
SERIES_COLORS = (
    "#1f5fa8", "#d2691e", "#2a8c5a", "#8e44ad", "#b8860b", "#17809a", "#a0365b", "#4d5d6c",
)  # fmt: skip
