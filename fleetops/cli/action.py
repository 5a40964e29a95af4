"""``fleetops action``: what was done or is planned; approve, deny, and reset the breaker."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetops.cli import output as out
from fleetops.cli.context import CliContext, connection
from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View
from fleetops.cli.request import (
    ReasonOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    code_of_state,
    confirmed,
    wait_for_action,
)
from fleetops.core.hostlist import fold
from fleetops_schemas.records import Action, ActionState

app = typer.Typer(no_args_is_help=True, callback=connection)
ActionArgument = Annotated[str, typer.Argument(metavar="ACTION", help="Id of an action.")]

ACTIONS: View[Action] = View(
    "action",
    lambda action: action.id,
    (
        Column("id", lambda action: action.id),
        Column("created", lambda action: action.created_at),
        Column("kind", lambda action: action.kind.value),
        Column("nodes", lambda action: fold(action.nodes)),
        Column("state", lambda action: action.state.value),
        Column("by", lambda action: action.requested_by),
        Column("decided by", lambda action: action.decided_by, wide=True),
        Column("incident", lambda action: action.incident_id, wide=True),
        Column("decision", lambda action: action.decision, wide=True),
        Column("reason", lambda action: action.reason),
    ),
)


@app.command("list")
def list_actions(
    context: typer.Context,
    state: Annotated[ActionState | None, typer.Option(help="Only those in this state.")] = None,
    node: Annotated[str | None, typer.Option(help="Only those on this node.")] = None,
    incident: Annotated[str | None, typer.Option(help="Only those for this incident.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most actions to show.")] = 100,
    output: FormatOption = Format.TABLE,
) -> None:
    """List actions, newest first."""
    cli: CliContext = context.obj
    with cli.client() as client:
        page = client.actions(state=state, node=node, incident=incident, limit=limit)
    ACTIONS.show(page.items, output)
    if page.next_cursor is not None:
        out.say(f"there are more than {limit}; raise --limit")


@app.command()
def show(
    context: typer.Context, action_id: ActionArgument, output: FormatOption = Format.TABLE
) -> None:
    """Show one action: who asked, who decided and why, and what became of each node."""
    cli: CliContext = context.obj
    with cli.client() as client:
        ACTIONS.show_one(client.action(action_id), output, _tell)


@app.command()
def approve(
    context: typer.Context,
    action_id: ActionArgument,
    reason: ReasonOption,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 60.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Approve a waiting action. The policy judges it once more before it is carried out."""
    cli: CliContext = context.obj
    with cli.client() as client:
        action = client.action(action_id)
        out.say(f"{action.kind.value} {fold(action.nodes)}: {action.reason}")
        if not (yes or confirmed("approve this?")):
            raise typer.Exit(ExitCode.FAILED)
        client.approve(action_id, reason, nodes=action.nodes)
        if wait:
            action = wait_for_action(client, action_id, timeout)
    ACTIONS.show_one(action, output, _tell)
    raise typer.Exit(code_of_state(action.state) if wait else ExitCode.DONE)


@app.command()
def deny(
    context: typer.Context,
    action_id: ActionArgument,
    reason: ReasonOption,
    wait: WaitOption = True,
    timeout: TimeoutOption = 60.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Deny a waiting action: nothing is done."""
    cli: CliContext = context.obj
    with cli.client() as client:
        client.deny(action_id, reason)
        action = wait_for_action(client, action_id, timeout if wait else 0.0)
    ACTIONS.show_one(action, output, _tell)
    if not wait or action.state is ActionState.DENIED:
        return
    raise typer.Exit(ExitCode.FAILED if action.state.is_final else ExitCode.TIMED_OUT)


@app.command("reset-breaker")
def reset_breaker(context: typer.Context, reason: ReasonOption, yes: YesOption = False) -> None:
    """Let automation act again after the circuit breaker tripped (admin)."""
    cli: CliContext = context.obj
    with cli.client() as client:
        why = client.fleet().breaker
        out.say(f"the breaker is tripped: {why}" if why else "the breaker is not tripped")
        if not (yes or confirmed("reset it?")):
            raise typer.Exit(ExitCode.FAILED)
        receipt = client.reset_breaker(reason)
    out.say(f"asked for: request {receipt.intent_id}")


def _tell(action: Action) -> None:
    out.fields(
        (
            ("action", action.id),
            ("kind", action.kind.value),
            ("state", action.state.value),
            ("nodes", fold(action.nodes)),
            ("reason", action.reason),
            ("requested by", action.requested_by),
            ("decided by", action.decided_by),
            ("decision", action.decision),
            ("incident", action.incident_id),
            ("request", action.intent_id),
            ("created", action.created_at),
            ("updated", action.updated_at),
            ("expires", action.expires_at),
        )
    )
    if action.outcomes:
        out.heading("outcomes")
        rows = [
            (one.node, one.state.value, one.before, one.after, one.detail)
            for one in action.outcomes
        ]
        out.table(["node", "state", "before", "after", "detail"], rows)
