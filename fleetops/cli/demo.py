"""``fleetops demo``: the whole product over an emulated fleet, while a fault happens."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from fleetops.api.client import Client
from fleetops.cli.context import CliContext
from fleetops.cli.line import Line
from fleetops.cli.roles import ROLES
from fleetops.cli.story import headline
from fleetops.core.clock import SystemClock
from fleetops.core.config import Config, load_config
from fleetops.core.errors import ConfigError, FleetOpsError, TemporaryError
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.scenario import (
    DEFAULT_SCENARIO,
    Scenario,
    list_scenarios,
    load_scenario,
    scenario_of,
)
from fleetops.evaluate.demo_config import (
    acts_on_emulated_nodes,
    webhook_secret,
    write_demo_config,
)
from fleetops.evaluate.emulated_fleet import EmulatedFleet
from fleetops.evaluate.receiver import WebhookReceiver
from fleetops.evaluate.watch import Watch
from fleetops_schemas.records import ActionKind

READY_SECONDS = 60.0
LOOK_SECONDS = 0.5
PUT_BACK_SECONDS = 30.0


def demo(
    context: typer.Context,
    scenario: Annotated[
        str | None, typer.Option(help=f"Name, or a YAML file; {DEFAULT_SCENARIO} by default.")
    ] = None,
    cluster: Annotated[
        str, typer.Option(help="A cluster or a platform; `fleetops emulate --list` names them.")
    ] = "demo",
    scale: Annotated[
        int, typer.Option(min=1, help="About how many hosts of the cluster to emulate.")
    ] = 32,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of a scenario: a kind (`fleetops emulate --list-faults`), or JSON "
            '{"kind": ..., "target": {...}}. Nothing is stated about what must come of it.'
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Name the scenarios and stop.")] = False,
    headless: Annotated[
        bool, typer.Option(help="No page; JSON lines on stdout; exit 0 only on the outcome.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=10, max=3600, help="Seconds until a headless run gives up.")
    ] = 180.0,
    seed: Annotated[int, typer.Option(help="Seed of the emulated fleet.")] = 1,
    host_names: Annotated[
        str | None, typer.Option(help="Hostlist of the emulated hosts, as the scheduler has them.")
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(help="Id of the training job on the real scheduler.")
    ] = None,
    state_dir: Annotated[Path, typer.Option(help="Emptied first.")] = Path(".fleetops/demo"),
) -> None:
    """Watch a fault happen, be found, be explained, and the right node drained.

    The hardware is emulated. With --config, bus, store and scheduler are the real ones named there.
    """
    if show:
        for one in list_scenarios():
            sys.stdout.write(f"{one.name:22} {one.title}\n")
        return
    cli: CliContext = context.obj
    arguments = ["--cluster", cluster, "--scale", str(scale), "--seed", str(seed), "--waits"]
    arguments += ["--host-names", host_names] if host_names else []
    arguments += ["--first-job-id", job_id] if job_id else []
    if fault and scenario:
        raise ConfigError("--scenario and --fault are given; a demonstration shows one of them")
    if fault:
        story = scenario_of(fault)
        for struck in story.faults:
            arguments += ["--fault", struck.model_dump_json(exclude_defaults=True)]
    else:
        story = load_scenario(scenario or DEFAULT_SCENARIO)
        arguments += ["--scenario", scenario or DEFAULT_SCENARIO]
    teller = _Teller(headless)
    with _Demonstration(story, arguments, state_dir, cli.config_path, teller) as running:
        came_true = running.run(headless=headless, timeout_seconds=timeout)
    if headless and not came_true:
        raise SystemExit(1)


class _Teller:
    """Tells a person in words on stderr, or a program in JSON lines on stdout."""

    def __init__(self, headless: bool) -> None:
        self._headless = headless
        self._began = time.monotonic()

    def __call__(self, event: str, facts: dict[str, Any]) -> None:
        if self._headless:
            moment = datetime.now(UTC).isoformat(timespec="milliseconds")
            sys.stdout.write(
                orjson.dumps({"time": moment, "event": event, **facts}).decode() + "\n"
            )
            sys.stdout.flush()
        else:
            sys.stderr.write(f"{time.monotonic() - self._began:6.1f} s  {headline(event, facts)}\n")
            sys.stderr.flush()

    def step(self, text: str) -> None:
        """A step of the start."""
        self("step", {"text": text})


class _Demonstration:
    """One scenario over one line."""

    def __init__(
        self,
        scenario: Scenario,
        arguments: list[str],
        state_dir: Path,
        base_config: Path | None,
        tell: _Teller,
    ) -> None:
        self._scenario = scenario
        self._state_dir = _emptied(state_dir)
        self._base_config = base_config
        self._tell = tell
        self._clock = SystemClock()
        self._interrupted = False
        self._open = ExitStack()
        self._fleet = EmulatedFleet(self._state_dir / "fleet", arguments)

    def __enter__(self) -> _Demonstration:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        self._open.callback(self._fleet.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True

    def run(self, *, headless: bool, timeout_seconds: float) -> bool:
        """Runs it; whether the outcome came true. A page stays up until Ctrl-C."""
        deadline = self._clock.monotonic() + timeout_seconds
        self._tell.step(f"starting the emulated fleet: {self._scenario.title}")
        endpoints = self._fleet.start()
        secret = webhook_secret(self._state_dir)
        receiver = WebhookReceiver(secret, self._heard)
        self._open.callback(receiver.close)
        path = write_demo_config(self._base_config, self._state_dir, endpoints, receiver.url)
        config = load_config(path)
        line, kill = self._start_line(config, path, headless)
        client = self._open.enter_context(Client(config.client))
        self._wait_for_data(client, line, with_jobs=bool(endpoints.jobs))
        if not headless:
            page = f"http://{config.dashboard.host}:{config.dashboard.port}"
            self._tell("page", {"url": page, "config": str(path)})
        hosts = [placement.host for placement in endpoints.topology]
        stated = self._scenario.outcome
        outcome = stated.resolve(hosts) if stated else None
        watch = Watch(client, self._clock, outcome, self._tell)
        watch.begin()
        self._fleet.begin(endpoints)
        self._tell("scenario.begin", {"scenario": self._scenario.name})
        came_true = self._watch(watch, line, kill, deadline)
        if outcome is None:
            self._tell("truth", {"faults": self._fleet.truth(endpoints)["faults"]})
        if not acts_on_emulated_nodes(config):
            self._put_back(client, watch)
        if not headless:
            self._tell.step("the pages stay up; stop with Ctrl-C")
            while not (self._interrupted or line.wait(0.5)):
                pass
        return came_true

    def _start_line(
        self, config: Config, path: Path, headless: bool
    ) -> tuple[Line, dict[str, Callable[[], None]]]:
        """The line; and for collectors that the scenario kills, how to kill them."""
        doomed = {_collector(fault.target) for fault in self._scenario.harness_faults}
        kept = {str(one["name"]) for one in config.collectors} - doomed
        roles = [role for role in ROLES if not (headless and role == "dashboard")]
        line = self._open.enter_context(Line(config, roles, config_path=path, collectors=kept))
        line.start(self._tell.step)
        kill = {}
        for name in doomed:
            process = self._open.enter_context(_collector_process(path, name))
            kill[name] = process.kill
        return line, kill

    def _wait_for_data(self, client: Client, line: Line, *, with_jobs: bool) -> None:
        """Until every host has been seen: a baseline to compare with."""
        self._tell.step("waiting for the first data of every host")
        deadline = self._clock.monotonic() + READY_SECONDS
        while self._clock.monotonic() < deadline and not self._interrupted:
            if _all_seen(client, with_jobs=with_jobs):
                return
            if line.wait(LOOK_SECONDS):
                raise FleetOpsError(f"the line ended: {line.failure or 'stopped'}")
        raise FleetOpsError(
            f"after {READY_SECONDS:.0f} s not every host has sent data; "
            f"see {self._state_dir}/fleet/emulator.log"
        )

    def _watch(
        self,
        watch: Watch,
        line: Line,
        kill: dict[str, Callable[[], None]],
        deadline: float,
    ) -> bool:
        began = self._clock.monotonic()
        due = sorted(self._scenario.harness_faults, key=lambda fault: fault.at_seconds)
        while not self._interrupted and self._clock.monotonic() < deadline:
            while due and self._clock.monotonic() - began >= due[0].at_seconds:
                name = _collector(due.pop(0).target)
                kill[name]()
                self._tell("fault", {"text": f"collector {name} killed"})
            seen = watch.look()
            if seen is not None:
                self._finish(watch, seen)
                return seen
            if line.wait(LOOK_SECONDS):
                raise FleetOpsError(f"the line ended: {line.failure or 'stopped'}")
        if watch.outcome is None:
            return True
        self._finish(watch, False)
        return False

    def _finish(self, watch: Watch, came_true: bool) -> None:
        facts: dict[str, Any] = {"outcome": came_true, "scenario": self._scenario.name}
        if not came_true:
            facts["mismatches"] = watch.mismatches()
        self._tell("scenario.end", facts)

    def _put_back(self, client: Client, watch: Watch) -> None:
        """On a real scheduler, what the scenario drained is put back."""
        drained = sorted(watch.drained())
        if not drained:
            return
        client.request_action(ActionKind.UNDRAIN, drained, "end of the demonstration")
        deadline = self._clock.monotonic() + PUT_BACK_SECONDS
        while watch.drained() and self._clock.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._tell("put_back", {"nodes": drained, "still_drained": sorted(watch.drained())})

    def _heard(self, event: dict[str, Any]) -> None:
        self._tell("webhook", {"type": event["type"], "id": event["id"]})


def _all_seen(client: Client, *, with_jobs: bool) -> bool:
    try:
        counts = client.fleet().counts
        there = bool(client.jobs().items) or not with_jobs
        return bool(counts.hosts and not counts.stale and there)
    except TemporaryError:  # it is starting
        return False


@contextmanager
def _collector_process(config: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "fleetops.cli.main", "--config", str(config)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, "run", "collect", "--only", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _collector(target: Target) -> str:
    return str(target.collector)


def _emptied(folder: Path) -> Path:
    """The folder, new. Only one that a demonstration made is ever emptied."""
    mark = folder / ".demonstration"
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            raise FleetOpsError(f"{folder} is not empty and not a demonstration's; choose another")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return folder
