from __future__ import annotations

from collections.abc import Iterable

from fleetops.core.config import DetectConfig
from fleetops.detect.cause import key_of
from fleetops.detect.correlate import Scene, correlate
from fleetops.detect.facts import Facts
from fleetops.detect.incidents import MAX_FINDINGS, IncidentBook
from fleetops_schemas.records import (
    Finding,
    FindingStatus,
    Incident,
    IncidentStatus,
    RecommendedAction,
    Severity,
    Verdict,
)
from tests.unit.detect.findings import clogged, finding, heated
from tests.unit.detect.support import Batch, at, fleet, ranks, rows

HOSTS = [f"node{n:03d}" for n in range(1, 17)]
CONFIG = DetectConfig(correlation_seconds=10, resolve_after_seconds=60)


class Desk:
    """An incident book fed with findings, as the service feeds it."""

    def __init__(self) -> None:
        self.book = IncidentBook(CONFIG)
        self.facts = Facts()
        self.topology = fleet(16)
        self.firing: dict[str, Finding] = {}
        self.acted: set[str] = set()
        self.told: list[Incident] = []
        self.facts.update(*ranks(0, 1, {host: [1.0] for host in HOSTS}))
        self.facts.update(*coolant(0))

    def feed(self, second: float, changed: Iterable[Finding] = ()) -> list[Incident]:
        changed = list(changed)
        for item in changed:
            if item.status is FindingStatus.FIRING:
                self.firing[item.id] = item
            else:
                self.firing.pop(item.id, None)
        scene = Scene(self.topology, self.facts, self.book.recovering_parents(at(second)))
        causes = correlate(self.firing.values(), scene)
        told = self.book.update(causes, changed, scene, at(second), self.acted)
        self.told += told
        keys = [key_of(incident) for incident in self.book.open]
        assert len(keys) == len(set(keys)), "two open incidents for one cause"
        return told

    def run(self, begin: int, end: int) -> list[Incident]:
        return [incident for second in range(begin, end) for incident in self.feed(second)]

    def restart(self) -> None:
        """The book of a new process, from what was told."""
        latest = {incident.id: incident for incident in self.told}
        self.book = IncidentBook(CONFIG)
        self.book.restore(latest.values(), at(0))


def coolant(second: float, flow: float = 150.0) -> Batch:
    values = {
        "supply_temperature_celsius": 32.0,
        "flow_litres_per_minute": flow,
        "rated_flow_litres_per_minute": 150.0,
    }
    return rows("coolant_unit", second, {"cdu1": values})


def cleared(items: Iterable[Finding], second: float) -> list[Finding]:
    change = {"status": FindingStatus.CLEARED, "updated_at": at(second)}
    return [item.model_copy(update=change) for item in items]


def test_a_host_is_blamed_only_after_the_correlation_time() -> None:
    desk = Desk()
    assert desk.feed(0, clogged()) == []
    assert desk.run(1, 10) == []
    (incident,) = desk.feed(10)
    assert incident.status is IncidentStatus.OPEN
    assert (incident.kind, incident.suspect_hosts) == ("cold_plate_restricted", ("node005",))
    assert incident.opened_at == at(10)
    assert incident.timeline[0].time == at(0)
    assert "cdu1 supplies 32.0 Cel and delivers 150 L/min of 150 rated" in incident.explanation
    assert "on the other 15 hosts keep their pace" in incident.explanation
    assert "take node005 out of service" in incident.explanation


def test_a_shared_cause_that_shows_within_that_time_saves_the_host() -> None:
    desk = Desk()
    desk.feed(0, heated(HOSTS[:1]))
    desk.feed(5, [finding("coolant_flow_low", "cdu1", 5)])
    desk.run(6, 60)
    assert {(i.cause_device, i.verdict) for i in desk.told} == {("cdu1", Verdict.FACILITY)}
    assert all(incident.suspect_hosts == () for incident in desk.told)


