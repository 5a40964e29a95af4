"""What goes wrong around a running line: poison, other owners, a scheduler that is away."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from fleetops.core.clock import SystemClock
from fleetops.ingest.validate import FUTURE
from fleetops_schemas import topics
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import ActionState
from fleetops_schemas.telemetry import BatchBuilder, TelemetryHeader, encode_batch
from tests.line import TestLine, run_cli, wait_until
from tests.scenario.sites import CLUSTER, ClusterSite, Site

SCENARIO = "xid_79"
"""Never begun: these tests strike by hand."""
FOREIGN, WAITING, ASKED, HEALTHY, STRUCK = 14, 13, 15, 8, 2
"""Indices of hosts; two spare ones of one rack are drained by us, which is what the caps allow."""
REACTION_SECONDS = 90.0
SOON = timedelta(seconds=20)
"""Until the sender's clock is right: longer than a message takes to be put aside."""
CLI_SECONDS = 5.0
BOUND_SECONDS = 30.0
"""What a command may take that waits for ``CLI_SECONDS``, on a loaded machine."""
RACK = "r01"
HEADER = TelemetryHeader(device_class="accelerator", collector="poison", sequence=0).to_headers()
TELEMETRY = topics.telemetry_topic("accelerator").name


@pytest.fixture(scope="module")
def line(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLine]:
    with site.line(tmp_path_factory.mktemp("line"), SCENARIO) as line:
        yield line


