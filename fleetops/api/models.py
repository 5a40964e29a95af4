"""What the API answers with, shared by its routes and its client.

Records of the bus (incidents, actions, jobs, reports) are answered as they are; the models here
are what the API puts together from them. Versioned by addition: unknown fields are ignored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from fleetops_schemas.records import (
    Action,
    ActionKind,
    CollectorReport,
    Incident,
    IntentKind,
    Job,
    NodeState,
    Severity,
    Verdict,
)
from fleetops_schemas.topology import HostPlacement, ParentKind

MAX_PAGE = 1000
MAX_NODES = 1000
MAX_REASON = 500

Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
"""Why somebody wants something: one printable line. It ends up on the scheduler."""
DeviceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
T = TypeVar("T")


class ApiModel(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Page(ApiModel, Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    """Ask with it for the next page; None on the last."""


class Problem(ApiModel):
    """An error in the form of RFC 9457 (``application/problem+json``)."""

    type: str = "about:blank"
    """``urn:fleetops:problem:SLUG``; the slug is stable."""
    title: str
    status: int
    detail: str = ""
    """What is wrong, where, and what to do."""
    instance: str | None = None
    errors: tuple[FieldProblem, ...] = ()


class FieldProblem(ApiModel):
    """One wrong field of a request."""

    field: str
    detail: str


class NodeStatus(StrEnum):
    """A node's state in one word, from the scheduler's flags."""

    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    """Takes no new work; running work goes on."""
    DRAINED = "drained"
    DOWN = "down"
    UNKNOWN = "unknown"
    """The scheduler said nothing of it."""


class IncidentRef(ApiModel):
    """An open incident that names a node."""

    id: str
    kind: str
    title: str
    severity: Severity
    verdict: Verdict
    suspect: bool
    """Whether the node is blamed; otherwise it is only affected."""


class Node(ApiModel):
    """A host: where it stands and how it is."""

    name: str
    rack: str | None = None
    """None where the inventory does not know the node."""
    status: NodeStatus
    severity: Severity | None = None
    """Of the worst open incident that names the node; None when there is none."""
    reason: str = ""
    """The scheduler's drain reason."""
    drained_by_fleetops: bool = False
    """Whether the drain is FleetOps' own, by its reason; only such a drain is ever lifted."""
    jobs: tuple[str, ...] = ()
    incidents: tuple[IncidentRef, ...] = ()
    scheduler: NodeState | None = None
    placement: HostPlacement | None = None


class ParentRef(ApiModel):
    """A shared parent that a node hangs on."""

    kind: ParentKind
    device: str


class NodeDetail(ApiModel):
    """A node with everything that currently concerns it."""

    node: Node
    incidents: tuple[Incident, ...] = ()
    """Open ones first, then the newest resolved."""
    actions: tuple[Action, ...] = ()
    """Newest first."""
    jobs: tuple[Job, ...] = ()
    parents: tuple[ParentRef, ...] = ()
    """Narrowest first."""
    collectors: tuple[CollectorReport, ...] = ()
    """Reports of the collectors that read it, cut to the targets of this node."""


class FleetHost(ApiModel):
    """One cell of the fleet map."""

    name: str
    rack_position: int = 0
    status: NodeStatus
    severity: Severity | None = None
    suspect: bool = False
    """Whether an open incident blames the host."""
    hottest_celsius: float | None = None
    """Of its accelerators; None when nothing recent was measured."""
    hottest_device: str | None = None
    observed_at: AwareDatetime | None = None
    """Newest telemetry of the host; None when there is none recent."""
    age_seconds: float | None = None
    stale: bool = True
    """No telemetry younger than the fleet's ``stale_after_seconds``."""
    jobs: tuple[str, ...] = ()


class FleetRack(ApiModel):
    """One rack, hosts from the bottom up."""

    name: str
    row: str
    hosts: tuple[FleetHost, ...]


