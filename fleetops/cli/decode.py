"""``fleetops decode``: what a payload in a file says, by the decoders of the collectors.

With ``-o json`` the answer is one list. What could not be used is told on stderr; the rest goes on.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from fleetops.cli.decode_rackmon import rackmon
from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View, say
from fleetops.core import plugin
from fleetops.core.errors import FleetOpsError
from fleetops.core.hostlist import fold
from fleetops.evaluate.recordings import (
    read_kernel_log,
    read_prometheus,
    read_redfish,
    recording_path,
)
from fleetops_collectors.base import ReadsRecordings
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.kernel_log import KernelFinding
from fleetops_collectors.slurm import decode_recording as decode_slurm
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Reading
from fleetops_schemas.records import Job, NodeState

app = typer.Typer(no_args_is_help=True)

Files = Annotated[list[str], typer.Argument(help="Files; - is standard input.", metavar="FILE...")]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Host the payload is of, where it does not say.")
]
MAX_TOLD = 20
RECORDINGS: tuple[tuple[str, str, str], ...] = (
    ("training", "training", "Files of a training job: flight recorder, NVRx, NCCL."),
    (
        "infiniband",
        "infiniband",
        "A sysfs folder, or output of perfquery, ibnetdiscover -p, ibstat, ibswinfo.",
    ),
    ("ethernet", "ethernet", "Output of ethtool -S, -I --show-fec, -I -a or -m, text or JSON."),
    (
        "mqtt",
        "facility",
        "Messages of building management, as mosquitto_sub -v or -F %j printed them.",
    ),
    (
        "gnmi",
        "gnmi",
        "Messages of a gNMI target: gnmic json, event or flat, pygnmi, protobuf JSON.",
    ),
    ("sonic", "sonic", "A dump of a SONiC switch's databases (sonic-db-dump, redis-dump-load)."),
    ("fboss", "fboss", "JSON of FBOSS services, of FSDB, or of fboss2 --fmt json."),
)
"""Command, collector and help of every protocol whose recordings are plain readings."""
T = TypeVar("T")


def _spoken(reading: Reading) -> object:
    """The value; a state by its word."""
    states = load_catalog()[reading.device_class].metric(reading.metric).states
    if reading.value is None or not states:
        return f"{reading.value:.6g}" if isinstance(reading.value, float) else reading.value
    return states.get(int(reading.value), reading.value)


LINES: View[KernelFinding] = View(
    "kernel_line",
    lambda one: f"{one.line}",
    (
        Column("line", lambda one: one.line),
        Column("time", lambda one: one.time),
        Column("device", lambda one: one.device),
        Column("source", lambda one: one.source),
        Column("code", lambda one: one.code),
        Column("kind", lambda one: one.kind),
        Column("severity", lambda one: one.severity),
        Column("action", lambda one: one.recommended_action),
        Column("text", lambda one: one.text, wide=True),
    ),
)
READINGS: View[Reading] = View(
    "reading",
    lambda one: f"{one.device}/{one.metric}",
    (
        Column("device", lambda one: one.device),
        Column("metric", lambda one: one.metric),
        Column("value", _spoken),
        Column("unit", lambda one: one.unit),
        Column("quality", lambda one: one.quality),
        Column("class", lambda one: one.device_class, wide=True),
        Column("time", lambda one: one.time, wide=True),
    ),
)


CLUSTER_NODES: View[NodeState] = View(
    "node",
    lambda one: one.node,
    (
        Column("node", lambda one: one.node),
        Column("states", lambda one: "+".join(one.states)),
        Column("jobs", lambda one: " ".join(one.jobs)),
        Column("partition", lambda one: one.partition),
        Column("reason", lambda one: one.reason),
        Column("reason by", lambda one: one.reason_by, wide=True),
    ),
)
CLUSTER_JOBS: View[Job] = View(
    "job",
    lambda one: one.id,
    (
        Column("job", lambda one: one.id),
        Column("name", lambda one: one.name),
        Column("user", lambda one: one.user),
        Column("state", lambda one: one.state),
        Column("nodes", lambda one: fold(one.nodes) if one.nodes else ""),
        Column("tasks", lambda one: one.tasks),
        Column("started", lambda one: one.started_at, wide=True),
    ),
)


@app.command("kernel-log")
def kernel_log(
    files: Files,
    host: HostOption = None,
    boot_time: Annotated[
        datetime | None,
        typer.Option(
            help="What uptimes count from, with its zone: lines without a date get one.",
            formats=["%Y-%m-%dT%H:%M:%S%z"],
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Lines of a kernel log that mean something, with what to do about each."""
    found, failed = _all(files, lambda name: list(read_kernel_log(name, host, boot_time)))
    if output is Format.JSON:
        _print_list([one.as_dict() for one in found])
    elif found or not failed:
        LINES.show(found, output)
        say(f"{len(found)} lines that mean something")
    _end(files, failed)


@app.command()
def prometheus(files: Files, host: HostOption = None, output: FormatOption = Format.TABLE) -> None:
    """Readings in Prometheus or OpenMetrics text (exporters, training ranks)."""

    def read(name: str) -> list[Reading]:
        decoded = read_prometheus(name, host)
        for problem in decoded.problems:
            say(f"{name}: {problem}")
        for line in decoded.skipped[:MAX_TOLD]:
            say(f"{name}: line {line.line}: {line.reason}: {line.text}")
        if decoded.skipped_total > MAX_TOLD:
            say(f"{name}: {decoded.skipped_total} lines could not be used in all")
        if decoded.unmapped:
            names = ", ".join(sorted(decoded.unmapped)[:8])
            say(f"{name}: {decoded.unmapped.total()} samples have no column: {names}")
        return decoded.readings

    found, failed = _all(files, read)
    _print_readings(found, output, failed)
    _end(files, failed)


