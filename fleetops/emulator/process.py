"""An emulated fleet as a process: it keeps time with the clock and answers until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute

from fleetops.core import hostlist
from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import ConfigError
from fleetops.emulator.addresses import describe, write_configuration, write_endpoints
from fleetops.emulator.control import control_routes
from fleetops.emulator.fault_default import with_target
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.realtime import Emulation
from fleetops.emulator.scenario import load_scenario, parse_fault
from fleetops.emulator.scheduler import scheduler_of
from fleetops.emulator.scheduler_api import scheduler_routes
from fleetops.emulator.serving import Serving
from fleetops.emulator.site import build_site
from fleetops.emulator.truth import TruthFile
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Interface
from fleetops_schemas.profiles import ProfileError

IDLE_SECONDS = 0.25
"""Longest wait between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to emulate, and where it answers."""

    state_dir: Path
    cluster: str = "demo"
    scale: int | None = None
    """About how many hosts; all of them without it."""
    seed: int = 1
    tick_seconds: float = 10.0
    scenario: str | None = None
    """Name or file: further faults."""
    faults: tuple[str, ...] = ()
    """Kinds, or faults as JSON."""
    waits: bool = False
    """Whether faults strike only after somebody has started the clock (``/control/start``)."""
    host_names: str | None = None
    """Hostlist of the compute hosts."""
    first_job_id: int = 81
    with_scheduler: bool = True
    """False: a real scheduler holds the nodes, none is served here."""
    scheduler_token_file: Path | None = None
    port: int = 0
    variants: tuple[str, ...] = ()
    """``INTERFACE=SHAPE`` where an interface has several: ``rackmon=rtu``, ``facility=older``."""
    truth_file: Path | None = None
    """Of fault episodes, for evaluation; beside ``state_dir`` without it."""

    @property
    def truth_path(self) -> Path:
        """Where the truth is written: never in ``state_dir``, which interfaces show."""
        folder = self.state_dir.resolve()
        return self.truth_file or folder.with_name(f"{folder.name}.truth.jsonl")


async def run(options: Options, clock: Clock, stop: asyncio.Event | None = None) -> None:
    """Runs the emulation until ``stop`` is set, or SIGINT or SIGTERM comes.

    Raises:
        FleetOpsError: an option, the scenario or the host names are wrong.
        OSError: a port is in use, or the folder cannot be written.
    """
    options.state_dir.mkdir(parents=True, exist_ok=True)
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    emulation = make_emulation(options, clock)
    token = secret(None, options.scheduler_token_file, "scheduler_token")
    routes = list(control_routes(emulation))
    if options.with_scheduler:
        routes += scheduler_routes(emulation.scheduler, token.get_secret_value() if token else None)
    began = emulation.fleet.options.began
    with TruthFile(options.truth_path, emulation.schedule, began, served=options.state_dir):
        await _serve(options, emulation, clock, routes, stop)


async def _serve(
    options: Options,
    emulation: Emulation,
    clock: Clock,
    routes: Sequence[BaseRoute],
    stop: asyncio.Event,
) -> None:
    async with Serving(
        emulation.fleet,
        options.state_dir,
        clock,
        routes=routes,
        port=options.port,
        variants=parse_variants(options.variants),
        scheduler=emulation.scheduler if options.with_scheduler else None,
    ) as serving:
        emulation.schedule.on_line.append(serving.tell)
        content = describe(emulation, serving, with_scheduler=options.with_scheduler)
        configuration = write_configuration(options.state_dir, content)
        path = write_endpoints(options.state_dir, content)
        site = emulation.fleet.site
        sys.stdout.write(
            f"emulator ready: {site.cluster.title}, {len(site.hosts)} hosts; endpoints in {path}\n"
            f"watch it: fleetops --config {configuration} up\n"
        )
        sys.stdout.flush()
        if not options.waits:
            emulation.start()
        await _keep_time(emulation, serving, stop)


async def _keep_time(emulation: Emulation, serving: Serving, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if emulation.catch_up():
            await serving.refresh()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(emulation.wait_seconds, IDLE_SECONDS)):
                await stop.wait()


def make_emulation(options: Options, clock: Clock) -> Emulation:
    """The emulation that the options ask for.

    Raises:
        ConfigError: a profile, the scenario, a fault or the host names are wrong.
    """
    names = hostlist.expand(options.host_names) if options.host_names else None
    site = build_site(load_cluster(options.cluster), options.scale, names)
    fleet_options = FleetOptions(
        site,
        seed=options.seed,
        tick_seconds=options.tick_seconds,
        began=clock.now(),
        first_job_id=options.first_job_id,
    )
    schedule = FaultSchedule(fleet_options)
    fleet = Fleet(fleet_options, schedule.disturb)
    scheduler = scheduler_of(fleet, clock)
    faults = [with_target(fault, site, fleet.state.jobs) for fault in _faults(options)]
    return Emulation(fleet, schedule, scheduler, faults, clock)


def load_cluster(name: str) -> Cluster:
    """A cluster, or one rack of a platform, by name.

    Raises:
        ConfigError: there is neither.
    """
    try:
        return cluster_of(name)
    except ProfileError as error:
        raise ConfigError(str(error)) from error


def _faults(options: Options) -> Sequence[Fault]:
    scripted = load_scenario(options.scenario).faults if options.scenario else ()
    return (*scripted, *map(parse_fault, options.faults))


def parse_variants(texts: Sequence[str]) -> dict[Interface, str]:
    """Shapes of interfaces as people write them: ``rackmon=rtu``.

    Raises:
        ConfigError: one names no interface.
    """
    found = {}
    for text in texts:
        name, _, shape = text.partition("=")
        try:
            found[Interface(name)] = shape
        except ValueError:
            there = ", ".join(one.value for one in Interface)
            raise ConfigError(
                f"--variant {text}: no interface {name!r}; there are: {there}"
            ) from None
    return found