class FleetParent(ApiModel):
    """A shared parent that open incidents blame or that hosts hang on."""

    kind: ParentKind
    device: str
    hosts: int
    severity: Severity | None = None


class FleetCounts(ApiModel):
    """The numbers above the fleet map."""

    hosts: int
    by_status: dict[NodeStatus, int]
    suspect: int
    stale: int
    incidents_open: dict[Severity, int]
    actions_pending_approval: int
    collectors_up: int
    collectors: int


class Fleet(ApiModel):
    """Everything the fleet page shows."""

    generated_at: AwareDatetime
    stale_after_seconds: float
    racks: tuple[FleetRack, ...]
    parents: tuple[FleetParent, ...]
    counts: FleetCounts
    breaker: str | None = None
    """Why the circuit breaker stops automation; None while it does not."""
    warnings: tuple[str, ...] = ()
    """What the picture lacks, for people: the store is away, the view is behind."""


class DeviceSeries(ApiModel):
    """The metrics of one device over time, as columns."""

    device: str
    times: tuple[AwareDatetime, ...]
    values: dict[str, tuple[float | None, ...]]
    """By metric, one value a time; null where nothing good was measured."""
    lowest: dict[str, tuple[float | None, ...]] = {}
    """By gauge, where ``extremes`` were asked for."""
    highest: dict[str, tuple[float | None, ...]] = {}


class Series(ApiModel):
    """Time series of the devices of one class, bucketed to a bounded number of points.

    A gauge is the bucket's mean, a counter or a state its maximum.
    """

    device_class: str
    start: AwareDatetime
    end: AwareDatetime
    step_seconds: float
    units: dict[str, str]
    """By metric, the UCUM unit."""
    series: tuple[DeviceSeries, ...]


class HistoryType(StrEnum):
    """What an entry of a node's history is about."""

    EVENT = "event"
    FINDING = "finding"
    INCIDENT = "incident"
    ACTION = "action"


class HistoryEntry(ApiModel):
    """One thing that happened to a node."""

    time: AwareDatetime
    type: HistoryType
    id: str
    kind: str
    state: str = ""
    """Status of a finding or incident, state of an action."""
    severity: Severity | None = None
    device: str = ""
    text: str


NodeNames = Annotated[tuple[str, ...] | str, Field(max_length=64 * 1024)]
"""Names, or a hostlist such as ``node[001-004]``."""


class ActionRequest(ApiModel):
    """What ``POST /actions`` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ActionKind
    nodes: NodeNames
    reason: Reason
    dry_run: bool = False
    """Say what would happen and ask for nothing."""
    incident_id: str | None = None


class ReasonRequest(ApiModel):
    """What deny and the breaker's reset take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason


class ApprovalRequest(ReasonRequest):
    """What approve takes."""

    nodes: NodeNames | None = None
    """The nodes that the person saw: what the plan names beyond them by then is left out."""


class Outlook(StrEnum):
    """What the policy would do with one node of a request."""

    ALLOW = "allow"
    ASK = "ask"
    """It would wait for an approval."""
    REFUSE = "refuse"


class NodeOutlook(ApiModel):
    """What would become of one node of a request, as things stand."""

    node: str
    verdict: Outlook
    reason: str
    left_out: bool = False
    """There is no such node: it is not part of the request, so no action will name it."""


class Receipt(ApiModel):
    """An accepted request. Its actions are found by ``GET /actions?intent=ID``."""

    intent_id: str
    kind: IntentKind
    dry_run: bool = False
    nodes: tuple[NodeOutlook, ...] = ()


class PartHealth(ApiModel):
    """One dependency of the API."""

    name: str
    ok: bool
    detail: str = ""


class Health(ApiModel):
    """Whether the API sees what it needs, and how fresh its view is."""

    ok: bool
    version: str
    generated_at: AwareDatetime
    view_age_seconds: float | None
    """Since the view of the bus was last brought up to date; None before the first time."""
    parts: tuple[PartHealth, ...]
