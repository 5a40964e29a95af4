"""The ``fleetops`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetops.cli import (
    action,
    analyze,
    bench,
    collect,
    config,
    dead_letter,
    decode,
    demo,
    incident,
    node,
    replay,
    up,
)
from fleetops.cli.context import make_context
from fleetops.core.errors import (
    ConfigError,
    FleetOpsError,
    InputError,
    NotFoundError,
    RefusedError,
)
from fleetops.core.logging import configure_logging

FAILED, USAGE, REFUSED = 1, 2, 4

app = typer.Typer(
    name="fleetops",
    help="Watch the hardware under AI training clusters, and act on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(node.app, name="node", help="Nodes: look, drain, undrain.")
app.add_typer(incident.app, name="incident", help="Incidents: what happened and why.")
app.add_typer(action.app, name="action", help="Actions: what was done; approve or deny.")
app.add_typer(dead_letter.app, name="dead-letter", help="Messages that were put aside.")
app.add_typer(config.app, name="config", help="Check or show the configuration.")
app.add_typer(collect.app, name="collect", help="Read targets once.")
app.add_typer(decode.app, name="decode", help="Decode a payload in a file.")
app.add_typer(analyze.app, name="analyze", help="Analyze a recording in a file.")
app.add_typer(replay.app, name="replay", help="Feed a recording into the running line.")
app.add_typer(bench.app, name="bench", help="Measure this machine.")
app.command("up")(up.up)
app.command("run")(up.run_roles)
app.command("demo")(demo.demo)


@app.callback()
def options(
    context: typer.Context,
    config_path: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="FLEETOPS_CONFIG", help="Configuration file (YAML)."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. Logs go to stderr.")
    ] = None,
) -> None:
    """Watch the hardware under AI training clusters, and act on it."""
    configure_logging(level=log_level or "warning")
    context.obj = make_context(config_path)


def run() -> None:
    """Entry point: errors that FleetOps raises on purpose become one line and an exit code."""
    try:
        app()
    except (ConfigError, InputError, NotFoundError) as error:
        _fail(error, USAGE if isinstance(error, ConfigError) else FAILED)
    except RefusedError as error:
        _fail(error, REFUSED)
    except FleetOpsError as error:
        _fail(error, FAILED)


def _fail(error: FleetOpsError, code: int) -> None:
    sys.stderr.write(f"fleetops: {error}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    run()
