"""What a demonstration tells, in one line each, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def headline(event: str, facts: Mapping[str, Any]) -> str:
    """One line for one event."""
    teller = _TELLERS.get(event) or _TELLERS.get(event.split(".", 1)[0])
    return teller(event, facts) if teller else f"{event} {dict(facts)}"


def _incident(event: str, facts: Mapping[str, Any]) -> str:
    state = "resolved" if event.endswith("resolved") else "open"
    blamed = ", ".join(facts["suspect_hosts"]) or "no host"
    return (
        f"INCIDENT {state}: {facts['title']} "
        f"[{facts['severity']}, verdict {facts['verdict']}, blames {blamed}, "
        f"affects {facts['affected_hosts']}]"
    )


def _action(event: str, facts: Mapping[str, Any]) -> str:
    nodes = ", ".join(facts["nodes"])
    return f"ACTION {event.split('.', 1)[1]}: {facts['kind']} {nodes} ({facts['decision']})"


def _end(_: str, facts: Mapping[str, Any]) -> str:
    if facts["outcome"]:
        return "The outcome that the scenario states came true, and nothing else was touched."
    return "The outcome did NOT come true: " + "; ".join(facts["mismatches"])


def _truth(_: str, facts: Mapping[str, Any]) -> str:
    told = []
    for fault in facts["faults"]:
        blamed = fault["blame"] or "nobody"
        drain = "a drain is right" if fault["drain"] else "nothing is to be drained"
        told.append(f"{fault['title']}: verdict {fault['verdict']}, blame {blamed}, {drain}")
    return "TRUTH: " + "; ".join(told)


_TELLERS: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "step": lambda _, facts: str(facts["text"]),
    "fault": lambda _, facts: f"FAULT: {facts['text']}",
    "page": lambda _, facts: (
        f"PAGES: {facts['url']}   (other commands: export FLEETOPS_CONFIG={facts['config']})"
    ),
    "scenario.begin": lambda _, facts: f"the scenario begins: {facts['scenario']}",
    "scenario.end": _end,
    "checkpoint": lambda _, facts: (
        f"checkpoint at {facts['at_seconds']:.0f} s: "
        + ("; ".join(facts["mismatches"]) or "as stated")
    ),
    "outcome.true": lambda _, facts: f"as stated after {facts['after_seconds']} s; holding",
    "incident": _incident,
    "action": _action,
    "node.drained": lambda _, facts: f"DRAINED, says the scheduler: {facts['node']}",
    "webhook": lambda _, facts: f"webhook received, signature good: {facts['type']}",
    "truth": _truth,
    "put_back": lambda _, facts: f"put back into service: {', '.join(facts['nodes'])}",
}
