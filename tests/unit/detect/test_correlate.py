from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetops.detect.cause import Cause
from fleetops.detect.correlate import Scene, correlate
from fleetops.detect.facts import Facts
from fleetops_schemas.records import Finding, RecommendedAction, Severity, Verdict
from tests.unit.detect.findings import clogged, finding, heated
from tests.unit.detect.support import fleet, ranks

HOSTS = [f"node{n:03d}" for n in range(1, 33)]
LEAK_DRAIN = {"severity": Severity.CRITICAL, "action": RecommendedAction.DRAIN}


def scene(job_hosts: list[str] | None = None, hosts: int = 32) -> Scene:
    facts = Facts()
    if job_hosts:
        facts.update(*ranks(0, 1, {host: [1.0] for host in job_hosts}))
    return Scene(fleet(hosts), facts)


def causes(findings: list[Finding], where: Scene | None = None) -> list[Cause]:
    return correlate(findings, where or scene(HOSTS[:24]))


def test_a_clogged_cold_plate_is_one_cause_on_its_host() -> None:
    (cause,) = causes(clogged("node005"))
    assert (cause.kind, cause.device) == ("cold_plate_restricted", "node005")
    assert (cause.verdict, cause.action.drains) == (Verdict.HARDWARE, True)
    assert cause.suspects == ("node005",)
    assert cause.job == "81"
    assert len(cause.findings) == 25


@pytest.mark.parametrize(
    ("kinds", "cause", "drains"),
    [
        (["accelerator_hot"], "accelerator_hot", False),
        (["accelerator_throttled"], "accelerator_throttled", False),
        (["accelerator_hot", "accelerator_throttled"], "accelerator_hot", False),
        (["host_coolant_flow_low"], "host_coolant_flow_low", False),
        (["host_coolant_flow_low", "accelerator_hot"], "cold_plate_restricted", True),
        (["accelerator_hot", "slow_rank"], "cold_plate_restricted", True),
        (["accelerator_throttled", "slow_rank"], "cold_plate_restricted", True),
        (["host_hot"], "host_hot", False),
        (["host_hot", "slow_rank"], "host_hot", False),
        (["slow_rank"], "slow_rank", True),
    ],
)
def test_what_the_links_of_the_chain_amount_to(
    kinds: list[str], cause: str, *, drains: bool
) -> None:
    found = [finding(kind, "node005", job="81") for kind in kinds]
    (made,) = causes(found)
    assert (made.kind, bool(made.suspects)) == (cause, drains)


def test_an_air_cooled_host_has_no_cold_plate() -> None:
    where = scene()
    placement = where.topology.get("node005")
    assert placement is not None
    where.topology.put(placement.model_copy(update={"coolant_loop": None}))
    (cause,) = causes(clogged("node005"), where)
    assert cause.kind != "cold_plate_restricted"
    assert cause.suspects == ()


def test_a_degraded_pump_takes_its_hosts_symptoms() -> None:
    own = [finding("coolant_pump_degraded", "cdu1/pump1"), finding("coolant_flow_low", "cdu1")]
    job = finding("job_slowdown", "job81", job="81")
    (cause,) = causes([*own, *heated(HOSTS[2:9]), job])
    assert (cause.kind, cause.device) == ("coolant_pump_degraded", "cdu1")
    assert cause.verdict is Verdict.FACILITY
    assert cause.suspects == ()
    assert cause.affected == tuple(HOSTS[:16])
    assert cause.device_class == "coolant_unit"


def test_a_sick_loop_takes_even_a_single_host() -> None:
    (cause,) = causes([finding("coolant_flow_low", "cdu1"), *clogged("node005")])
    assert (cause.device, cause.suspects) == ("cdu1", ())


def test_a_sick_loop_does_not_excuse_a_host_of_another() -> None:
    found = causes([finding("coolant_flow_low", "cdu2"), *clogged("node005")])
    assert {c.device: c.suspects for c in found} == {"cdu2": (), "node005": ("node005",)}


