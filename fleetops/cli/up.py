"""``fleetops up`` and ``fleetops run``: the product, in one process or one role a process."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from fleetops.cli.context import CliContext
from fleetops.cli.line import Line
from fleetops.cli.plugins import check_plugins
from fleetops.cli.roles import ROLES
from fleetops.core.logging import configure_logging


def up(context: typer.Context) -> None:
    """Run everything in this process until it is stopped."""
    _run(context.obj, ROLES, None)


def run_roles(
    context: typer.Context,
    roles: Annotated[list[str], typer.Argument(help=f"Any of: {', '.join(ROLES)}.")],
    only: Annotated[
        list[str] | None, typer.Option(help="For collect: the collectors to run here, by name.")
    ] = None,
) -> None:
    """Run some roles in this process until it is stopped."""
    _run(context.obj, roles, only)


def _run(cli: CliContext, roles: list[str] | tuple[str, ...], only: list[str] | None) -> None:
    configure_logging(level=cli.log_level or cli.config.log_level)
    check_plugins(cli.config, cli.config_path, roles)
    with Line(cli.config, roles, config_path=cli.config_path, collectors=only) as line:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: line.stop())
        line.start(say)
        if line.api_port:
            say(f"API on http://{cli.config.api.host}:{line.api_port}/api/v1")
        if "dashboard" in roles:
            say(f"pages on http://{cli.config.dashboard.host}:{cli.config.dashboard.port}")
        say("running; stop with Ctrl-C")
        line.wait()
        failure = line.failure
    if failure is not None:
        raise failure


def say(text: str) -> None:
    """One line of progress, on stderr."""
    sys.stderr.write(f"fleetops: {text}\n")
    sys.stderr.flush()
