"""What an intent would lead to, said by the code that decides it. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from fleetops.core.config import OperateConfig
from fleetops.core.errors import InputError
from fleetops.operate.policy import FleetView, NodeDecision, Request, decide
from fleetops_schemas.records import Action, ActionKind, Intent, IntentKind, Job, NodeState
from fleetops_schemas.topology import Topology


def preview(  # noqa: PLR0913  all that a decision rests on, by name
    intent: Intent,
    *,
    nodes: Mapping[str, NodeState],
    topology: Topology,
    actions: Collection[Action],
    jobs: Collection[Job],
    config: OperateConfig,
    now: datetime,
) -> list[NodeDecision]:
    """The ruling on each node of a person's drain or undrain, in the order asked for.

    Raises:
        InputError: the intent is neither a drain nor an undrain.
    """
    fleet = FleetView(now, config, nodes, topology, jobs, actions)
    return rulings(intent, fleet)


def rulings(intent: Intent, fleet: FleetView) -> list[NodeDecision]:
    """The ruling on each node of a drain or an undrain.

    Raises:
        InputError: the intent is neither.
    """
    if intent.kind not in {IntentKind.DRAIN, IntentKind.UNDRAIN}:
        raise InputError(f"intent {intent.id}: {intent.kind} is about an action, not about nodes")
    kind = ActionKind(intent.kind.value)
    return [
        decide(Request(kind, node, intent.requested_by, intent.reason), fleet)
        for node in dict.fromkeys(intent.nodes)
    ]
