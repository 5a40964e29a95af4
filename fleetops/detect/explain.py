"""Incidents in words, for the engineer on call at 3 a.m.: what, why, what not, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetops.core.hostlist import fold
from fleetops.detect.cause import Cause
from fleetops.detect.correlate import Scene
from fleetops.detect.families import THERMAL_KINDS, Family, family_of
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Finding, RecommendedAction, Verdict
from fleetops_schemas.topology import ParentKind

SHOWN_FINDINGS = 6
"""Facts listed in an explanation; the incident carries the rest."""

_TODO = {
    "cold_plate_restricted": "check hoses, quick disconnects and cold plates of the tray",
    "coolant_leak": "look at the tray; the detector stays latched",
    "accelerator_fallen_off_bus": "power-cycle the host; if it comes back again, replace the part",
    "slow_rank": "run the vendor's diagnostics on its accelerator and links",
    "coolant_pump_degraded": "look at the pump, its drive and its check valve",
    "coolant_flow_low": "look at pumps, valves and filter of the coolant unit",
    "coolant_supply_hot": "look at the facility water and the control valve",
    "leaf_switch_fault": "look at the leaf switch",
    "collector_silent": "restart the collector; until then nothing is known of what it reads",
    "job_stage_imbalance": "tell the job's owner; move layers off the long stage",
    "job_slowdown": "tell the job's owner; look at data loading, code and network of the job",
}


def title(cause: Cause, scene: Scene) -> str:
    """One line: what is wrong, where."""
    what = load_faults().kind(cause.kind).title
    if cause.verdict is Verdict.JOB:
        return f"{what} ({cause.device})"
    if cause.verdict is Verdict.FACILITY and cause.affected:
        parent = scene.topology.parent_named(cause.device)
        kind = f"{parent.kind.replace('_', ' ')} " if parent is not None else ""
        return f"{what}: {kind}{cause.device}, {len(cause.affected)} hosts"
    return f"{what}: {cause.device}"


def explanation(cause: Cause, scene: Scene) -> str:
    """Why this cause: what was seen, what was compared, what was ruled out, what to do."""
    parts = [_opening(cause)]
    parts.append("Seen: " + "; ".join(_facts(cause.findings)) + ".")
    parts += [f"Ruled out: {text}." for text in _ruled_out(cause, scene)]
    parts.append(_advice(cause))
    return "\n".join(parts)


def _opening(cause: Cause) -> str:
    by_verdict = {
        Verdict.FACILITY: _facility_opening,
        Verdict.JOB: _job_opening,
        Verdict.COLLECTOR: _collector_opening,
    }
    if cause.verdict in by_verdict:
        return by_verdict[cause.verdict](cause)
    if cause.kind == "cold_plate_restricted":
        return (
            f"The cooling path of {cause.device} is restricted. {_chain(cause.findings)} "
            "The neighbours on the same loop show none of this, so the loop is not the cause."
        )
    if cause.kind == "slow_rank":
        return (
            f"{cause.device} computes slower than its peers of the same pipeline stage, and no "
            "heat, throttling or reported fault explains it. The ranks that wait for it are fine."
        )
    return f"{load_faults().kind(cause.kind).description} ({cause.device})"


def _facility_opening(cause: Cause) -> str:
    below = [f for f in cause.findings if f.host is not None]
    hosts = {f.host for f in below}
    what = load_faults().kind(cause.kind).description
    text = f"{cause.device} is the cause, not its hosts. {what}"
    if hosts:
        text += f" {len(hosts)} of its {len(cause.affected)} hosts show it, and none is blamed."
    if cause.is_recovering:
        text += f" {cause.device} is in order again; its hosts still recover."
    return text


def _job_opening(cause: Cause) -> str:
    if cause.kind == "job_stage_imbalance":
        return (
            "It is the job, not the hardware: one pipeline stage is longer on all of its ranks, "
            "so every step waits for it. Do not drain anything."
        )
    slow = {f.host for f in cause.findings if f.kind == "slow_rank"}
    if slow:
        return (
            f"{len(slow)} hosts of {cause.device} look slow at once and nothing else is wrong with "
            "any of them: that is likelier the job than so many faults. Do not drain anything."
        )
    return (
        "It is the job, not the hardware: nearly all of its ranks slowed down alike. "
        "Do not drain anything."
    )


def _collector_opening(cause: Cause) -> str:
    return (
        f"{cause.device} stopped reporting. That says nothing about the devices behind it: "
        "they are not counted as absent, and nothing is drained."
    )


def _chain(findings: Sequence[Finding]) -> str:
    """Flow, heat, throttling, slow rank: each link that was measured, with its worst number."""
    links = []
    flow = _evidence_of(findings, {"host_coolant_flow_low"})
    if flow:
        links.append(f"little coolant ({flow[0]})")
    hot = _evidence_of(findings, {"accelerator_hot"})
    if hot:
        links.append(f"{len(hot)} accelerators hot ({hot[0]})")
    throttled = _evidence_of(findings, {"accelerator_throttled"})
    if throttled:
        links.append(f"{len(throttled)} of them slowed by their own protection")
    slow = _evidence_of(findings, {"slow_rank"})
    if slow:
        links.append(f"{len(slow)} ranks slow ({slow[0]})")
    return "One leads to the next: " + ", then ".join(links) + "."


def _evidence_of(findings: Iterable[Finding], kinds: set[str]) -> list[str]:
    """Texts of the first evidence of each finding of these kinds, the worst value first."""
    items = [f.evidence[0] for f in findings if f.kind in kinds and f.evidence]
    return [e.text for e in sorted(items, key=lambda e: -(e.value or 0.0))]


def _facts(findings: Sequence[Finding]) -> list[str]:
    """The worst finding of each kind, each kind with its count."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    facts = []
    for members in by_kind.values():
        worst = max(members, key=lambda f: (f.severity.rank, _value(f)))
        more = f" (and {len(members) - 1} more like it)" if len(members) > 1 else ""
        facts.append(worst.summary.rstrip(".") + more)
    left = len(facts) - SHOWN_FINDINGS
    return facts[:SHOWN_FINDINGS] + ([f"{left} more kinds of finding"] if left > 0 else [])