def test_a_shared_cause_that_shows_later_takes_the_incident_over() -> None:
    desk = Desk()
    desk.feed(0, [*clogged("node005"), *clogged("node006")])
    desk.run(1, 15)
    assert len(desk.book.open) == 2
    first = desk.book.open[0].id
    told = desk.feed(20, [finding("coolant_flow_low", "cdu1", 20)])
    (still,) = desk.book.open
    assert still.id == first
    assert (still.verdict, still.cause_device, still.suspect_hosts) == (
        Verdict.FACILITY,
        "cdu1",
        (),
    )
    assert any("No host is blamed any longer" in entry.text for entry in still.timeline)
    (merged,) = [i for i in told if i.status is IncidentStatus.RESOLVED]
    assert f"the same cause as {first}" in merged.timeline[-1].text


def test_what_was_acted_on_is_not_taken_over() -> None:
    desk = Desk()
    desk.feed(0, clogged("node005"))
    desk.run(1, 15)
    (acted,) = desk.book.open
    desk.acted = {acted.id}
    desk.feed(20, [finding("coolant_flow_low", "cdu1", 20)])
    desk.run(21, 120)
    assert {i.id: i.verdict for i in desk.book.open}[acted.id] is Verdict.HARDWARE
    assert len(desk.book.open) == 2


def test_hosts_that_recover_after_their_loop_are_not_blamed() -> None:
    desk = Desk()
    own, below = [finding("coolant_flow_low", "cdu1")], heated(HOSTS[:6])
    desk.feed(0, [*own, *below])
    desk.run(1, 30)
    desk.feed(30, cleared(own, 30))
    desk.run(31, 60)
    desk.feed(60, cleared(below, 60))
    desk.run(61, 200)
    assert all(incident.suspect_hosts == () for incident in desk.told)
    assert len({incident.id for incident in desk.told}) == 1
    assert desk.book.open == []


def test_a_host_that_stays_hot_long_after_its_loop_recovered_has_its_own_fault() -> None:
    desk = Desk()
    own, below = [finding("coolant_flow_low", "cdu1")], clogged("node005")
    desk.feed(0, [*own, *below])
    desk.feed(30, cleared(own, 30))
    desk.run(31, 250)
    (incident,) = desk.book.open
    assert incident.suspect_hosts == ("node005",)


def test_it_resolves_when_its_findings_stayed_cleared() -> None:
    desk = Desk()
    found = [finding("slow_rank", "node007/job81/rank3", job="81")]
    desk.feed(0, found)
    desk.run(1, 20)
    (still,) = desk.feed(20, cleared(found, 20))
    assert still.status is IncidentStatus.OPEN
    assert desk.run(21, 80) == []
    (resolved,) = desk.feed(80)
    assert resolved.status is IncidentStatus.RESOLVED
    assert resolved.resolved_at == at(80)
    assert [f.status for f in resolved.findings] == [FindingStatus.CLEARED]
    assert desk.book.open == []


def test_one_that_comes_back_in_time_stays_the_same_incident() -> None:
    desk = Desk()
    found = [finding("slow_rank", "node007/job81/rank3", job="81")]
    desk.feed(0, found)
    desk.run(1, 20)
    (before,) = desk.book.open
    desk.feed(20, cleared(found, 20))
    desk.run(21, 50)
    desk.feed(50, found)
    desk.run(51, 200)
    (after,) = desk.book.open
    assert after.id == before.id


def test_it_grows_clearer_and_never_weaker() -> None:
    desk = Desk()
    hot = finding("accelerator_hot", "node005/gpu0")
    slow = finding("slow_rank", "node005/job81/rank0", 20, job="81")
    desk.feed(0, [hot])
    desk.run(1, 20)
    (first,) = desk.book.open
    assert (first.kind, first.suspect_hosts) == ("accelerator_hot", ())
    desk.feed(20, [slow])
    assert desk.book.open[0].suspect_hosts == ()  # the new suspicion has to hold, too
    desk.run(21, 35)
    (then,) = desk.book.open
    assert (then.id, then.kind, then.suspect_hosts) == (
        first.id,
        "cold_plate_restricted",
        ("node005",),
    )
    desk.feed(40, cleared([slow], 40))  # its job was moved away
    desk.run(41, 60)
    (last,) = desk.book.open
    assert (last.id, last.kind) == (first.id, "cold_plate_restricted")


