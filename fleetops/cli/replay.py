"""``fleetops replay``: feed a recording into the running line as if it were live."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer

from fleetops.cli.context import CliContext
from fleetops.cli.output import say
from fleetops.core.clock import SystemClock
from fleetops.core.hostlist import expand, fold
from fleetops.evaluate.replay import Replay, Replayed

app = typer.Typer(
    no_args_is_help=True,
    help="Feed recordings into the bus of the configuration, as if they were live.",
)
Files = Annotated[list[str], typer.Argument(metavar="FILE...")]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Host the payload is of, where it does not say.")
]
OutputOption = Annotated[str, typer.Option("--output", "-o", help="text or json")]


@app.command("job-trace")
def job_trace(
    context: typer.Context,
    files: Files,
    speed: Annotated[float, typer.Option(min=0.01, max=10_000, help="Times as fast.")] = 1.0,
    nodes: Annotated[
        str | None,
        typer.Option(help="Hostlist: one node a worker; the scheduler's nodes by default."),
    ] = None,
    output: OutputOption = "text",
) -> None:
    """Training traces, step by step."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    chosen = expand(nodes) if nodes else []
    _replay(context.obj, output, lambda replay: replay.job_trace(files, speed, chosen, stop))


@app.command()
def redfish(
    context: typer.Context, files: Files, host: HostOption = None, output: OutputOption = "text"
) -> None:
    """Captures of Redfish services (folders or files)."""
    _replay(context.obj, output, lambda replay: replay.redfish(files, host))


@app.command()
def prometheus(
    context: typer.Context, files: Files, host: HostOption = None, output: OutputOption = "text"
) -> None:
    """Files of Prometheus text."""
    _replay(context.obj, output, lambda replay: replay.prometheus(files, host))


@app.command("kernel-log")
def kernel_log(
    context: typer.Context, files: Files, host: HostOption = None, output: OutputOption = "text"
) -> None:
    """Kernel logs."""
    _replay(context.obj, output, lambda replay: replay.kernel_log(files, host))


def _replay(cli: CliContext, output: str, work: Callable[[Replay], Replayed]) -> None:
    with cli.bus() as bus:
        sent = work(Replay(bus, SystemClock(), say))
    if output == "json":
        sys.stdout.write(json.dumps(asdict(sent)) + "\n")
        return
    sys.stdout.write(
        f"sent {sent.messages} messages: {sent.readings} readings ({sent.good_readings} good), "
        f"{sent.events} events, {sent.steps} steps\n"
    )
    for words, hosts in (("workers on", sent.hosts), ("announced", sent.announced)):
        if hosts:
            sys.stdout.write(f"{words} {fold(hosts)}\n")