@app.command()
def redfish(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Capture folders or files, live services (http:// or https://), or -.",
            metavar="DIR_OR_URL...",
        ),
    ],
    host: HostOption = None,
    username: Annotated[str | None, typer.Option(help="For a live service.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="For a live service.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Readings of a Redfish service, live or from a capture."""

    def read(name: str) -> list[Reading]:
        recorded = read_redfish(name, host, username, password_file)
        for warning in recorded.warnings[:MAX_TOLD]:
            say(f"{name}: {warning}")
        return recorded.readings

    found, failed = _all(sources, read)
    _print_readings(found, output, failed)
    _end(sources, failed)


@app.command()
def slurm(
    files: Annotated[
        list[str],
        typer.Argument(
            help="JSON of scontrol, sinfo, squeue or slurmrestd; tables with a header; or -.",
            metavar="FILE...",
        ),
    ],
    output: FormatOption = Format.TABLE,
) -> None:
    """Nodes, jobs and readings in what Slurm printed."""
    failed = 0
    every = Decoded()
    for name in files:
        try:
            with recording_path(name) as path:
                decoded = decode_slurm(path, datetime.now(UTC))
        except FleetOpsError as error:
            say(f"fleetops: {error}")
            failed += 1
            continue
        for warning in decoded.warnings()[:MAX_TOLD]:
            say(f"{name}: {warning}")
        every.nodes += decoded.nodes
        every.jobs += decoded.jobs
        every.readings += decoded.readings
    _print_cluster(every, output, failed)
    _end(files, failed)


def _print_cluster(decoded: Decoded, output: Format, failed: int) -> None:
    if output is Format.JSON:
        _print_list(
            [
                *({"record": "node", **one.model_dump(mode="json")} for one in decoded.nodes),
                *({"record": "job", **one.model_dump(mode="json")} for one in decoded.jobs),
                *({"record": "reading", **reading_dict(one)} for one in decoded.readings),
            ]
        )
        return
    if decoded.nodes:
        CLUSTER_NODES.show(decoded.nodes, output)
    if decoded.jobs:
        CLUSTER_JOBS.show(decoded.jobs, output)
    _print_readings(decoded.readings, output, failed)
    say(f"{len(decoded.nodes)} nodes, {len(decoded.jobs)} jobs")


def _recording(collector: str) -> Callable[..., None]:
    """The command that decodes recordings by the decoder of a collector."""

    def decode(
        files: Annotated[
            list[str],
            typer.Argument(
                help="Files, or folders where the source is one; - is standard input.",
                metavar="PATH...",
            ),
        ],
        host: HostOption = None,
        output: FormatOption = Format.TABLE,
    ) -> None:
        reader = plugin.load("collectors", collector)
        assert issubclass(reader, ReadsRecordings)  # noqa: S101 (the table names only such)

        def read(name: str) -> list[Reading]:
            with recording_path(name) as path:
                decoded = reader.decode_recording(path, host, datetime.now(UTC))
            for warning in decoded.warnings()[:MAX_TOLD]:
                say(f"{name}: {warning}")
            for event in decoded.events:
                say(f"{name}: {event.time:%H:%M:%S} {event.device}: {event.kind}: {event.text}")
            return decoded.readings

        found, failed = _all(files, read)
        _print_readings(found, output, failed)
        _end(files, failed)

    return decode


app.command()(rackmon)
for _name, _collector, _help in RECORDINGS:
    app.command(_name, help=_help)(_recording(_collector))


def _all(names: Sequence[str], read: Callable[[str], Iterable[T]]) -> tuple[list[T], int]:
    """Everything of every source; one that fails is told and the others go on."""
    found: list[T] = []
    failed = 0
    for name in names:
        try:
            found.extend(read(name))
        except FleetOpsError as error:
            say(f"fleetops: {error}")
            failed += 1
    return found, failed


def _print_readings(readings: list[Reading], output: Format, failed: int) -> None:
    if output is Format.JSON:
        _print_list([reading_dict(one) for one in readings])
        return
    if not readings and failed:
        return
    READINGS.show(readings, output)
    counts = Counter(one.quality for one in readings)
    parts = ", ".join(f"{n} {q}" for q, n in counts.most_common())
    say(f"{len(readings)} readings" + (f": {parts}" if parts else ""))


def reading_dict(reading: Reading) -> dict[str, Any]:
    """A reading as JSON's types."""
    return {
        "device": reading.device,
        "device_class": reading.device_class,
        "metric": reading.metric,
        "value": reading.value,
        "unit": reading.unit,
        "quality": reading.quality.value,
        "time": reading.time.isoformat() if reading.time else None,
    }


def _print_list(items: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(items, indent=1, ensure_ascii=False) + "\n")


def _end(names: Sequence[str], failed: int) -> None:
    if failed:
        raise SystemExit(ExitCode.FAILED if failed == len(names) else ExitCode.PARTIAL)
