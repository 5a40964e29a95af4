"""Runs the emulator as a process of its own: ``python -m fleetops.emulator``.

It ends when its standard input closes (its parent is gone) or on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from fleetops.core.clock import SystemClock
from fleetops.core.errors import FleetOpsError
from fleetops.emulator.process import Options, run

EXIT_USAGE = 2


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser("python -m fleetops.emulator", description=__doc__)
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="endpoints.json and other files go here"
    )
    parser.add_argument("--cluster", default="demo", help="a cluster or a platform by name")
    parser.add_argument("--scale", type=int, help="about how many hosts; all without it")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same fleet")
    parser.add_argument("--tick-seconds", type=float, default=0.25)
    parser.add_argument("--scenario", help="name or YAML file")
    parser.add_argument(
        "--fault", dest="faults", action="append", default=[], help="kind, or a fault as JSON"
    )
    parser.add_argument(
        "--waits", action="store_true", help="faults strike after POST /control/start"
    )
    parser.add_argument("--host-names", help="hostlist of the compute hosts: n[0-31]")
    parser.add_argument("--first-job-id", type=int, default=81)
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
    parser.add_argument(
        "--variant", dest="variants", action="append", default=[], help="INTERFACE=SHAPE"
    )
    values = vars(parser.parse_args(arguments))
    values["with_scheduler"] = values.pop("scheduler") == "emulated"
    for name in ("faults", "variants"):
        values[name] = tuple(values[name])
    return Options(**values)


async def _run(options: Options) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        # os.read and a daemon thread: a blocked sys.stdin could not be left at exit
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
    await run(options, SystemClock(), stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process. 0 when it was told to end, 2 when an option is wrong."""
    options = parse(arguments)
    try:
        asyncio.run(_run(options))
    except (FleetOpsError, OSError) as error:  # OSError: a port in use, a folder not writable
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