def fleetops(line: TestLine, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """The items that a command prints as JSON; it must end with this exit code."""
    done = run_cli(*arguments, "-o", "json", config=line.config_path)
    assert done.returncode == code, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    items: list[dict[str, Any]] = said["items"] if "items" in said else [said["item"]]
    return items


def xid_79(line: TestLine, index: int) -> str:
    """Strikes a host; its name."""
    line.strike("xid", {"host_index": index, "accelerator": 3}, code=79)
    return line.hosts[index]


def states(line: TestLine, node: str) -> list[ActionState]:
    """Of the actions on a node."""
    with line.client() as client:
        return [action.state for action in client.actions(node=node).items]


def test_a_drain_by_somebody_else_is_neither_overwritten_nor_lifted(
    site: Site, line: TestLine
) -> None:
    node = line.hosts[FOREIGN]
    site.drain_by_hand(line, node, "ops:RMA 4711")
    before = site.writes(line)
    xid_79(line, FOREIGN)
    wait_until("refused", lambda: states(line, node) == [ActionState.REFUSED], REACTION_SECONDS)
    for verb in ("drain", "undrain"):
        results = fleetops(line, "node", verb, node, "--reason", "mine", "--yes", code=4)
        assert [one["result"] for one in results] == ["refused"]
    (shown,) = fleetops(line, "node", "get", node)
    assert shown["node"]["drained_by_fleetops"] is False
    assert site.drain_of(line, node) == "ops:RMA 4711"
    assert site.writes(line) == before, "it was not even tried"


@pytest.mark.parametrize("site", [CLUSTER], indirect=True, scope="module")
def test_a_controller_that_hangs_and_dies_is_waited_for_and_the_drains_are_done_later(
    site: ClusterSite, line: TestLine
) -> None:
    found, asked = line.hosts[WAITING], line.hosts[ASKED]
    before = site.writes(line)
    site.slurm.controller(signal.SIGSTOP)
    try:
        xid_79(line, WAITING)
        began = time.monotonic()
        drain = ("node", "drain", asked, "--reason", "RMA 4712", "--yes")
        results = fleetops(line, *drain, "--timeout", str(CLI_SECONDS), code=5)
        assert time.monotonic() - began < BOUND_SECONDS
        assert [one["result"] for one in results] == ["running"]
        wait_until("both wait", lambda: waits(line, found) and waits(line, asked), REACTION_SECONDS)
        (shown,) = fleetops(line, "action", "list", "--node", found)
        assert shown["state"] == "approved"
        site.slurm.kill_controller()
        time.sleep(2.0)  # from hanging to dead
        assert states(line, found) == states(line, asked) == [ActionState.APPROVED]
    finally:
        with contextlib.suppress(ProcessLookupError):
            site.slurm.kill_controller()
        site.slurm.start()
    done = [ActionState.DONE]
    wait_until(
        "both are drained",
        lambda: states(line, found) == states(line, asked) == done,
        REACTION_SECONDS,
    )
    for node in (found, asked):
        reason = site.drain_of(line, node)
        assert reason is not None
        assert reason.startswith("fleetops:")
    new = site.writes(line)[len(before) :]
    assert sorted(new) == sorted([("drain", found), ("drain", asked)])


def waits(line: TestLine, node: str) -> bool:
    """Whether the ledger says that the action on a node waits for the scheduler."""
    listed = fleetops(line, "action", "list", "--node", node)
    details = [one["detail"] for action in listed for one in action["outcomes"]]
    return len(details) == 1 and details[0].startswith("waiting for the scheduler")


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that somebody cannot take; its key is its own."""

    key: str
    topic: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    readers: int = 1
    """Groups that put it aside, each for itself."""


def poisons(line: TestLine) -> list[Poison]:
    whole = one_row(line, "gpu98", timedelta())
    records = [topics.FINDINGS, topics.INCIDENTS, topics.ACTIONS, topics.INTENTS, topics.COLLECTORS]
    return [
        Poison("bare", TELEMETRY, b"garbage", readers=2),
        Poison("cut", TELEMETRY, whole[: len(whole) // 2], HEADER, readers=2),
        Poison("outside", TELEMETRY, index_outside(line), HEADER, readers=2),
        Poison("later", TELEMETRY, one_row(line, "gpu99", FUTURE + SOON), HEADER),
        Poison("brace", topics.EVENTS.name, b"{", readers=2),
        Poison("empty", topics.EVENTS.name, b"{}", readers=2),
        *(Poison(topic.name.replace(".", "-"), topic.name, b"no json") for topic in records),
    ]


def batch_of(line: TestLine, part: str, ahead: timedelta) -> pa.RecordBatch:
    declared = load_catalog()["accelerator"]
    host, metric = line.hosts[HEALTHY], declared.metric("temperature_celsius")
    device = f"{host}/{part}"
    reading = Reading("accelerator", device, metric.name, 61.5, metric.unit, Quality.GOOD)
    builder = BatchBuilder(declared)
    builder.add([reading], ts=SystemClock().now() + ahead, host=host, rack=RACK)
    return builder.build()


def one_row(line: TestLine, part: str, ahead: timedelta) -> bytes:
    return encode_batch(batch_of(line, part, ahead))


def index_outside(line: TestLine) -> bytes:
    """Names no device: unchecked, it would end whoever looks the name up."""
    batch = batch_of(line, "gpu97", timedelta())
    names = pa.DictionaryArray.from_arrays(pa.array([9], pa.int32()), pa.array(["x"]), safe=False)
    arrays = [names if name == "device" else batch.column(name) for name in batch.schema.names]
    return encode_batch(pa.RecordBatch.from_arrays(arrays, schema=batch.schema))


def put_aside(line: TestLine) -> dict[str, list[str]]:
    """By key, the topic of each of its dead letters."""
    found: dict[str, list[str]] = {}
    for one in letters(line):
        found.setdefault(one["key"], []).append(one["topic"])
    return found


def letters(line: TestLine, key: str | None = None) -> list[dict[str, Any]]:
    listed = fleetops(line, "dead-letter", "list")
    return [one for one in listed if key is None or one["key"] == key]


def test_poison_ends_in_the_dead_letter_and_the_rest_goes_on(site: Site, line: TestLine) -> None:
    sent = poisons(line)
    sent_at = time.monotonic()
    with line.bus() as bus, bus.producer() as producer:
        for poison in sent:
            producer.send(poison.topic, poison.key, poison.value, poison.headers)
        producer.flush(10.0)
    node = xid_79(line, STRUCK)
    wanted = {poison.key: [poison.topic] * poison.readers for poison in sent}
    wait_until("all poison is put aside", lambda: put_aside(line) == wanted, REACTION_SECONDS)
    listed = {one["key"]: one for one in letters(line)}
    for poison in sent:
        letter = listed[poison.key]
        assert letter["headers"] == poison.headers
        assert letter["size_bytes"] == len(poison.value)
        assert ": " in letter["reason"], "a word for the metric and what was wrong"
    for poison in sent[1::4]:
        (shown,) = fleetops(line, "dead-letter", "show", listed[poison.key]["id"])
        assert base64.b64decode(shown["value_base64"]) == poison.value
    done = [ActionState.DONE]
    wait_until(f"{node} is drained", lambda: states(line, node) == done, REACTION_SECONDS)
    assert site.drain_of(line, node) is not None
    with line.client() as client:
        assert client.fleet().counts.stale == 0
    for role in line.roles.values():
        role.assert_runs()
    time.sleep(max(0.0, sent_at + SOON.total_seconds() + 1.0 - time.monotonic()))
    assert_replays(line)


def assert_replays(line: TestLine) -> None:
    """What is good by now is taken, once; what is still poison is put aside again."""
    (later,) = letters(line, "later")
    bad = letters(line, "empty")
    ids = [later["id"], bad[0]["id"]]
    sent = fleetops(line, "dead-letter", "replay", *ids, "--yes")
    assert [one["id"] for one in sent] == ids
    wait_until("the row is stored", lambda: temperatures(line, "gpu99") == [61.5], 30.0)
    wait_until("poison again", lambda: len(letters(line, "empty")) == len(bad) + 2, 30.0)
    assert letters(line, "later") == [later]
    assert temperatures(line, "gpu99") == [61.5]
    assert temperatures(line, "gpu98") == []


def temperatures(line: TestLine, part: str) -> list[float | None]:
    """What the store holds of a device around the time that the late row says."""
    now = SystemClock().now()
    with line.client() as client:
        found = client.node_series(
            line.hosts[HEALTHY],
            "accelerator",
            device=f"{line.hosts[HEALTHY]}/{part}",
            metrics=["temperature_celsius"],
            start=now - timedelta(minutes=2),
            end=now + FUTURE + SOON,
        )
    values = [one.values["temperature_celsius"] for one in found.series]
    return [value for series in values for value in series if value is not None]
