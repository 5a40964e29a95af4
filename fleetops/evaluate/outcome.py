"""Whether what FleetOps did is what a scenario says it must do, and nothing more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fleetops.emulator.scenario import Expectation, ExpectedIncident, is_part_of
from fleetops_schemas.records import Action, ActionKind, ActionState, Incident

NO_ACT = frozenset({ActionState.REFUSED, ActionState.CANCELLED, ActionState.EXPIRED})
"""States of actions that touched nothing. Only these may exist beside what is expected."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a scenario so far: everything since it began."""

    incidents: tuple[Incident, ...]
    actions: tuple[Action, ...]
    drained: frozenset[str]
    """Nodes that the scheduler itself calls drained, less those that were before."""


def mismatches(expected: Expectation, observed: Observed) -> list[str]:
    """What does not hold, in words; [] when the expectation came true. Devices are names."""
    found = []
    explained: set[str] = set()
    for wanted in expected.incidents:
        matching = [one for one in observed.incidents if not _differences(wanted, one)]
        if not matching:
            found.append(_missing(wanted, observed.incidents))
        explained.update(one.id for one in matching[:1])
    wanted_nodes = {str(node) for node in expected.drained}
    found += [f"{node} is not drained" for node in sorted(wanted_nodes - observed.drained)]
    found += [f"{node} is drained" for node in sorted(observed.drained - wanted_nodes)]
    waiting = [a for a in observed.actions if a.state is ActionState.PENDING_APPROVAL]
    for target in expected.pending_approval:
        if target not in {action.target for action in waiting}:
            found.append(f"no plan for {target} waits for approval")
    if expected.nothing_else:
        found += _beyond(expected, observed, explained, wanted_nodes)
    return found


def _beyond(
    expected: Expectation,
    observed: Observed,
    explained: Collection[str],
    wanted_nodes: Collection[str],
) -> list[str]:
    found = [
        f"a further incident: {one.title} ({one.kind}, {one.cause_device})"
        for one in observed.incidents
        if one.id not in explained
    ]
    for action in observed.actions:
        if action.state in NO_ACT:
            continue
        if action.state is ActionState.PENDING_APPROVAL:
            if action.target not in expected.pending_approval:
                found.append(f"a further plan waits for approval: {action.target}")
        elif action.kind is not ActionKind.DRAIN or not set(action.nodes) <= set(wanted_nodes):
            found.append(f"a further action: {action.kind} {', '.join(action.nodes)}")
    return found


def _differences(wanted: ExpectedIncident, found: Incident) -> list[str]:
    different = []
    if found.kind != wanted.kind:
        different.append(f"kind {found.kind}")
    if found.verdict is not wanted.verdict:
        different.append(f"verdict {found.verdict}")
    if wanted.cause_device and not is_part_of(found.cause_device, str(wanted.cause_device)):
        different.append(f"cause {found.cause_device}")
    if wanted.severity and found.severity is not wanted.severity:
        different.append(f"severity {found.severity}")
    if set(found.suspect_hosts) != {str(host) for host in wanted.suspect_hosts}:
        different.append(f"blames {', '.join(found.suspect_hosts) or 'no host'}")
    if not {str(host) for host in wanted.affected_hosts_include} <= set(found.affected_hosts):
        different.append(f"affects only {', '.join(found.affected_hosts) or 'no host'}")
    return different


def _missing(wanted: ExpectedIncident, found: Collection[Incident]) -> str:
    text = f"no incident {wanted.kind} ({wanted.verdict}) on {wanted.cause_device or 'any device'}"
    if not found:
        return text
    nearest = min(found, key=lambda one: len(_differences(wanted, one)))
    return f"{text}; nearest is {nearest.title!r}: {'; '.join(_differences(wanted, nearest))}"