def test_a_worn_supply_does_not_excuse_a_slow_rank() -> None:
    found = causes(
        [
            finding("power_supply_fault", "r01/shelf1/psu3", device_class="power_unit"),
            finding("slow_rank", "node005/job81/rank0", job="81"),
        ]
    )
    assert {c.device: c.suspects for c in found} == {"r01/shelf1": (), "node005": ("node005",)}


def test_a_symptom_most_hosts_share_is_the_parents() -> None:
    (cause,) = causes(heated(HOSTS[:9]))
    assert cause.verdict is Verdict.FACILITY
    assert cause.device in {"cdu1", "r01"}
    assert cause.suspects == ()
    assert not cause.action.drains


@pytest.mark.parametrize("count", [1, 2])
def test_two_hosts_can_be_chance(count: int) -> None:
    found = causes([f for host in HOSTS[:count] for f in clogged(host)])
    assert {c.suspects for c in found} == {(host,) for host in HOSTS[:count]}


def test_only_busy_hosts_count_for_heat() -> None:
    # of the sixteen hosts of the loop four work, and all four are hot
    (cause,) = causes(heated(HOSTS[:4]), scene(HOSTS[:4]))
    assert (cause.verdict, cause.suspects) == (Verdict.FACILITY, ())


def test_an_xid_and_the_accelerator_that_vanished_are_one_cause() -> None:
    found = [
        finding("accelerator_fallen_off_bus", "node009/gpu3"),
        finding("device_absent", "node009/gpu3"),
    ]
    (cause,) = causes(found)
    assert (cause.kind, cause.device) == ("accelerator_fallen_off_bus", "node009/gpu3")
    assert cause.suspects == ("node009",)


def test_a_vanished_accelerator_alone_drains_nobody() -> None:
    (cause,) = causes([finding("device_absent", "node009/gpu3")])
    assert (cause.kind, cause.suspects) == ("device_absent", ())


def test_a_fault_explains_the_slow_rank_of_its_host() -> None:
    found = [
        finding("pcie_error", "node009/gpu3"),
        finding("slow_rank", "node009/job81/rank1", job="81"),
    ]
    (cause,) = causes(found)
    assert cause.kind == "pcie_error"
    assert cause.suspects == ("node009",)


def test_a_slow_rank_without_any_other_evidence() -> None:
    (cause,) = causes([finding("slow_rank", "node007/job81/rank50", job="81")])
    assert (cause.kind, cause.device, cause.suspects) == ("slow_rank", "node007", ("node007",))


def test_many_slow_hosts_and_nothing_else_are_the_job() -> None:
    found = [finding("slow_rank", f"{h}/job81/rank0", job="81") for h in HOSTS[0:24:6]]
    (cause,) = causes(found)
    assert (cause.verdict, cause.suspects) == (Verdict.JOB, ())
    assert cause.device == "job81"


def test_a_long_stage_is_the_job_and_no_host() -> None:
    (cause,) = causes([finding("job_stage_imbalance", "job81", job="81")])
    assert (cause.verdict, cause.kind) == (Verdict.JOB, "job_stage_imbalance")
    assert cause.suspects == ()
    assert cause.affected == tuple(HOSTS[:24])
    assert cause.action is RecommendedAction.CHECK_JOB


def test_a_slow_host_explains_the_slow_job() -> None:
    (cause,) = causes([*clogged("node005"), finding("job_slowdown", "job81", job="81")])
    assert cause.kind == "cold_plate_restricted"


def test_a_fault_elsewhere_does_not_explain_the_job() -> None:
    found = causes([*clogged("node030"), finding("job_slowdown", "job81", job="81")])
    assert {c.verdict for c in found} == {Verdict.HARDWARE, Verdict.JOB}


