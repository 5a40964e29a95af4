from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetops.bus.dead_letter import list_dead_letters
from fleetops.bus.local import LocalBus
from fleetops.core.clock import ManualClock
from fleetops.core.config import BusConfig, DetectConfig
from fleetops.core.errors import BusUnavailableError, ConfigError
from fleetops.detect.service import DetectService, load_detectors
from fleetops_schemas import topics
from fleetops_schemas.identity import DeviceIdentity, InventoryDevice
from fleetops_schemas.records import Event, Finding, Incident, IncidentStatus, Verdict
from fleetops_schemas.telemetry import encode_batch
from fleetops_schemas.topology import Topology
from tests.unit.detect.support import START, Batch, event, fleet, ranks, report, rows

CONFIG = DetectConfig(correlation_seconds=3, resolve_after_seconds=20)
HOSTS = [f"node{n:03d}" for n in range(1, 9)]


class Line:
    """A local bus, a clock, and a detector that can be killed and started again."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock(START)
        self.bus = LocalBus(BusConfig(path=path / "bus.sqlite"), self.clock)
        self.bus.ensure_topics(topics.all_topics())
        self.producer = self.bus.producer()
        self.topology: Topology = fleet(16)
        self.service = self.start()

    def start(self) -> DetectService:
        return DetectService(self.bus, self.clock, CONFIG, self.topology)

    @property
    def second(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def send(self, *batches: Batch) -> None:
        for header, batch in batches:
            topic = topics.telemetry_topic(header.device_class).name
            self.producer.send(topic, "r01", encode_batch(batch), header.to_headers())
        self.producer.flush(5)

    def send_event(self, one: Event) -> None:
        self.producer.send(topics.EVENTS.name, one.host, one.encode())
        self.producer.flush(5)

    def tick(self) -> None:
        self.service.turn()
        self.clock.advance(1.0)

    def run(self, seconds: int, feed: Callable[[float], list[Batch]] | None = None) -> None:
        for _ in range(seconds):
            if feed is not None:
                self.send(*feed(self.second))
            self.tick()

    def kill(self) -> None:
        """As kill -9: nothing more is committed; what the process held is free for a new one."""
        self.service.close()
        self.service = self.start()

    def incidents(self) -> dict[str, Incident]:
        with self.bus.reader([topics.INCIDENTS.name]) as reader:
            return {m.key: Incident.decode(m.value) for m in reader.catch_up(5)}

    def findings(self) -> list[Finding]:
        with self.bus.reader([topics.FINDINGS.name]) as reader:
            return [Finding.decode(m.value) for m in reader.catch_up(5)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.service.close()
    made.producer.close()
    made.bus.close()


def hot(second: float) -> list[Batch]:
    gpus = {
        f"{host}/gpu{n}": {
            "temperature_celsius": 96.0 if host == "node005" else 61.0,
            "throttle_reasons": 0x60 if host == "node005" else 0,
        }
        for host in HOSTS
        for n in range(2)
    }
    flow = {
        host: {"coolant_flow_litres_per_minute": 2.0 if host == "node005" else 9.4}
        for host in HOSTS
    }
    return [rows("accelerator", second, gpus), rows("host", second, flow)]


def test_from_telemetry_to_one_incident(line: Line) -> None:
    line.run(20, hot)
    (incident,) = line.incidents().values()
    assert incident.kind == "cold_plate_restricted"
    assert incident.suspect_hosts == ("node005",)
    assert {f.kind for f in line.findings()} == {
        "accelerator_hot",
        "accelerator_throttled",
        "host_coolant_flow_low",
    }


def test_an_event_becomes_an_incident_in_seconds(line: Line) -> None:
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    line.run(6)
    (incident,) = line.incidents().values()
    assert incident.suspect_hosts == ("node003",)
    assert incident.cause_device == "node003/gpu2"


@pytest.mark.parametrize("kill_at", range(0, 20, 3))
def test_killed_at_any_moment_it_opens_one_incident(line: Line, kill_at: int) -> None:
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    for second in range(25):
        line.send(*hot(line.second))
        if second == kill_at:
            line.service.turn()
            line.kill()
        line.tick()
    found = list(line.incidents().values())
    assert sorted(i.kind for i in found) == ["accelerator_fallen_off_bus", "cold_plate_restricted"]
    assert all(incident.status is IncidentStatus.OPEN for incident in found)


def test_killed_between_publishing_and_committing_it_tells_nothing_twice(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    line.run(2)

    def fail() -> None:
        raise BusUnavailableError("away")

    line.clock.advance(5)
    monkeypatch.setattr(line.service._consumer, "commit", fail)
    with pytest.raises(BusUnavailableError):
        line.service.turn()
    assert len(line.incidents()) == 1
    line.kill()
    line.run(20)
    assert len(line.incidents()) == 1


def test_what_the_bus_did_not_take_is_told_later(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    flush = line.service._producer.flush

    def fail(timeout_seconds: float) -> None:
        raise BusUnavailableError(f"away for {timeout_seconds} s")

    monkeypatch.setattr(line.service._producer, "flush", fail)
    for _ in range(8):
        with pytest.raises(BusUnavailableError):
            line.service.turn()
        line.clock.advance(1.0)
    monkeypatch.setattr(line.service._producer, "flush", flush)
    line.run(8)
    assert len(line.incidents()) == 1
    assert {f.kind for f in line.findings()} == {"accelerator_fallen_off_bus"}


def test_a_job_with_a_long_stage_drains_nobody(line: Line) -> None:
    def feed(second: float) -> list[Batch]:
        compute = {host: [1.4 if index >= 4 else 1.0] * 4 for index, host in enumerate(HOSTS)}
        return [ranks(second, int(second), compute, stage_size=16)]

    line.run(25, feed)
    (incident,) = line.incidents().values()
    assert (incident.verdict, incident.suspect_hosts) == (Verdict.JOB, ())


def test_a_collector_outage_is_one_incident_that_ends(line: Line) -> None:
    def beat() -> None:
        one = report("dcgm", line.second)
        line.producer.send(topics.COLLECTORS.name, one.collector, one.encode())

    for _ in range(5):
        beat()
        line.run(1, hot_free)
    line.run(20)
    (incident,) = line.incidents().values()
    assert (incident.verdict, incident.suspect_hosts) == (Verdict.COLLECTOR, ())
    line.kill()
    line.run(5)
    assert len(line.incidents()) == 1
    for _ in range(30):
        beat()
        line.run(1, hot_free)
    (incident,) = line.incidents().values()
    assert incident.status is IncidentStatus.RESOLVED


def hot_free(second: float) -> list[Batch]:
    values = {f"{host}/gpu0": {"temperature_celsius": 60.0} for host in HOSTS}
    return [rows("accelerator", second, values, collector="dcgm")]


def test_poison_goes_to_the_dead_letter_and_the_rest_goes_on(line: Line) -> None:
    line.producer.send(topics.EVENTS.name, "node001", b"{not json")
    line.producer.send(topics.telemetry_topic("accelerator").name, "r01", b"\x00", {"x": "y"})
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    line.run(6)
    letters = list_dead_letters(line.bus)
    assert {letter.topic for letter in letters} == {
        "fleetops.events",
        "fleetops.telemetry.accelerator",
    }
    assert all(letter.reason.startswith("undecodable: ") for letter in letters)
    assert len(line.incidents()) == 1


def test_a_backlog_blames_nobody(line: Line) -> None:
    for second in range(20):
        line.send(*hot(second))
    line.clock.advance(3600)
    line.run(10)
    assert line.incidents() == {}


def test_the_inventory_is_learned_from_the_bus(line: Line) -> None:
    placement = fleet(1).get("node001")
    assert placement is not None
    moved = placement.model_copy(update={"host": "fresh01", "coolant_loop": "cdu9"})
    value = moved.model_dump_json().encode()
    line.producer.send(topics.INVENTORY.name, "fresh01", value)
    line.producer.flush(5)
    line.run(2)
    assert "fresh01" in line.topology
    line.send_event(event("accelerator_fallen_off_bus", "fresh01/gpu2", 0, code=79))
    line.run(6)
    (incident,) = line.incidents().values()
    assert incident.suspect_hosts == ("fresh01",)


def test_detectors_are_chosen_and_set_by_configuration() -> None:
    everything = [detector.name for detector in load_detectors({})]
    assert everything == [
        "absence",
        "fault_events",
        "inventory",
        "leaks",
        "power_sums",
        "stragglers",
        "thresholds",
    ]
    rest = load_detectors({"leaks": {"enabled": False}, "absence": {"intervals": 5}})
    assert [detector.name for detector in rest] == [n for n in everything if n != "leaks"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lekas": {}}, "no detector named 'lekas'; installed: absence"),
        ({"leaks": {"confirm": 3}}, r"detect\.detectors\.leaks: confirm: unknown key"),
        ({"absence": {"intervals": 0}}, r"detect\.detectors\.absence: intervals"),
    ],
)
def test_wrong_settings_say_where(options: dict[str, dict[str, object]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_detectors(options)


def test_a_detector_that_is_turned_off_leaves_nothing_open(line: Line) -> None:
    line.send_event(event("accelerator_fallen_off_bus", "node003/gpu2", 0, code=79))
    line.run(6)
    config = CONFIG.model_copy(update={"detectors": {"fault_events": {"enabled": False}}})
    line.service.close()
    line.service = DetectService(line.bus, line.clock, config, line.topology)
    line.run(25)
    (incident,) = line.incidents().values()
    assert incident.status is IncidentStatus.RESOLVED


def identity(line: Line, **words: str) -> None:
    one = DeviceIdentity.model_validate(
        {
            "device": "node001/gpu5",
            "device_class": "accelerator",
            "host": "node001",
            "source": "nvml",
            "observed_at": line.clock.now(),
            **words,
        }
    )
    line.producer.send(topics.IDENTITIES.name, one.key, one.encode())
    line.producer.flush(5)


def test_a_swapped_part_is_one_event_and_the_inventory_shows_the_new_one(line: Line) -> None:
    identity(line, serial="165")
    line.run(3)
    line.kill()
    identity(line, serial="999")
    line.run(3)
    line.kill()
    line.run(2)
    with line.bus.reader([topics.EVENTS.name]) as reader:
        events = [Event.decode(message.value) for message in reader.catch_up(5)]
    assert [(one.kind, one.device) for one in events] == [("part_swapped", "node001/gpu5")]
    with line.bus.reader([topics.DEVICES.name]) as reader:
        devices = [InventoryDevice.decode(message.value) for message in reader.catch_up(5)]
    assert [one.serial for one in devices] == ["165", "999"]
    assert line.incidents() == {}


def test_sources_that_disagree_are_a_finding_that_ends_when_they_agree(line: Line) -> None:
    identity(line, uuid="GPU-1")
    identity(line, source="redfish", uuid="2")
    line.run(2)
    identity(line, source="redfish", uuid="1")
    line.run(2)
    said = [(one.kind, one.status.value, one.device) for one in line.findings()]
    assert said == [
        ("inventory_conflict", "firing", "node001/gpu5"),
        ("inventory_conflict", "cleared", "node001/gpu5"),
    ]
    assert line.incidents() == {}