def _value(finding: Finding) -> float:
    return next((e.value for e in finding.evidence if e.value is not None), 0.0)


def _ruled_out(cause: Cause, scene: Scene) -> list[str]:
    if cause.verdict is Verdict.HARDWARE and family_of(cause.kind) == Family.PERFORMANCE:
        texts = [_loop_in_order(cause, scene), _heat(cause, scene), _peers_normal(cause, scene)]
        return [text for text in texts if text]
    if cause.verdict is Verdict.JOB and cause.kind == "job_stage_imbalance":
        return ["a slow host: within each stage the ranks agree with each other"]
    return []


def _loop_in_order(cause: Cause, scene: Scene) -> str:
    """The supply of the host's coolant loop, where it was measured."""
    host = cause.affected[0]
    loop = _loop_of(host, scene)
    if loop is None:
        return ""
    facts = scene.facts
    supply = facts.latest("coolant_unit", "supply_temperature_celsius", loop)
    flow = facts.latest("coolant_unit", "flow_litres_per_minute", loop)
    rated = facts.latest("coolant_unit", "rated_flow_litres_per_minute", loop)
    said = [f"supplies {supply:.1f} Cel"] if supply is not None else []
    if flow is not None:
        of_rated = f" of {rated:.0f} rated" if rated else ""
        said.append(f"delivers {flow:.0f} L/min{of_rated}")
    if not said:
        return ""
    parent = scene.topology.parent_named(loop)
    others = scene.topology.children(parent) - {host} if parent is not None else frozenset()
    metric = "coolant_flow_litres_per_minute"
    median = facts.median("host", metric, sorted(others))
    neighbours = f"; its other {len(others)} hosts get {median:.1f} L/min" if median else ""
    return f"the loop: {loop} {' and '.join(said)}{neighbours}"


def _heat(cause: Cause, scene: Scene) -> str:
    """For a slow rank: that its accelerators are cool."""
    if any(f.kind in THERMAL_KINDS for f in cause.findings):
        return ""
    host = cause.affected[0]
    placement = scene.topology.get(host)
    names = [f"{host}/gpu{n}" for n in range(placement.accelerators if placement else 0)]
    values = [scene.facts.latest("accelerator", "temperature_celsius", name) for name in names]
    known = [value for value in values if value is not None]
    return f"heat: its accelerators are at {max(known):.0f} Cel at most" if known else ""


def _peers_normal(cause: Cause, scene: Scene) -> str:
    if cause.job is None:
        return ""
    hosts = scene.facts.hosts_of(cause.job) - set(cause.affected)
    if not hosts:
        return ""
    return f"the job: the peers of its ranks on the other {len(hosts)} hosts keep their pace"


def _loop_of(host: str, scene: Scene) -> str | None:
    parents = scene.topology.parents(host)
    return next((p.device for p in parents if p.kind is ParentKind.COOLANT_LOOP), None)


def _advice(cause: Cause) -> str:
    todo = _TODO.get(cause.kind)
    tail = f"; then {todo}" if todo else ""
    if cause.suspects and cause.action.drains:
        return f"To do: take {fold(cause.suspects)} out of service{tail}."
    if cause.action.drains:
        return (
            "To do: nothing is drained, because the inventory does not know this host and what "
            f"it shares with others; add it{tail}."
        )
    if cause.action is RecommendedAction.NONE or todo:
        return f"To do: {todo or 'nothing'}."
    return f"To do: {cause.action.value.replace('_', ' ')}."
