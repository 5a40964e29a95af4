"""One line that means something, as people and the bus get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from fleetops_schemas.records import Event, JsonScalar, RecommendedAction, Severity

PROTOCOL = "kernel_log"
UNKNOWN_HOST = "unknown"


@dataclass(frozen=True, slots=True)
class KernelFinding:
    """One line that means something."""

    line: int
    """Number of the line, from 1."""
    time: datetime | None
    """Aware, UTC; None where the line has no stamp that can be dated."""
    host: str
    device: str
    device_class: str
    source: str
    """What wrote it: xid, sxid, nvrm, amdgpu, mce, edac, aer, mlx5, nvme, oom, kernel ..."""
    code: int | None
    kind: str
    severity: Severity
    recommended_action: RecommendedAction
    text: str
    attributes: dict[str, JsonScalar] = field(default_factory=dict)

    def as_dict(self) -> dict[str, JsonScalar]:
        """The columns for people and JSON."""
        return {
            "line": self.line,
            "time": self.time.isoformat() if self.time else None,
            "device": self.device,
            "source": self.source,
            "code": self.code,
            "kind": self.kind,
            "severity": self.severity.value,
            "recommended_action": self.recommended_action.value,
            "text": self.text,
        }

    def as_event(self, identity: str, host: str, now: datetime) -> Event:
        """The line as it travels on the bus.

        Args:
            identity: Names this occurrence: the same line read twice has the same one.
            host: The host of a line that names none.
            now: When it was read, aware; also when it happened where the line has no time.
        """
        device = self.device
        if self.host == UNKNOWN_HOST:
            device = device.replace(UNKNOWN_HOST, host, 1)
        else:
            host = self.host
        return Event(
            id=sha256(f"{host}\0{identity}\0{self.text}".encode()).hexdigest()[:32],
            time=self.time or now,
            observed_at=now,
            host=host,
            device=device,
            device_class=self.device_class,
            source=PROTOCOL,
            kind=self.kind,
            code=self.code,
            severity=self.severity,
            text=self.text,
            attributes={
                **self.attributes,
                "log_source": self.source,
                "recommended_action": self.recommended_action.value,
            },
        )
