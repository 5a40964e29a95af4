"""What happened to a job's communication, before it is an event on the bus."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from fleetops_collectors.training.ranks import CLASS, RankNames
from fleetops_schemas.records import Event, JsonScalar, RecommendedAction, Severity

PROTOCOL = "training"


@dataclass(frozen=True, slots=True)
class Happening:
    """One happening of one job."""

    kind: str
    """A fault kind of ``faults/kinds.yaml``."""
    severity: Severity
    action: RecommendedAction
    time: datetime
    text: str
    identity: str
    """Tells it from others of its kind; the same when it is seen again."""
    rank: int | None = None
    """Global rank of the one it is about; None where it is several, or is not known."""
    ranks: tuple[int, ...] = ()
    """Those it concerns, the first of which says whose host is named."""
    host: str = ""
    """What the source calls the host it is about."""
    attributes: dict[str, JsonScalar] = field(default_factory=dict)


def as_event(happening: Happening, names: RankNames) -> Event:
    """The happening as it travels on the bus; it was observed when it happened."""
    first = happening.ranks[0] if happening.ranks else happening.rank
    host = names.host_of(first, happening.host)
    device = names.job_device(host)
    if happening.rank is not None:
        device = names.device(happening.rank, said=happening.host)
    identity = f"{device}\0{happening.kind}\0{happening.identity}"
    return Event(
        id=sha256(identity.encode("utf-8", "replace")).hexdigest()[:32],
        time=happening.time,
        observed_at=happening.time,
        host=host,
        device=device,
        device_class=CLASS,
        source=PROTOCOL,
        kind=happening.kind,
        severity=happening.severity,
        text=happening.text[:1024],
        attributes={**happening.attributes, "recommended_action": happening.action.value},
    )
