"""``fleetops incident``: what happened, why, and what was done about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from fleetops.cli import output as out
from fleetops.cli.context import CliContext, connection
from fleetops.cli.output import Column, Format, FormatOption, View
from fleetops.core.hostlist import fold
from fleetops_schemas.records import Action, Incident, IncidentStatus, Severity

app = typer.Typer(no_args_is_help=True, callback=connection)


class Which(StrEnum):
    """Which incidents are listed."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


INCIDENTS: View[Incident] = View(
    "incident",
    lambda incident: incident.id,
    (
        Column("id", lambda incident: incident.id),
        Column("opened", lambda incident: incident.opened_at),
        Column("state", lambda incident: incident.status.value),
        Column("severity", lambda incident: incident.severity.value),
        Column("verdict", lambda incident: incident.verdict.value),
        Column("cause", lambda incident: incident.cause_device),
        Column("kind", lambda incident: incident.kind, wide=True),
        Column("suspects", lambda incident: _hosts(incident.suspect_hosts)),
        Column("affected", lambda incident: _hosts(incident.affected_hosts), wide=True),
        Column("job", lambda incident: incident.job, wide=True),
        Column("title", lambda incident: incident.title),
    ),
)


@app.command("list")
def list_incidents(
    context: typer.Context,
    state: Annotated[Which, typer.Option(help="Which ones.")] = Which.OPEN,
    severity: Annotated[Severity | None, typer.Option(help="The least severity.")] = None,
    node: Annotated[str | None, typer.Option(help="Only those that name this node.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most incidents to show.")] = 100,
    output: FormatOption = Format.TABLE,
) -> None:
    """List incidents, newest first."""
    status = None if state is Which.ALL else IncidentStatus(state.value)
    cli: CliContext = context.obj
    with cli.client() as client:
        page = client.incidents(status=status, severity=severity, node=node, limit=limit)
    INCIDENTS.show(page.items, output)
    if page.next_cursor is not None:
        out.say(f"there are more than {limit}; raise --limit")


@app.command()
def show(
    context: typer.Context,
    incident_id: Annotated[str, typer.Argument(metavar="INCIDENT", help="Id of an incident.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Show one incident: why this cause, the evidence, the story, and what was done."""
    cli: CliContext = context.obj
    with cli.client() as client:
        incident = client.incident(incident_id)
        actions = client.actions(incident=incident_id, limit=1000).items
    INCIDENTS.show_one(incident, output, lambda one: _tell(one, actions))


def _hosts(hosts: tuple[str, ...]) -> str:
    return fold(hosts) if hosts else ""


def _tell(incident: Incident, actions: tuple[Action, ...]) -> None:
    out.fields(
        (
            ("incident", incident.id),
            ("title", incident.title),
            ("state", incident.status.value),
            ("severity", incident.severity.value),
            ("verdict", incident.verdict.value),
            ("cause", f"{incident.cause_device} ({incident.kind})"),
            ("why", incident.explanation),
            ("recommended", incident.action.value),
            ("suspect hosts", _hosts(incident.suspect_hosts)),
            ("affected hosts", _hosts(incident.affected_hosts)),
            ("job", incident.job),
            ("opened", incident.opened_at),
            ("resolved", incident.resolved_at),
        )
    )
    evidence = [
        (finding.device, finding.kind, finding.status.value, one.text)
        for finding in incident.findings
        for one in finding.evidence
    ]
    out.part("evidence", ["device", "kind", "status", "text"], evidence)
    story = [(entry.time, entry.device, entry.text) for entry in incident.timeline]
    out.part("timeline", ["time", "device", "text"], story)
    done = [
        (one.id, one.kind.value, one.state.value, fold(one.nodes), one.decision) for one in actions
    ]
    out.part("actions", ["id", "kind", "state", "nodes", "decision"], done)
