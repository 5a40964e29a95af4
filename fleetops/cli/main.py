"""The ``fleetops`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from fleetops.cli.context import make_context
from fleetops.cli.deferred import add_command, missing_extra
from fleetops.core.errors import (
    ConfigError,
    FleetOpsError,
    InputError,
    NotFoundError,
    RefusedError,
)
from fleetops.core.logging import configure_logging

FAILED, USAGE, REFUSED = 1, 2, 4
GLOBAL_OPTIONS = frozenset({"--config", "-c", "--log-level"})
GLOBAL_PREFIXES = ("--config=", "--log-level=")

app = typer.Typer(
    name="fleetops",
    help="Watch the hardware under AI training clusters, and act on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    ("up", "up:up", "Run everything in this process until it is stopped."),
    ("run", "up:run_roles", "Run some roles in this process until it is stopped."),
    ("demo", "demo:demo", "Watch a fault happen on emulated hardware, be explained and acted on."),
    ("emulate", "emulate:emulate", "Emulate a fleet of any platform or cluster, or check that."),
    ("node", "node:app", "Nodes: look, drain, undrain."),
    ("incident", "incident:app", "Incidents: what happened and why."),
    ("inventory", "inventory:app", "Inventory: which part sits where, and who disagrees."),
    ("action", "action:app", "Actions: what was done; approve or deny."),
    ("dead-letter", "dead_letter:app", "Messages that were put aside."),
    ("config", "config:app", "Check or show the configuration."),
    ("collect", "collect:app", "Read targets once."),
    ("decode", "decode:app", "Decode a payload in a file."),
    ("analyze", "analyze:app", "Analyze a recording in a file."),
    ("replay", "replay:app", "Feed a recording into the running line."),
    ("bench", "bench:app", "Measure this machine."),
)
for name, source, text in COMMANDS:
    add_command(app, name, f"fleetops.cli.{source}", text)


@app.callback()
def options(
    context: typer.Context,
    config_path: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="FLEETOPS_CONFIG", help="Configuration file (YAML)."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Logs go to stderr. Roles log at `log_level` of the configuration."),
    ] = None,
) -> None:
    """Watch the hardware under AI training clusters, and act on it."""
    configure_logging(level=log_level or "warning")
    context.obj = make_context(config_path, log_level)


def run() -> None:
    """Entry point: errors that FleetOps raises on purpose become one line and an exit code."""
    try:
        _run()
    except (ConfigError, InputError, NotFoundError) as error:
        _fail(error, USAGE if isinstance(error, ConfigError) else FAILED)
    except RefusedError as error:
        _fail(error, REFUSED)
    except FleetOpsError as error:
        _fail(error, FAILED)


def _run() -> None:
    try:
        app(global_options_first(sys.argv[1:]))
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of every command in front, wherever they were given."""
    first: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest.append(argument)
            break
        if argument in GLOBAL_OPTIONS:
            first += [argument, *islice(left, 1)]
        elif argument.startswith(GLOBAL_PREFIXES):
            first.append(argument)
        else:
            rest.append(argument)
    return [*first, *rest, *left]


def _fail(error: FleetOpsError, code: int) -> None:
    sys.stderr.write(f"fleetops: {error}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    run()
