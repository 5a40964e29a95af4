"""The runner: a dead target harms nobody, everything arrives, and silence is announced."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetops.core.clock import Clock, SystemClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.collector_config import ConfiguredCollector, parse_collectors
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.records import CollectorReport, Event, TargetReport
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topology import HostPlacement, Topology
from tests.unit.collectors.collect_support import (
    Behaviour,
    ScriptedCollector,
    SwitchedPublisher,
    scripted,
    temperature,
)

HOSTS = Topology(HostPlacement(host=f"n{n}", rack="r0") for n in range(4))
TARGETS = [Target(name=f"n{n}", host=f"n{n}") for n in range(4)]


def answer(target: Target, clock: Clock) -> Scrape:
    return Scrape(target, clock.now(), readings=[temperature(f"{target.name}/gpu0")])


class Run:
    """One runner on a publisher that can go away."""

    def __init__(self, folder: Path, *configs: ConfiguredCollector) -> None:
        self.bus = SwitchedPublisher()
        self.runner = CollectorRunner(
            configs,
            publisher=self.bus,
            topology=HOSTS,
            clock=SystemClock(),
            settings=RunnerSettings(folder, "here-1", batch_seconds=0.3, tick_seconds=0.05),
        )

    def for_seconds(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        async def main() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.call_later(seconds / 2, meanwhile)
            loop.call_later(seconds, stop.set)
            await self.runner.run(stop)

        asyncio.run(main())

    def reports(self) -> list[CollectorReport]:
        return [
            CollectorReport.decode(value)
            for topic, _, value, _ in self.bus.sent
            if topic == "fleetops.collectors"
        ]

    def devices(self) -> list[str]:
        found: list[str] = []
        for topic, _, value, headers in self.bus.sent:
            if topic.startswith("fleetops.telemetry."):
                found += decode_batch(value, headers)[1].column("device").to_pylist()
        return found


def test_once_reads_every_target_and_sends_a_message_a_rack(tmp_path: Path) -> None:
    run = Run(tmp_path, scripted(answer, TARGETS))
    attempts = asyncio.run(run.runner.run_once())
    assert [attempt.error for attempt in attempts] == ["", "", "", ""]
    assert run.bus.keys("fleetops.telemetry.accelerator") == ["r0"]
    assert sorted(run.devices()) == ["n0/gpu0", "n1/gpu0", "n2/gpu0", "n3/gpu0"]


def test_a_hanging_target_delays_nobody(tmp_path: Path) -> None:
    def behave(target: Target, clock: Clock) -> Scrape | float:
        return 60.0 if target.name == "n0" else answer(target, clock)

    run = Run(tmp_path, scripted(behave, TARGETS, deadline_seconds=0.2, concurrency=2))
    began = time.monotonic()
    attempts = asyncio.run(run.runner.run_once())
    assert time.monotonic() - began < 1.5
    assert [attempt.error for attempt in attempts] == ["no answer within 0.2 s", "", "", ""]
    assert len(run.devices()) == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TemporaryError("n0: connection refused"), "n0: connection refused"),
        (InputError("n0: HTML instead of JSON"), "n0: HTML instead of JSON"),
        (ZeroDivisionError("a mistake in a plug-in"), "ZeroDivisionError: a mistake in a plug-in"),
    ],
)
def test_a_failing_target_is_reported_and_the_others_go_on(
    tmp_path: Path, error: Exception, said: str
) -> None:
    def behave(target: Target, clock: Clock) -> Scrape | Exception:
        return error if target.name == "n0" else answer(target, clock)

    run = Run(tmp_path, scripted(behave, TARGETS))
    asyncio.run(run.runner.run_once())
    states = {target.target: target for target in run.reports()[-1].targets}
    assert (states["n0"].up, states["n0"].error) == (False, said)
    assert states["n0"].last_success_at is None
    assert all(states[f"n{n}"].up for n in (1, 2, 3))
    assert states["n1"].devices == ("n1/gpu0",)


def test_the_cap_over_all_targets_holds(tmp_path: Path) -> None:
    running = most = 0

    class Counting:
        def __call__(self, target: Target, clock: Clock) -> float:
            nonlocal running, most
            running += 1
            most = max(most, running)
            asyncio.get_running_loop().call_later(0.02, self.done)
            return 0.02

        def done(self) -> None:
            nonlocal running
            running -= 1

    many = [Target(name=f"t{n}", host=f"n{n % 4}") for n in range(30)]
    run = Run(tmp_path, scripted(Counting(), many, concurrency=5))
    asyncio.run(run.runner.run_once())
    assert most <= 6


def test_running_it_reads_again_and_again_and_says_good_bye(tmp_path: Path) -> None:
    run = Run(tmp_path, scripted(answer, TARGETS, interval_seconds=0.2))
    run.for_seconds(1.6)
    assert run.devices().count("n2/gpu0") >= 3
    assert sorted(run.bus.keys("fleetops.inventory")) == ["n0", "n1", "n2", "n3"]
    reports = run.reports()
    assert [report.stopping for report in reports[:-1]] == [False] * (len(reports) - 1)
    assert len(reports) >= 3
    assert reports[-1].stopping
    assert reports[-1].collector == "scripted"
    assert reports[-1].instance == "here-1"
    assert all(isinstance(target, TargetReport) and target.up for target in reports[-1].targets)


def test_a_dead_target_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    tries: list[float] = []

    def behave(target: Target, clock: Clock) -> Exception:
        tries.append(clock.monotonic())
        return TemporaryError("no route to host")

    run = Run(tmp_path, scripted(behave, TARGETS[:1], interval_seconds=0.1))
    run.for_seconds(2.0)
    assert 4 <= len(tries) <= 12


def test_what_is_read_while_the_bus_is_away_arrives_when_it_is_back(tmp_path: Path) -> None:
    event = Event.model_validate(
        {
            "id": "e1", "time": "2026-01-01T00:00:00Z", "observed_at": "2026-01-01T00:00:00Z",
            "host": "n0", "device": "n0/gpu0", "device_class": "accelerator",
            "source": "kernel_log", "kind": "accelerator_fallen_off_bus", "code": 79,
            "severity": "critical", "text": "x",
        }
    )  # fmt: skip
    sent = 0

    def behave(target: Target, clock: Clock) -> Scrape:
        nonlocal sent
        scrape = answer(target, clock)
        scrape.events = [event.model_copy(update={"id": f"e{sent}"})]
        sent += 1
        return scrape

    run = Run(tmp_path, scripted(behave, TARGETS[:1], interval_seconds=0.2))
    run.bus.away = True
    run.for_seconds(1.0)
    assert run.bus.sent == []
    again = Run(tmp_path, scripted(answer, []))
    asyncio.run(again.runner.run_once())
    ids = [Event.decode(value).id for topic, _, value, _ in again.bus.sent if "events" in topic]
    assert ids == [f"e{number}" for number in range(sent)]
    assert len(again.devices()) == sent


def test_cursors_are_kept_behind_what_came_with_them(tmp_path: Path) -> None:
    log = tmp_path / "n0.log"
    entry = {
        "kind": "kernel_log", "name": "klog", "start": "beginning", "interval_seconds": 0.1,
        "targets": [{"name": "n0", "host": "n0", "url": str(log)}],
    }  # fmt: skip
    line = "3,1,1,-;NVRM: Xid (PCI:0000:1b:00): {}, x\n"
    log.write_text(line.format(79))
    state = tmp_path / "state"
    for code in (48, 64, 95):
        run = Run(state, *parse_collectors([entry]))
        asyncio.run(run.runner.run_once())
        codes = [Event.decode(v).code for topic, _, v, _ in run.bus.sent if "events" in topic]
        assert codes == [79 if code == 48 else {64: 48, 95: 64}[code]]
        with log.open("a") as file:
            file.write(line.format(code))


def test_a_collector_that_cannot_close_keeps_no_other_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise OSError("no route to host")

    run = Run(tmp_path, scripted(answer, TARGETS[:1]), scripted(answer, TARGETS[1:2], name="two"))
    first, second = (supervisor.collector for supervisor in run.runner._supervisors)
    monkeypatch.setattr(first, "close", fail)
    asyncio.run(run.runner.run_once())
    assert isinstance(second, ScriptedCollector)
    assert second.closed
    assert run.reports()[-1].stopping


def test_a_disk_that_fails_keeps_no_collector_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(messages: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    run = Run(tmp_path, scripted(answer, TARGETS[:1]))
    monkeypatch.setattr(run.runner._outbox, "deliver", fail)
    with pytest.raises(OSError, match="input/output error"):
        run.for_seconds(5)
    (supervisor,) = run.runner._supervisors
    assert isinstance(supervisor.collector, ScriptedCollector)
    assert supervisor.collector.closed


def test_once_that_is_broken_off_keeps_no_collector_open(tmp_path: Path) -> None:
    run = Run(tmp_path, scripted(lambda target, clock: 60.0, TARGETS[:1], deadline_seconds=60))

    async def main() -> None:
        async with asyncio.timeout(0.2):
            await run.runner.run_once()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    (supervisor,) = run.runner._supervisors
    assert isinstance(supervisor.collector, ScriptedCollector)
    assert supervisor.collector.closed


def test_a_changed_topology_is_published(tmp_path: Path) -> None:
    run = Run(tmp_path, scripted(answer, TARGETS))
    moved = Topology([HostPlacement(host="n0", rack="r0"), HostPlacement(host="n9", rack="r4")])

    async def main() -> None:
        await run.runner.update_topology(moved)
        await run.runner.run_once()

    asyncio.run(main())
    assert run.bus.keys("fleetops.inventory") == ["n9"]


def test_devices_that_come_and_go_with_a_job_are_not_reported(tmp_path: Path) -> None:
    def behave(target: Target, clock: Clock) -> Scrape:
        rank = temperature(f"{target.name}/job1/rank0")._replace(
            device_class="training_rank", metric="step_seconds", unit="s"
        )
        return Scrape(target, clock.now(), readings=[rank, temperature(f"{target.name}/gpu0")])

    run = Run(tmp_path, scripted(behave, TARGETS[:1]))
    asyncio.run(run.runner.run_once())
    (target,) = run.reports()[-1].targets
    assert target.devices == ("n0/gpu0",)


def test_three_thousand_targets_in_one_process(tmp_path: Path) -> None:
    targets = [Target(name=f"h{n}", host=f"h{n}", rack=f"r{n // 32}") for n in range(3000)]

    def behave(target: Target, clock: Clock) -> Scrape:
        readings = [temperature(f"{target.name}/gpu{gpu}") for gpu in range(8)]
        return Scrape(target, clock.now(), readings=readings)

    behaviour: Behaviour = behave
    run = Run(tmp_path, scripted(behaviour, targets, concurrency=256))
    attempts = asyncio.run(run.runner.run_once())
    assert not [attempt for attempt in attempts if attempt.error]
    assert len(run.bus.keys("fleetops.telemetry.accelerator")) == 94
    assert len(run.devices()) == 24_000


def test_identities_are_sent_once_and_again_when_they_change(tmp_path: Path) -> None:
    serials = iter(["1", "1", "2", "2", "2"])

    def behave(target: Target, clock: Clock) -> Scrape:
        scrape = answer(target, clock)
        scrape.identities.append(
            DeviceIdentity(
                device="n0/gpu0",
                device_class="accelerator",
                source="nvml",
                serial=next(serials, "2"),
                observed_at=clock.now(),
            )
        )
        return scrape

    run = Run(tmp_path, scripted(behave, TARGETS[:1], interval_seconds=0.1))
    run.for_seconds(1.5)
    told = [
        (key, DeviceIdentity.decode(value).serial)
        for topic, key, value, _ in run.bus.sent
        if topic == "fleetops.identities"
    ]
    assert told == [("nvml:n0/gpu0", "1"), ("nvml:n0/gpu0", "2")]