def test_a_leak_by_level() -> None:
    (small,) = causes([finding("coolant_leak", "node004/leak0", action=RecommendedAction.INSPECT)])
    assert (small.suspects, small.verdict) == ((), Verdict.HARDWARE)
    assert not small.action.drains
    (large,) = causes([finding("coolant_leak", "node004/leak0")])
    assert (large.kind, large.suspects) == ("coolant_leak", ("node004",))
    (loop,) = causes([finding("coolant_leak", "cdu1/leak0", device_class="coolant_unit")])
    assert (loop.verdict, loop.suspects) == (Verdict.FACILITY, ())
    assert not loop.action.drains


def test_a_broken_leak_detector_affects_nobody() -> None:
    (cause,) = causes([finding("coolant_leak_detector_fault", "cdu1/leak0")])
    assert (cause.suspects, cause.affected) == ((), ())


def test_a_silent_collector_is_about_the_collector() -> None:
    (cause,) = causes([finding("collector_silent", "collect-1", device_class="collector")])
    assert (cause.verdict, cause.suspects) == (Verdict.COLLECTOR, ())
    assert cause.action is RecommendedAction.NONE


@pytest.mark.parametrize("kind", ["link_down", "host_unreachable"])
def test_a_leaf_switch_takes_its_hosts(kind: str) -> None:
    device = "{}/nic0" if kind == "link_down" else "{}"
    (cause,) = causes([finding(kind, device.format(host)) for host in HOSTS[:8]])
    assert (cause.kind, cause.device) == ("leaf_switch_fault", "leaf1")
    assert cause.suspects == ()


def test_the_same_fatal_fault_on_a_whole_rack_drains_nobody() -> None:
    (cause,) = causes([finding("accelerator_fallen_off_bus", f"{h}/gpu0") for h in HOSTS[:8]])
    assert (cause.verdict, cause.suspects) == (Verdict.FACILITY, ())


def test_what_is_only_worth_knowing_is_no_cause() -> None:
    assert causes([finding("accelerator_application", "node001/gpu0")]) == []
    assert causes([finding("redfish_log_entry", "node001")]) == []


def test_a_host_that_the_inventory_does_not_know_is_not_drained() -> None:
    (cause,) = causes([finding("accelerator_fallen_off_bus", "other7/gpu0")])
    assert cause.action.drains
    assert cause.suspects == ()


def test_what_hosts_still_show_while_their_parent_recovers_stays_the_parents() -> None:
    where = scene(HOSTS[:24])
    where.open_parents = frozenset({"cooling:cdu1"})
    (cause,) = causes(clogged("node005"), where)
    assert (cause.key, cause.suspects, cause.is_recovering) == ("cooling:cdu1", (), True)


PARENT_KINDS = ["coolant_flow_low", "coolant_pump_degraded", "coolant_supply_hot"]
SYMPTOMS = ["accelerator_hot", "accelerator_throttled", "slow_rank", "host_coolant_flow_low"]


@settings(max_examples=80, deadline=None)
@given(
    parent=st.sampled_from(PARENT_KINDS),
    shown=st.lists(st.tuples(st.sampled_from(HOSTS[:16]), st.sampled_from(SYMPTOMS)), max_size=40),
)
def test_no_symptom_below_a_sick_loop_ever_blames_a_host(
    parent: str, shown: list[tuple[str, str]]
) -> None:
    found = [finding(parent, "cdu1"), *{finding(kind, host) for host, kind in shown}]
    (cause,) = causes(found)
    assert cause.suspects == ()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(HOSTS[:16]), st.sampled_from(SYMPTOMS)),
        unique=True,
        max_size=60,
    )
)
def test_every_finding_belongs_to_exactly_one_cause(shown: list[tuple[str, str]]) -> None:
    found = [finding(kind, host) for host, kind in shown]
    ids = [f.id for cause in causes(found) for f in cause.findings]
    assert sorted(ids) == sorted(f.id for f in found)
