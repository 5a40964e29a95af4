"""``fleetops emulate``: a fleet of any platform or cluster, over its real protocols."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetops.cli import output
from fleetops.core.clock import SystemClock
from fleetops.core.errors import ConfigError, FleetOpsError
from fleetops.emulator.interfaces.base import select
from fleetops.emulator.interfaces.registry import SERVED
from fleetops.emulator.process import Options, run
from fleetops.emulator.site import build_site
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import ProfileError, profile_names
from fleetops_schemas.workloads import Workload

if TYPE_CHECKING:
    from fleetops.evaluate.emulation_check import CheckRow

ALL = "all"
LIST_TITLES = ("NAME", "YEAR", "HOSTS", "ACCELERATORS", "SPEAKS", "TITLE")
CHECK_TITLES = (
    "PROFILE",
    "HOSTS",
    "WORKLOADS",
    "INTERFACE",
    "CLASS",
    "DEVICES",
    "METRICS",
    "STORED",
    "ROWS EXPECTED",
    "ROWS STORED",
    "VALUES OFF",
    "",
)


def emulate(
    cluster: Annotated[
        str, typer.Option(help="A cluster or a platform by name; see --list.")
    ] = "demo",
    scale: Annotated[
        int | None,
        typer.Option(min=1, help="About how many hosts to emulate; all of them without it."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same fleet.")] = 1,
    tick_seconds: Annotated[
        float, typer.Option(min=0.1, max=300.0, help="How often sensors are read anew.")
    ] = 10.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help='KIND, or JSON: {"kind": ..., "target": {...}}. May be repeated.'),
    ] = None,
    state_dir: Annotated[
        Path, typer.Option(help="Endpoints, configuration, logs and trees go here.")
    ] = Path(".fleetops/emulated"),
    port: Annotated[int, typer.Option(help="Of text and control; 0 takes any free one.")] = 0,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INTERFACE=SHAPE",
            help="rackmon=rtu: serial lines for gateways; facility=older: the older topics.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="File of what really was, for evaluation; beside --state-dir else."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]|all",
            help="Collect and store each, count, and stop. 1 if not whole.",
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Name the profiles and what they speak, and stop.")
    ] = False,
    show_faults: Annotated[
        bool, typer.Option("--list-faults", help="Name the faults and stop.")
    ] = False,
) -> None:
    """Emulate a fleet until Ctrl-C. It answers on this machine only; nothing of it is measured."""
    if show:
        _list_profiles()
    elif show_faults:
        _list_faults()
    elif check is not None:
        _check(check, scale)
    else:
        _run(
            Options(
                state_dir=state_dir,
                cluster=cluster,
                scale=scale,
                seed=seed,
                tick_seconds=tick_seconds,
                faults=tuple(fault or ()),
                port=port,
                variants=tuple(variant or ()),
                truth_file=truth,
            )
        )


def _list_profiles() -> None:
    for title, kind in (("Clusters", Cluster), ("Platforms, each as one rack", Platform)):
        output.part(title, LIST_TITLES, [_summary(name) for name in profile_names(kind)])


def _summary(name: str) -> tuple[object, ...]:
    """What a profile is, in a line; its interfaces are those that it would serve."""
    cluster = cluster_of(name)
    site = build_site(cluster, 1)
    hosts = sum(int(group.hosts) for group in cluster.groups)
    accelerators = sum(placement.accelerators for placement in site.placements)
    spoken = tuple(one.interface.value for one in SERVED if select(site, one.interface))
    return name, cluster.year, hosts, accelerators, spoken, _title(cluster)


def _title(cluster: Cluster) -> str:
    return cluster.title.removeprefix("One rack: ")


def _list_faults() -> None:
    from fleetops.emulator.fault_listing import list_faults  # noqa: PLC0415  numpy, only here

    sys.stdout.write(list_faults())


def _check(names: str, hosts: int | None) -> None:
    from fleetops.evaluate.emulation_check import HOSTS, check_emulation  # noqa: PLC0415

    chosen = [*fleet_names()] if names == ALL else [name.strip() for name in names.split(",")]
    rows: list[CheckRow] = []
    try:
        for name in chosen:
            cluster_of(name)
        for row in check_emulation(chosen, hosts or HOSTS):
            if not rows or rows[-1].platform != row.platform:
                output.say(f"{row.platform}: collected and stored")
            rows.append(row)
    except ProfileError as error:
        raise ConfigError(str(error)) from error
    output.table(CHECK_TITLES, [_cells(row) for row in rows])
    idle = set(profile_names(Workload)) - {name for row in rows for name in row.workloads}
    if names == ALL and idle:
        output.say(f"workloads that no profile runs: {', '.join(sorted(idle))}")
    if not all(row.agrees for row in rows) or (names == ALL and idle):
        raise SystemExit(1)


def _cells(row: CheckRow) -> tuple[object, ...]:
    return (
        *(row.platform, f"{row.hosts_emulated} of {row.hosts}", row.workloads),
        *(row.interface, row.device_class, row.devices, row.metrics),
        *(row.metrics_stored, row.rows_expected, row.rows_stored),
        f"{row.values_off} of {row.values}",
        row.problem or ("" if row.agrees else "DIFFERS"),
    )


def _run(options: Options) -> None:
    try:
        asyncio.run(run(options, SystemClock()))
    except OSError as error:  # a port in use, a folder not writable
        raise FleetOpsError(f"the emulator cannot run: {error}") from error
