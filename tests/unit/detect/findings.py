"""Hand-made findings for the tests of correlation and incidents."""

from __future__ import annotations

from fleetops.detect.findings import subject_of
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import (
    Evidence,
    Finding,
    FindingStatus,
    RecommendedAction,
    Severity,
)
from fleetops_schemas.topology import Topology
from tests.unit.detect.support import at, fleet

CLASS_OF = {"job": "training_rank", "gpu": "accelerator", "nic": "fabric_port"}


def finding(  # noqa: PLR0913  each test names what it is about
    kind: str,
    device: str,
    second: float = 0.0,
    *,
    device_class: str | None = None,
    severity: Severity | None = None,
    action: RecommendedAction | None = None,
    job: str | None = None,
    topology: Topology | None = None,
    status: FindingStatus = FindingStatus.FIRING,
) -> Finding:
    known = load_faults().kind(kind)
    part = device.rsplit("/", 1)[-1][:3]
    guessed = "training_rank" if "/job" in device else CLASS_OF.get(part, "host")
    if device.startswith("cdu"):
        guessed = "coolant_unit"
    subject = subject_of(topology or fleet(), device, device_class or guessed)
    host = None if kind in {"job_stage_imbalance", "job_slowdown"} else subject.host
    return Finding(
        id=f"test:{kind}:{device}",
        detector="test",
        kind=kind,
        status=status,
        started_at=at(second),
        updated_at=at(second),
        device=device,
        device_class=subject.device_class,
        host=None if kind == "collector_silent" else host,
        severity=severity or known.severity,
        action=action or known.action,
        summary=f"{device}: {known.title}",
        job=job,
        evidence=(Evidence(text=f"{device} measured", value=1.0, unit="1"),),
    )


def clogged(host: str = "node005") -> list[Finding]:
    """A cold plate that clogs: flow, heat, throttling and slow ranks of one host."""
    found = [finding("host_coolant_flow_low", host)]
    for n in range(8):
        found.append(finding("accelerator_hot", f"{host}/gpu{n}"))
        found.append(finding("accelerator_throttled", f"{host}/gpu{n}"))
        found.append(finding("slow_rank", f"{host}/job81/rank{n}", job="81"))
    return found


def heated(hosts: list[str]) -> list[Finding]:
    """What hosts show when their loop carries too little."""
    return [
        found
        for host in hosts
        for found in (
            finding("accelerator_hot", f"{host}/gpu0"),
            finding("accelerator_throttled", f"{host}/gpu0"),
            finding("slow_rank", f"{host}/job81/rank0", job="81"),
        )
    ]
