"""Runs the emulator as a process of its own: ``python -m fleetops.emulator``.

It ends when its standard input closes (its parent is gone) or on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetops.core import hostlist
from fleetops.core.clock import Clock, SystemClock
from fleetops.core.config import secret
from fleetops.core.errors import FleetOpsError
from fleetops.emulator.emulation import Emulation
from fleetops.emulator.endpoints import (
    USERNAME,
    describe_endpoints,
    write_endpoints,
    write_password,
)
from fleetops.emulator.fleet import Fleet, FleetOptions
from fleetops.emulator.scenario import DEFAULT_SCENARIO, load_scenario
from fleetops.emulator.servers.application import Application, listen, port_of, serve
from fleetops.emulator.servers.redfish import RedfishService, build_devices
from fleetops.emulator.topology import build_layout

EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    scenario: str
    seed: int
    state_dir: Path
    racks: int
    hosts_per_rack: int
    host_names: str | None
    job_id: str
    scheduler: str
    scheduler_token_file: Path | None
    port: int


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser("python -m fleetops.emulator", description=__doc__)
    parser.add_argument("--scenario", default=DEFAULT_SCENARIO, help="name or YAML file")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same fleet")
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="endpoints.json and kernel logs go here"
    )
    parser.add_argument("--racks", type=int, default=4)
    parser.add_argument("--hosts-per-rack", type=int, default=8)
    parser.add_argument("--host-names", help="hostlist, for example n[0-31]")
    parser.add_argument("--job-id", default="81", help="id of the training job")
    parser.add_argument(
        "--scheduler",
        choices=("emulated", "external"),
        default="emulated",
        help="external: a real scheduler holds the nodes, none is served here",
    )
    parser.add_argument(
        "--scheduler-token-file", type=Path, help="file with the bearer token to demand"
    )
    parser.add_argument("--port", type=int, default=0, help="of control, scheduler and text")
    return Options(**vars(parser.parse_args(arguments)))


async def run(options: Options, clock: Clock) -> None:
    """Runs the emulator until its standard input closes or it is told to end.

    Raises:
        FleetOpsError: an option, the scenario or the host names are wrong.
    """
    names = hostlist.expand(options.host_names) if options.host_names else None
    layout = build_layout(options.racks, options.hosts_per_rack, names)
    token = secret(None, options.scheduler_token_file, "scheduler_token")
    options.state_dir.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(
        FleetOptions(layout, options.seed, options.job_id), options.state_dir / "kmsg", clock
    )
    emulation = Emulation(fleet, load_scenario(options.scenario), clock)
    password_file, password = write_password(options.state_dir)

    rest = listen(options.port)
    controllers = [(listen(), device) for device in build_devices(fleet, clock)]
    devices = {port_of(listener): device for listener, device in controllers}
    listeners = {port_of(listener): listener for listener in (rest, *(c[0] for c in controllers))}
    with_scheduler = options.scheduler == "emulated"
    application = Application(
        emulation,
        RedfishService(devices, USERNAME, password),
        with_scheduler=with_scheduler,
        scheduler_token=token.get_secret_value() if token else None,
    )
    stop = _stop_event()
    content = describe_endpoints(
        emulation, devices, port_of(rest), password_file.resolve(), with_scheduler=with_scheduler
    )
    path = write_endpoints(options.state_dir, content)
    sys.stdout.write(f"emulator ready: {len(layout.hosts)} hosts, endpoints in {path}\n")
    sys.stdout.flush()
    await serve(application, emulation, listeners, stop)


def _stop_event() -> asyncio.Event:
    """Set by SIGTERM, SIGINT, or the end of standard input."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def watch() -> None:
        # os.read and a daemon thread: a blocked sys.stdin could not be left at exit
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
    return stop


def main(arguments: Sequence[str] | None = None) -> int:
    """The process. 0 when it was told to end, 2 when an option is wrong."""
    options = parse(arguments)
    try:
        asyncio.run(run(options, SystemClock()))
    except (FleetOpsError, OSError) as error:  # OSError: a port in use, a folder not writable
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