def test_latched_findings_keep_it_open() -> None:
    desk = Desk()
    desk.feed(0, [finding("coolant_leak", "node004/leak0")])
    desk.run(1, 500)
    (incident,) = desk.book.open
    assert incident.suspect_hosts == ("node004",)


def test_a_restart_opens_nothing_twice() -> None:
    scenarios = [
        clogged("node005"),
        [finding("coolant_pump_degraded", "cdu1/pump1"), *heated(HOSTS[:9])],
        [finding("accelerator_fallen_off_bus", "node009/gpu3")],
        [finding("device_absent", "node009/gpu3")],
        [finding("slow_rank", "node007/job81/rank3", job="81")],
        [finding("job_stage_imbalance", "job81", job="81")],
        [finding("coolant_leak", "node004/leak0")],
        [finding("collector_silent", "collect-1", device_class="collector")],
        heated(HOSTS[:9]),
        [finding("host_unreachable", host) for host in HOSTS[:8]],
        [finding("link_down", f"{host}/nic0") for host in HOSTS[:8]],
        [finding("host_unreachable", "node002")],
        [finding("pcie_error", "node002/gpu1")],
        [finding("machine_check", "node002")],
        [finding("power_supply_fault", "r01/shelf1/psu3", device_class="power_unit")],
    ]
    for findings in scenarios:
        desk = Desk()
        desk.feed(0, findings)
        desk.run(1, 15)
        before = {incident.id for incident in desk.book.open}
        assert len(before) == 1, findings[0].kind
        desk.restart()
        desk.run(15, 60)
        assert {incident.id for incident in desk.book.open} == before, findings[0].kind
        assert {incident.id for incident in desk.told} == before, findings[0].kind


def test_a_restart_in_the_middle_of_the_correlation_time_starts_it_anew() -> None:
    desk = Desk()
    desk.feed(0, clogged())
    desk.run(1, 9)
    desk.restart()
    assert desk.run(9, 19) == []
    (incident,) = desk.feed(19)
    assert incident.suspect_hosts == ("node005",)


def test_nothing_new_is_not_told_again() -> None:
    desk = Desk()
    desk.feed(0, clogged())
    desk.run(1, 300)
    assert len(desk.told) == 1


def test_what_an_incident_carries_is_bounded() -> None:
    desk = Desk()
    own = [finding("coolant_flow_low", "cdu1")]
    below = [finding("accelerator_hot", f"{h}/gpu{n}") for h in HOSTS for n in range(8)]
    desk.feed(0, [*own, *below])
    (incident,) = desk.book.open
    assert len(incident.findings) == MAX_FINDINGS
    assert incident.findings[0].kind == "coolant_flow_low"
    assert len(incident.timeline) <= 1 + 1 + len(HOSTS)
    assert "127 more like it" in incident.explanation


def test_a_leak_that_grows_is_the_same_incident_and_drains_only_then() -> None:
    desk = Desk()
    small = finding(
        "coolant_leak",
        "node004/leak0",
        severity=Severity.WARNING,
        action=RecommendedAction.INSPECT,
    )
    desk.feed(0, [small])
    desk.run(1, 30)
    (first,) = desk.book.open
    assert (first.severity, first.action) == (Severity.WARNING, RecommendedAction.INSPECT)
    assert "take node004" not in first.explanation
    desk.feed(30, [finding("coolant_leak", "node004/leak0", 30)])
    assert not desk.book.open[0].action.drains  # it has to hold, too
    desk.run(31, 45)
    (then,) = desk.book.open
    assert (then.id, then.severity) == (first.id, Severity.CRITICAL)
    assert then.action.drains
    assert then.suspect_hosts == ("node004",)
