"""The records on the bus: event, finding, incident, intent, action, and the state they are about.

All are JSON, versioned by addition: a reader ignores fields that it does not know.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

JsonScalar = str | int | float | bool | None


class Record(BaseModel):
    """Base of everything that travels as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    def encode(self) -> bytes:
        """The record as UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """The record in UTF-8 JSON.

        Raises:
            pydantic.ValidationError: it is not one.
        """
        return cls.model_validate_json(value)


class Severity(StrEnum):
    """How bad, in the words of alerting systems."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 2 for critical, for comparison."""
        return list(Severity).index(self)


class RecommendedAction(StrEnum):
    """What to do about a fault. Only ``drain`` and stronger ever lead to an act on a node."""

    NONE = "none"
    WATCH = "watch"
    CHECK_JOB = "check_job"
    """It is the job or its software: tell its owner, leave the node."""
    INSPECT = "inspect"
    DRAIN = "drain"
    DRAIN_AND_RESET = "drain_and_reset"
    DRAIN_AND_REPLACE = "drain_and_replace"

    @property
    def drains(self) -> bool:
        """Whether it takes the node out of service."""
        return self.value.startswith("drain")


class Event(Record):
    """Something that happened once: a kernel line, a log entry, a link transition."""

    id: str
    """Stable: the same occurrence read twice has the same id."""
    time: AwareDatetime
    """When it happened, by the source's clock where it has one."""
    observed_at: AwareDatetime
    host: str
    device: str
    device_class: str
    source: str
    """The protocol: kernel_log, redfish ..."""
    kind: str
    """A fault kind of ``faults/*.yaml``, or ``unclassified``."""
    code: int | None = None
    severity: Severity
    text: Annotated[str, Field(max_length=4096)]
    attributes: dict[str, JsonScalar] = {}


class FindingStatus(StrEnum):
    """Whether the finding still holds."""

    FIRING = "firing"
    CLEARED = "cleared"


class Evidence(Record):
    """One measured fact behind a finding, with the series to draw."""

    text: str
    """For people: "GPU temperature 96.1 Cel against a median of 61.0 of its peers"."""
    device_class: str | None = None
    device: str | None = None
    metric: str | None = None
    value: float | None = None
    unit: str | None = None
    reference: float | None = None
    """What it was compared with: the limit, or the median of the peers."""


class Finding(Record):
    """What one detector says of one device. Re-sent on change; the same ``id`` while it lasts."""

    id: str
    """``detector:kind:device``, so that firing and clearing always match."""
    detector: str
    kind: str
    """A fault kind of ``faults/*.yaml``."""
    status: FindingStatus
    started_at: AwareDatetime
    """When the fault began, as far as the data tell."""
    updated_at: AwareDatetime
    device: str
    device_class: str
    host: str | None
    """The host the device belongs to; None for devices that stand beside hosts."""
    severity: Severity
    action: RecommendedAction
    summary: str
    job: str | None = None
    evidence: tuple[Evidence, ...] = ()


class IncidentStatus(StrEnum):
    """Life of an incident."""

    OPEN = "open"
    RESOLVED = "resolved"


class Verdict(StrEnum):
    """Whose fault it is. ``job`` and ``collector`` never drain anything."""

    HARDWARE = "hardware"
    FACILITY = "facility"
    """A shared parent: coolant loop, power shelf, leaf switch, rack."""
    JOB = "job"
    COLLECTOR = "collector"


class TimelineEntry(Record):
    """One line of an incident's story."""

    time: AwareDatetime
    text: str
    device: str | None = None
    kind: str | None = None


