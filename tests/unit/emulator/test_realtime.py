"""A fleet beside the clock: ticks that are owed, a scenario that starts once, and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.realtime import MAX_TICKS_AT_ONCE, Emulation
from fleetops.emulator.scenario import load_scenario
from fleetops.emulator.scheduler import EmulatedScheduler, HeldNodes
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of

TICK = 0.5


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make(
    clock: ManualClock, faults: Sequence[Fault] = (), hosts: int = 12, tick: float = TICK
) -> Emulation:
    site = build_site(cluster_of("demo"), hosts)
    options = FleetOptions(site, tick_seconds=tick, warm_up_seconds=60.0)
    schedule = FaultSchedule(options)
    fleet = Fleet(options, schedule.disturb)
    held = [
        HeldNodes(job.id, job.workload.name, tuple(site.hosts[host] for host in job.hosts))
        for job in fleet.state.jobs.jobs
    ]
    scheduler = EmulatedScheduler(site.hosts, held, clock)
    return Emulation(fleet, schedule, scheduler, faults, clock)


class TestTime:
    def test_it_takes_the_ticks_that_the_clock_owes(self, clock: ManualClock) -> None:
        emulation = make(clock)
        assert emulation.catch_up() == 0
        assert emulation.wait_seconds == TICK
        clock.advance(0.4)
        assert emulation.catch_up() == 0
        assert emulation.wait_seconds == pytest.approx(0.1)
        clock.advance(1.2)
        assert emulation.catch_up() == 3
        assert emulation.fleet.ticks == 3
        assert emulation.wait_seconds == pytest.approx(0.4), "what was left of a tick is kept"
        clock.advance(0.45)
        assert emulation.catch_up() == 1
        clock.advance(0.7)
        assert emulation.wait_seconds == 0.0

    def test_over_long_it_loses_no_tick(self, clock: ManualClock) -> None:
        emulation = make(clock, hosts=1)
        taken = 0
        for _ in range(100):
            clock.advance(0.375)
            taken += emulation.catch_up()
        assert taken == emulation.fleet.ticks == int(37.5 / TICK)

    def test_time_lost_in_a_suspension_is_let_go(self, clock: ManualClock) -> None:
        emulation = make(clock, hosts=1)
        clock.advance(3600.0)
        assert emulation.catch_up() == MAX_TICKS_AT_ONCE
        assert emulation.catch_up() == 0
        clock.advance(TICK)
        assert emulation.catch_up() == 1
        assert emulation.fleet.ticks == MAX_TICKS_AT_ONCE + 1


class TestScenario:
    def test_its_clock_starts_on_request_and_once(self, clock: ManualClock) -> None:
        emulation = make(clock, load_scenario("cold_plate_clog").faults)
        clock.advance(8.0)
        emulation.catch_up()
        assert emulation.truth()["faults"] == []
        assert emulation.elapsed_seconds is None
        assert emulation.truth()["started_at"] is None

        assert emulation.start()
        assert not emulation.start()
        assert emulation.started_at == clock.now()
        clock.advance(9.5)
        emulation.catch_up()
        (fault,) = emulation.truth()["faults"]
        assert fault["target"]["host"] == "node007"
        assert not fault["active"]
        assert fault["begins_in_seconds"] == pytest.approx(0.5)
        clock.advance(1.0)
        emulation.catch_up()
        truth = emulation.truth()
        assert truth["faults"][0]["active"]
        assert truth["elapsed_seconds"] == pytest.approx(10.5)

    def test_a_fault_by_hand_begins_from_now(self, clock: ManualClock) -> None:
        emulation = make(clock)
        clock.advance(20.0)
        emulation.catch_up()
        emulation.fleet.tick()
        leak = Fault(kind="leak", target=Target(host="node002"), at_seconds=2.0)
        scheduled = emulation.inject(leak)
        assert scheduled.begins_at == emulation.fleet.seconds + 2.0
        level = []
        for _ in range(6):
            tables = emulation.fleet.tick()
            level.append(tables["coolant_unit"].value("node002/leak0", "leak_state"))
        assert level == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]

    def test_one_that_asks_for_more_than_the_fleet_has_is_refused(self, clock: ManualClock) -> None:
        with pytest.raises(ConfigError, match="host_index 6, but 2 hosts are emulated"):
            make(clock, load_scenario("cold_plate_clog").faults, hosts=2)

    def test_faults_of_the_harness_are_left_to_the_harness(self, clock: ManualClock) -> None:
        emulation = make(clock, load_scenario("collector_outage").faults, hosts=1)
        emulation.start()
        truth = emulation.truth()
        assert truth["faults"] == []
        (harness,) = truth["harness_faults"]
        assert harness["target"] == {"collector": "dcgm"}
        assert harness["kind"] == "collector_outage"


class TestTruth:
    def test_it_says_what_is_wrong_where_and_what_is_right_to_do(self, clock: ManualClock) -> None:
        emulation = make(clock)
        emulation.inject(Fault(kind="leak", target=Target(host_index=3)))
        emulation.inject(
            Fault(
                kind="xid",
                target=Target(host="node005", accelerator=2),
                parameters={"code": 79},
                at_seconds=5.0,
            )
        )
        leak, xid = emulation.truth()["faults"]
        assert (leak["id"], leak["kind"], leak["target"]) == (
            "fault-1",
            "leak",
            {"host_index": 3, "host": "node004"},
        )
        assert leak["active"]
        assert not leak["drain"], "a small leak is no reason to drain"
        assert (xid["active"], xid["begins_in_seconds"]) == (False, 5.0)
        assert (xid["verdict"], xid["drain"]) == ("hardware", True)
        assert xid["place"] == "node005/gpu2"
        assert "accelerator_fallen_off_bus" in xid["expected"]

    def test_it_tells_what_was_asked_of_the_scheduler(self, clock: ManualClock) -> None:
        emulation = make(clock)
        emulation.scheduler.drain("node002", "why", "me")
        clock.advance(3.0)
        emulation.scheduler.undrain("node002")
        emulation.scheduler.drain("node003", "again", "me")
        truth = emulation.truth()
        assert truth["drained"] == ["node003"]
        calls = [(call["verb"], call["node"], call["reason"]) for call in truth["scheduler_calls"]]
        assert calls == [
            ("drain", "node002", "why"),
            ("undrain", "node002", ""),
            ("drain", "node003", "again"),
        ]
        moments = [call["at"] for call in truth["scheduler_calls"]]
        assert moments[1] == moments[2] == clock.now().isoformat() > moments[0]
