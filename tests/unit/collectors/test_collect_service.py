"""The collect role over the real local bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.bus.local import LocalBus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig, Config
from fleetops.core.errors import ConfigError, TemporaryError
from fleetops.core.service import Service, run
from fleetops_collectors.runner.service import CollectService
from fleetops_schemas.records import CollectorReport, Event
from fleetops_schemas.topics import all_topics

LINE = "3,1,{},-;NVRM: Xid (PCI:0000:1b:00): 79, pid=1, GPU has fallen off the bus.\n"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[LocalBus]:
    opened = LocalBus(BusConfig(path=tmp_path / "bus.sqlite"), SystemClock())
    opened.ensure_topics(all_topics())
    yield opened
    opened.close()


def config(tmp_path: Path, **collector: object) -> Config:
    target = {
        "name": "node001", "host": "node001", "url": str(tmp_path / "node001.log"),
        "boot_time": "local", "devices": {"0000:1b:00": "gpu0"},
    }  # fmt: skip
    entry = {"kind": "kernel_log", "name": "klog", "interval_seconds": 0.2, "targets": [target]}
    return Config.model_validate(
        {
            "state_dir": tmp_path,
            "collectors": [{**entry, **collector}],
            "topology": [{"host": "node001", "rack": "r01"}],
        }
    )


def test_a_line_of_a_log_becomes_an_event_on_the_bus(tmp_path: Path, bus: LocalBus) -> None:
    (tmp_path / "node001.log").write_text("")
    clock = SystemClock()
    service = CollectService.create(config(tmp_path), bus.producer(), clock, "me")
    checked: Service = service
    stop = threading.Event()
    role = threading.Thread(target=run, args=(checked, stop, clock))
    role.start()
    time.sleep(0.6)
    with (tmp_path / "node001.log").open("a") as file:
        file.write(LINE.format(int(clock.monotonic() * 1e6)))
    reader = bus.reader(["fleetops.events"])
    deadline = time.monotonic() + 5
    events: list[Event] = []
    while not events and time.monotonic() < deadline:
        events = [Event.decode(message.value) for message in reader.poll(0.2)]
    stop.set()
    role.join(10)
    (event,) = events
    assert (event.device, event.code, event.host) == ("node001/gpu0", 79, "node001")
    assert abs((event.time - clock.now()).total_seconds()) < 5
    said = bus.reader(["fleetops.collectors", "fleetops.inventory"]).catch_up(5)
    assert [message.key for message in said if message.topic == "fleetops.inventory"] == ["node001"]
    reports = [CollectorReport.decode(m.value) for m in said if m.topic == "fleetops.collectors"]
    assert reports[-1].stopping
    assert reports[-1].instance == "me"
    assert not any(report.stopping for report in reports[:-1])


def test_it_closes_before_it_ever_ran(tmp_path: Path, bus: LocalBus) -> None:
    service = CollectService.create(config(tmp_path), bus.producer(), SystemClock())
    service.close()
    assert not service.turn()


def test_a_runner_that_ends_is_an_error_and_is_started_again(
    tmp_path: Path, bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = CollectService.create(config(tmp_path), bus.producer(), SystemClock())
    monkeypatch.setattr("fleetops_collectors.runner.runner.CollectorRunner._tick_for_ever", _broken)
    assert service.turn()
    assert service._thread is not None
    service._thread.join(5)
    with pytest.raises(TemporaryError, match="the collectors stopped: OSError"):
        service.turn()
    monkeypatch.undo()
    assert service.turn()
    assert not service.turn()
    service.close()
    service.close()


async def _broken(self: object) -> None:
    raise OSError("the state folder failed")


def test_a_wrong_configuration_never_starts(tmp_path: Path, bus: LocalBus) -> None:
    with pytest.raises(ConfigError, match=r"collectors\.0 \(klog\): start: "):
        CollectService.create(config(tmp_path, start="yesterday"), bus.producer(), SystemClock())
    wrong = config(tmp_path, faults_file=str(tmp_path / "absent.yaml"))
    service = CollectService.create(wrong, bus.producer(), SystemClock())
    with pytest.raises(ConfigError, match=r"klog: faults_file: .*absent.yaml: cannot read"):
        service.turn()