class Incident(Record):
    """One cause, with every finding it explains. The id stays from opening to resolution."""

    id: str
    status: IncidentStatus
    verdict: Verdict
    kind: str
    """Fault kind of the cause."""
    cause_device: str
    cause_device_class: str
    severity: Severity
    title: str
    explanation: str
    """Why this cause: what was seen, what was compared, what was ruled out."""
    action: RecommendedAction
    suspect_hosts: tuple[str, ...] = ()
    """Hosts to act on. Empty when the cause is a parent, the job or a collector."""
    affected_hosts: tuple[str, ...] = ()
    job: str | None = None
    opened_at: AwareDatetime
    updated_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    findings: tuple[Finding, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()


class ActionKind(StrEnum):
    """What is done to nodes."""

    DRAIN = "drain"
    UNDRAIN = "undrain"


class IntentKind(StrEnum):
    """What somebody, or the planner, asks for."""

    DRAIN = "drain"
    UNDRAIN = "undrain"
    APPROVE = "approve"
    DENY = "deny"
    TRIP_BREAKER = "trip_breaker"
    """Written by the planner alone, so that a trip outlives a restart."""
    RESET_BREAKER = "reset_breaker"


class Intent(Record):
    """A request, by a person through the API or by the planner for an incident."""

    id: str
    """Idempotency key: a second intent of the same id is the same request."""
    created_at: AwareDatetime
    kind: IntentKind
    nodes: tuple[str, ...] = ()
    reason: str
    requested_by: str
    """``user:NAME`` or ``fleetops:planner``."""
    incident_id: str | None = None
    action_id: str | None = None
    """For approve and deny: the action meant."""


class ActionState(StrEnum):
    """Life of an action. The last six are final."""

    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    """Decided, on the ledger, not yet carried out."""
    EXECUTING = "executing"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """Refused by policy, or because somebody else owns the node's state."""
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self not in {
            ActionState.PENDING_APPROVAL,
            ActionState.APPROVED,
            ActionState.EXECUTING,
        }


class NodeOutcome(Record):
    """What became of one node of an action."""

    node: str
    state: ActionState
    detail: str = ""
    before: str = ""
    after: str = ""
    attempts: int = 0
    """How often the act was, or may have been, sent to the scheduler."""


class Action(Record):
    """One decision and what became of it. Written to the ledger before the act."""

    id: str
    intent_id: str
    kind: ActionKind
    target: str
    """The node, or for a plan on several nodes the device they share."""
    nodes: tuple[str, ...]
    state: ActionState
    reason: str
    requested_by: str
    decided_by: str = ""
    """``policy``, or ``user:NAME`` who approved or denied."""
    decision: str = ""
    """Why the policy allows, wants approval, or refuses."""
    incident_id: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    """Pending approvals expire."""
    epoch: int = 0
    """The writer's fencing epoch."""
    outcomes: tuple[NodeOutcome, ...] = ()


GONE = "GONE"
"""State of a node that the scheduler no longer lists."""
ENDED = "ENDED"
"""State of a job that the scheduler no longer lists."""


class NodeState(Record):
    """A node as the scheduler sees it. The scheduler is the truth."""

    node: str
    states: tuple[str, ...]
    """The scheduler's own flags, upper case: IDLE, ALLOCATED, DRAIN, DOWN ..."""
    drained: bool
    """Takes no new work."""
    busy: bool
    reason: str = ""
    reason_by: str = ""
    reason_at: AwareDatetime | None = None
    jobs: tuple[str, ...] = ()
    partition: str = ""
    observed_at: AwareDatetime


class Allocation(Record):
    """What a job holds of each of some nodes: nodes with equal holdings share one."""

    nodes: str
    """Hostlist."""
    accelerators: tuple[int, ...] = ()
    """Which of each node, by index; empty where the scheduler does not say."""
    accelerator_count: int | None = None
    """How many of each node; None where it is not known."""
    tasks: int | None = None
    """Processes on each node; None where it is not certain."""
    first_rank: int | None = None
    """Of the first node's first process; the others count on, node by node. None where the
    scheduler does not say."""


class Job(Record):
    """A job as the scheduler sees it."""

    id: str
    name: str = ""
    user: str = ""
    state: str
    nodes: tuple[str, ...] = ()
    started_at: AwareDatetime | None = None
    tasks: int | None = None
    """Processes of the whole job."""
    allocations: tuple[Allocation, ...] = ()
    """What it holds of its nodes."""
    observed_at: AwareDatetime


class TargetReport(Record):
    """One target of a collector, as of its last attempt."""

    target: str
    host: str | None = None
    devices: tuple[str, ...] = ()
    """Device names the target stands for; empty until it first answered."""
    up: bool
    last_success_at: AwareDatetime | None = None
    error: str = ""


class CollectorReport(Record):
    """A collector's heartbeat, every interval. Its silence is a finding about the collector."""

    collector: str
    instance: str
    """The process it runs in; collectors that fall silent together share their cause."""
    time: AwareDatetime
    interval_seconds: float
    targets: tuple[TargetReport, ...] = ()
    spooled_messages: int = 0
    dropped_messages: int = 0
    stopping: bool = False
    """An announced stop is no outage."""
