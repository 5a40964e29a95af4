"""``fleetops node``: look at nodes, drain and undrain them."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetops.api.client import Client
from fleetops.api.models import HistoryEntry, Node, NodeDetail, NodeStatus
from fleetops.cli import output as out
from fleetops.cli.context import CliContext, connection
from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View
from fleetops.cli.request import (
    Manner,
    ReasonOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    request,
)
from fleetops.core.errors import NotFoundError
from fleetops.core.hostlist import expand, fold
from fleetops_schemas.records import ActionKind

app = typer.Typer(no_args_is_help=True, callback=connection)

NodesArgument = Annotated[
    list[str], typer.Argument(metavar="NODES...", help="Names or hostlists: node[001-004],node007.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, do nothing.")]

NODES: View[Node] = View(
    "node",
    lambda node: node.name,
    (
        Column("node", lambda node: node.name),
        Column("rack", lambda node: node.rack),
        Column("state", lambda node: node.status.value),
        Column("severity", lambda node: node.severity and node.severity.value),
        Column("jobs", lambda node: node.jobs),
        Column("incidents", lambda node: [one.id for one in node.incidents], wide=True),
        Column("platform", lambda node: node.placement and node.placement.platform, wide=True),
        Column("scheduler", lambda node: node.scheduler and node.scheduler.states, wide=True),
        Column("reason", lambda node: node.reason),
    ),
)
DETAILS: View[NodeDetail] = View("node_detail", lambda detail: detail.node.name, ())
HISTORY: View[HistoryEntry] = View(
    "history_entry",
    lambda entry: entry.id,
    (
        Column("time", lambda entry: entry.time),
        Column("type", lambda entry: entry.type.value),
        Column("kind", lambda entry: entry.kind),
        Column("state", lambda entry: entry.state),
        Column("severity", lambda entry: entry.severity and entry.severity.value),
        Column("device", lambda entry: entry.device),
        Column("id", lambda entry: entry.id, wide=True),
        Column("text", lambda entry: entry.text),
    ),
)


@app.command("list")
def list_nodes(
    context: typer.Context,
    state: Annotated[NodeStatus | None, typer.Option(help="Only nodes in this state.")] = None,
    rack: Annotated[str | None, typer.Option(help="Only nodes of this rack.")] = None,
    job: Annotated[str | None, typer.Option(help="Only nodes of this job.")] = None,
    folded: Annotated[
        bool, typer.Option("--fold", help="With -o name: one hostlist in place of many lines.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """List nodes."""
    with _client(context) as client:
        nodes = [*client.all_nodes(state=state, rack=rack, job=job)]
    if folded and output is Format.NAME:
        out.write_lines([fold(node.name for node in nodes)] if nodes else [])
    else:
        NODES.show(nodes, output)


@app.command()
def get(context: typer.Context, nodes: NodesArgument, output: FormatOption = Format.TABLE) -> None:
    """Show nodes with their incidents, actions, jobs and collectors."""
    found: list[NodeDetail] = []
    names = expand(",".join(nodes))
    with _client(context) as client:
        for name in names:
            try:
                found.append(client.node(name))
            except NotFoundError as error:
                out.say(f"fleetops: {error}")
    if output in {Format.TABLE, Format.WIDE}:
        for detail in found:
            _tell(detail)
    else:
        DETAILS.show(found, output)
    if len(found) < len(names):
        raise typer.Exit(ExitCode.PARTIAL if found else ExitCode.FAILED)


@app.command()
def history(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="Name of one node.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most entries to show.")] = 50,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show what happened to a node, newest first."""
    with _client(context) as client:
        page = client.history(node, limit=limit)
    HISTORY.show(page.items, output)
    if page.next_cursor is not None:
        out.say(f"there is more than {limit}; raise --limit")


@app.command()
def drain(
    context: typer.Context,
    nodes: NodesArgument,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 60.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Take nodes out of service: no new work there, jobs that run go on to their end."""
    manner = Manner(dry_run, yes, wait, timeout, output)
    _ask(context, ActionKind.DRAIN, nodes, reason, manner)


@app.command()
def undrain(
    context: typer.Context,
    nodes: NodesArgument,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 60.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Put nodes back into service: only those that FleetOps drained."""
    manner = Manner(dry_run, yes, wait, timeout, output)
    _ask(context, ActionKind.UNDRAIN, nodes, reason, manner)


def _ask(
    context: typer.Context, kind: ActionKind, nodes: list[str], reason: str, manner: Manner
) -> None:
    hosts = ",".join(expand(",".join(nodes)))
    with _client(context) as client:
        raise typer.Exit(request(client, kind, hosts, reason, manner))


def _client(context: typer.Context) -> Client:
    cli: CliContext = context.obj
    return cli.client()


def _tell(detail: NodeDetail) -> None:
    node, placement = detail.node, detail.node.placement
    where = (
        f"{placement.site}/{placement.room}/{placement.row}/{placement.rack} "
        f"position {placement.rack_position}"
        if placement
        else None
    )
    out.fields(
        (
            ("node", node.name),
            ("state", node.status.value),
            ("scheduler", node.scheduler and node.scheduler.states),
            ("reason", node.reason),
            ("drained by FleetOps", node.drained_by_fleetops or None),
            ("severity", node.severity and node.severity.value),
            ("where", where),
            ("platform", placement and placement.platform),
            ("shares fate with", [one.device for one in detail.parents]),
            ("jobs", [f"{job.id} {job.name} ({job.state})" for job in detail.jobs] or node.jobs),
        )
    )
    out.part(
        "incidents",
        ["id", "state", "severity", "title"],
        [(one.id, one.status.value, one.severity.value, one.title) for one in detail.incidents],
    )
    out.part(
        "actions",
        ["id", "kind", "state", "by", "reason"],
        [
            (one.id, one.kind.value, one.state.value, one.requested_by, one.reason)
            for one in detail.actions
        ],
    )
    out.part(
        "collectors",
        ["collector", "target", "up", "last success", "error"],
        [
            (report.collector, target.target, target.up, target.last_success_at, target.error)
            for report in detail.collectors
            for target in report.targets
        ],
    )
    out.write_lines([""])
