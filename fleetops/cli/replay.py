"""``fleetops replay``: feed a recording into the running line as if it were live."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from fleetops.cli.context import CliContext
from fleetops.cli.output import ExitCode, say
from fleetops.core.clock import SystemClock
from fleetops.core.hostlist import expand, fold
from fleetops.core.inventory.load import load_inventory
from fleetops.evaluate.replay import Pace, Replay, Replayed

app = typer.Typer(
    no_args_is_help=True,
    help="Feed recordings into the bus of the configuration, as if they were live.",
)
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Files; - is standard input.")]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Host the payload is of, where it does not say.")
]
OutputOption = Annotated[Literal["text", "json"], typer.Option("--output", "-o")]
MIN_SPEED, MAX_SPEED = 0.01, 100_000.0
CaptureSpeed = Annotated[
    float | None,
    typer.Option(
        "--speed",
        min=MIN_SPEED,
        max=MAX_SPEED,
        help="Keep 10 s between captures, so many times as fast; without it all at once.",
    ),
]


@app.command("job-trace")
def job_trace(
    context: typer.Context,
    files: Files,
    speed: Annotated[
        float | None,
        typer.Option(
            min=MIN_SPEED,
            max=MAX_SPEED,
            help="Times as fast as recorded; without it so that half a minute is enough.",
        ),
    ] = None,
    nodes: Annotated[
        str | None,
        typer.Option(
            help="Hostlist: one node a worker; the scheduler's nodes by default, idle ones first."
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="Id the job reports under; the file's name by default.")
    ] = None,
    output: OutputOption = "text",
) -> None:
    """Training traces, step by step."""
    chosen = expand(nodes) if nodes else []
    _replay(context.obj, output, speed, lambda replay: replay.job_trace(files, chosen, job))


@app.command()
def redfish(
    context: typer.Context,
    files: Files,
    host: HostOption = None,
    speed: CaptureSpeed = None,
    output: OutputOption = "text",
) -> None:
    """Captures of Redfish services (folders or files)."""
    _replay(context.obj, output, speed, lambda replay: replay.redfish(files, host))


@app.command()
def prometheus(
    context: typer.Context,
    files: Files,
    host: HostOption = None,
    speed: CaptureSpeed = None,
    output: OutputOption = "text",
) -> None:
    """Files of Prometheus text."""
    _replay(context.obj, output, speed, lambda replay: replay.prometheus(files, host))


@app.command("kernel-log")
def kernel_log(
    context: typer.Context,
    files: Files,
    host: HostOption = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=MIN_SPEED,
            max=MAX_SPEED,
            help="Keep the time between lines, so many times as fast; without it all at once.",
        ),
    ] = None,
    output: OutputOption = "text",
) -> None:
    """Kernel logs."""
    _replay(context.obj, output, speed, lambda replay: replay.kernel_log(files, host))


def _replay(
    cli: CliContext, output: str, speed: float | None, work: Callable[[Replay], Replayed]
) -> None:
    clock, stop = SystemClock(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    pace = Pace(clock, stop, speed)
    placements = load_inventory(cli.config).placements
    with cli.bus() as bus, Replay(bus, clock, say, pace, placements) as replay:
        sent = work(replay)
    _tell(sent, output)
    if sent.failed:
        raise SystemExit(ExitCode.PARTIAL if sent.messages or sent.events else ExitCode.FAILED)


def _tell(sent: Replayed, output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(asdict(sent)) + "\n")
        return
    counts = (
        (sent.readings, f"{sent.readings} readings ({sent.good_readings} good)"),
        (sent.events, f"{sent.events} events"),
        (sent.steps, f"{sent.steps} steps"),
    )
    parts = ", ".join(text for count, text in counts if count)
    sys.stdout.write(f"sent {parts or 'nothing'}\n")
    for words, hosts in (("workers on", sent.hosts), ("announced", sent.announced)):
        if hosts:
            sys.stdout.write(f"{words} {fold(hosts)}\n")
    if parts:
        say("what comes of it: fleetops incident list; fleetops node get NODE; the pages")
