"""The resource commands against a real API, a real operator service and a real HTTP scheduler."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from fleetops.bus.base import Message
from fleetops.bus.dead_letter import dead_letter
from fleetops.cli import action, incident, node
from fleetops.cli import dead_letter as dead_letter_command
from fleetops.cli.context import CliContext
from fleetops.core.clock import SystemClock
from fleetops.core.config import ClientConfig, OperateConfig
from fleetops.core.errors import NotFoundError, RefusedError, TemporaryError
from fleetops.core.logging import configure_logging
from fleetops.core.service import run
from fleetops.operate.schedulers.emulated import EmulatedConfig, EmulatedScheduler
from fleetops.operate.service import OperateService
from fleetops_schemas import topics
from fleetops_schemas.topology import Topology
from tests.integration.api_server import (
    NOW,
    TOKENS,
    ApiRig,
    api_rig,
    eventually,
    placement,
)
from tests.integration.api_server import (
    incident as make_incident,
)
from tests.scheduler_server import SchedulerServer

HOSTS = [f"node{number:03}" for number in range(1, 9)]
POISON = b'{"not": "an event"}'


@dataclass
class Cli:
    """The commands as a user has them, with the token of a role."""

    rig: ApiRig
    scheduler: SchedulerServer

    def __call__(
        self, *arguments: str, role: str | None = "operator", url: str | None = None
    ) -> Result:
        app = typer.Typer()
        app.add_typer(node.app, name="node")
        app.add_typer(incident.app, name="incident")
        app.add_typer(action.app, name="action")
        app.add_typer(dead_letter_command.app, name="dead-letter")
        token = TOKENS[role] if role else None
        client = ClientConfig.model_validate({"url": url or self.rig.url, "token": token})
        config = self.rig.config.model_copy(update={"client": client})
        return CliRunner().invoke(app, arguments, obj=CliContext(config, None))

    def json(self, *arguments: str, role: str = "operator") -> Any:  # noqa: ANN401
        result = self(*arguments, "-o", "json", role=role)
        document = json.loads(result.stdout)
        assert document["version"] == 1
        return document


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    configure_logging(level="error")  # as the command does: logs go to stderr
    scheduler = SchedulerServer(HOSTS, job_nodes=HOSTS[:1]).start()
    stop, clock = threading.Event(), SystemClock()
    config = OperateConfig(mode="approve", poll_seconds=0.1)
    with api_rig(tmp_path_factory.mktemp("cli")) as rig:
        hosts = [placement(host, f"r{at // 4:02}", at % 4) for at, host in enumerate(HOSTS)]
        rig.publish(topics.INVENTORY, *hosts)
        operate = OperateService(
            rig.bus,
            EmulatedScheduler.create(EmulatedConfig(url=scheduler.url), clock),
            config,
            Topology(placed for _, placed in hosts),
            clock,
        )
        loop = threading.Thread(target=run, args=(operate, stop, clock))
        loop.start()
        try:
            with rig.client() as client:
                eventually(
                    lambda: all(one.scheduler for one in client.all_nodes()), "the scheduler's view"
                )
            yield Cli(rig, scheduler)
        finally:
            stop.set()
            loop.join(20)
            scheduler.stop()


def drained(cli: Cli) -> set[str]:
    with cli.rig.client() as client:
        return {one.name for one in client.all_nodes() if one.scheduler and one.scheduler.drained}


def test_a_drain_is_carried_out_told_per_node_and_undone(cli: Cli) -> None:
    result = cli("node", "drain", "node[002-003]", "--reason", "fan", "--yes", "-o", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {one["node"]: one["result"] for one in document["items"]} == {
        "node002": "done",
        "node003": "done",
    }
    assert document["intent_id"]
    assert "jobs that run there go on to their end" in result.stderr
    assert "node[002-003]: allow" in result.stderr
    eventually(lambda: {"node002", "node003"} <= drained(cli), "the drained nodes")
    reasons = {write.reason for write in cli.scheduler.writes if write.verb == "drain"}
    assert all(reason.startswith("fleetops:") and "fan" in reason for reason in reasons)
    again = cli("node", "undrain", "node002", "node003", "-r", "mended", "-y")
    assert again.exit_code == 0, again.output
    eventually(lambda: not {"node002", "node003"} & drained(cli), "the undrained nodes")


def test_a_dry_run_changes_nothing(cli: Cli) -> None:
    writes, intents = len(cli.scheduler.writes), len(cli.rig.intents())
    document = cli.json("node", "drain", "node004", "--reason", "look", "--dry-run")
    assert document["dry_run"] is True
    assert [one["result"] for one in document["items"]] == ["allow"]
    assert len(cli.scheduler.writes) == writes
    assert len(cli.rig.intents()) == intents


def test_somebody_elses_drain_is_neither_overwritten_nor_lifted(cli: Cli) -> None:
    assert cli.scheduler.drain("node008", "replacing a disk") == 204
    eventually(lambda: "node008" in drained(cli), "the drain by hand")
    for verb in ("drain", "undrain"):
        result = cli("node", verb, "node008", "--reason", "mine", "--yes", "-o", "json")
        assert result.exit_code == 4, result.output
        assert [one["result"] for one in json.loads(result.stdout)["items"]] == ["refused"]
    partly = cli("node", "drain", "node[007-008]", "--reason", "both", "--yes", "-o", "json")
    assert partly.exit_code == 3, partly.output
    results = {one["node"]: one["result"] for one in json.loads(partly.stdout)["items"]}
    assert results == {"node007": "done", "node008": "refused"}
    assert cli("node", "undrain", "node007", "-r", "over", "-y").exit_code == 0
    cli.scheduler.undrain("node008")


def test_an_unknown_node_is_refused_by_name_and_the_rest_goes_on(cli: Cli) -> None:
    result = cli("node", "drain", "node006,node999", "--reason", "x", "--yes", "-o", "json")
    assert result.exit_code == 3
    results = {one["node"]: one for one in json.loads(result.stdout)["items"]}
    assert results["node006"]["result"] == "done"
    assert results["node999"]["result"] == "refused"
    assert "no such node" in results["node999"]["detail"]
    assert cli("node", "undrain", "node006", "-r", "over", "-y").exit_code == 0
    nobody = cli("node", "drain", "node999", "--reason", "x", "--yes")
    assert isinstance(nobody.exception, NotFoundError)


def test_a_drain_needs_a_reason_and_somebody_to_confirm(cli: Cli) -> None:
    intents = len(cli.rig.intents())
    assert cli("node", "drain", "node004").exit_code == 2
    unconfirmed = cli("node", "drain", "node004", "--reason", "x")
    assert unconfirmed.exit_code == 2
    assert "--yes" in unconfirmed.stderr
    assert len(cli.rig.intents()) == intents


def test_while_the_scheduler_is_away_the_wait_is_bounded_and_the_drain_comes_later(
    cli: Cli,
) -> None:
    cli.scheduler.frozen.set()
    try:
        result = cli(
            "node", "drain", "node005", "-r", "late", "-y", "--timeout", "1.5", "-o", "json"
        )
    finally:
        cli.scheduler.frozen.clear()
    assert result.exit_code == 5, result.output
    assert [one["result"] for one in json.loads(result.stdout)["items"]] == ["running"]
    eventually(lambda: "node005" in drained(cli), "the drain")
    assert cli("node", "undrain", "node005", "-r", "over", "-y").exit_code == 0


def test_a_viewer_may_look_and_not_act(cli: Cli) -> None:
    assert cli("node", "list", role="viewer").exit_code == 0
    result = cli("node", "drain", "node004", "-r", "x", "-y", role="viewer")
    assert isinstance(result.exception, RefusedError)
    assert "needs the role operator" in str(result.exception)


def test_nodes_are_listed_in_every_format(cli: Cli) -> None:
    names = [one["name"] for one in cli.json("node", "list", "--rack", "r00")["items"]]
    assert names == HOSTS[:4]
    as_yaml = yaml.safe_load(cli("node", "list", "-o", "yaml").stdout)
    assert [one["name"] for one in as_yaml["items"]] == HOSTS
    assert cli("node", "list", "-o", "name").stdout.splitlines() == HOSTS
    assert cli("node", "list", "-o", "name", "--fold").stdout == "node[001-008]\n"
    table = cli("node", "list").stdout.splitlines()
    assert table[0].split() == ["NODE", "RACK", "STATE", "SEVERITY", "JOBS", "REASON"]
    assert table[1].split()[:3] == ["node001", "r00", "busy"]
    assert "SCHEDULER" in cli("node", "list", "-o", "wide").stdout
    assert cli("node", "list", "--job", "none", "-o", "name").stdout == ""


def test_get_shows_those_that_are_there_and_names_those_that_are_not(cli: Cli) -> None:
    result = cli("node", "get", "node[001-002],node999", "-o", "json")
    assert result.exit_code == 3
    assert [one["node"]["name"] for one in json.loads(result.stdout)["items"]] == HOSTS[:2]
    assert "no node 'node999'" in result.stderr
    told = cli("node", "get", "node001").stdout
    assert "shares fate with:" in told
    assert "cdu1" in told


def test_history_tells_of_the_actions(cli: Cli) -> None:
    assert cli("node", "drain", "node003", "-r", "for the record", "-y").exit_code == 0
    assert cli("node", "undrain", "node003", "-r", "done", "-y").exit_code == 0
    entries = cli.json("node", "history", "node003")["items"]
    assert any("for the record" in one["text"] for one in entries)
    assert "for the record" in cli("node", "history", "node003").stdout


def test_a_planned_action_is_approved_and_another_denied(cli: Cli) -> None:
    plans = [make_incident(number, f"node00{number}") for number in (1, 4)]
    cli.rig.publish(topics.INCIDENTS, *((one.id, one) for one in plans))
    waiting: dict[str, str] = {}

    def both_wait() -> bool:
        items = cli.json("action", "list", "--state", "pending_approval")["items"]
        waiting.update({one["target"]: one["id"] for one in items})
        return {"node001", "node004"} <= waiting.keys()

    eventually(both_wait, "two plans that wait")
    yes = cli("action", "approve", waiting["node001"], "-r", "agreed", "-y", "-o", "json")
    assert yes.exit_code == 0, yes.output
    assert json.loads(yes.stdout)["item"]["state"] == "done"
    no = cli("action", "deny", waiting["node004"], "-r", "it is fine", "-o", "json")
    assert no.exit_code == 0, no.output
    assert json.loads(no.stdout)["item"]["state"] == "denied"
    eventually(lambda: "node001" in drained(cli), "the approved drain")
    assert "node004" not in drained(cli)
    late = cli("action", "approve", waiting["node004"], "-r", "after all", "-y")
    assert isinstance(late.exception, RefusedError)
    shown = cli("action", "show", waiting["node001"]).stdout
    assert "user:operator-1" in shown
    incidents = cli.json("incident", "list")["items"]
    assert {"inc-0001", "inc-0004"} <= {one["id"] for one in incidents}
    told = cli("incident", "show", "inc-0001").stdout
    assert "96 Cel against a median of 61" in told
    assert "actions" in told
    assert cli("incident", "show", "inc-0001", "-o", "name").stdout == "inc-0001\n"


def test_the_breaker_is_reset_by_an_admin_only(cli: Cli) -> None:
    refused = cli("action", "reset-breaker", "-r", "looked", "-y")
    assert isinstance(refused.exception, RefusedError)
    result = cli("action", "reset-breaker", "-r", "looked", "-y", role="admin")
    assert result.exit_code == 0
    assert "the breaker is not tripped" in result.stderr
    assert result.stdout == ""


def test_dead_letters_are_listed_shown_and_sent_again(cli: Cli) -> None:
    bus = cli.rig.bus
    assert cli.json("dead-letter", "list")["items"] == []
    poison = Message(topics.EVENTS.name, 0, 17, "node001", POISON, NOW, {"kept": "yes"})
    with bus.producer() as producer:
        dead_letter(producer, poison, "unparsable", "no id")
        producer.flush(10)
    [letter] = cli.json("dead-letter", "list", "--topic", topics.EVENTS.name)["items"]
    assert (letter["reason"], letter["offset"]) == ("unparsable: no id", 17)
    shown = cli.json("dead-letter", "show", letter["id"])["item"]
    assert base64.b64decode(shown["value_base64"]) == POISON
    assert cli("dead-letter", "show", letter["id"], "--raw").stdout_bytes == POISON
    assert POISON.decode() in cli("dead-letter", "show", letter["id"]).stdout
    assert cli("dead-letter", "replay", letter["id"]).exit_code == 2  # nobody confirms
    assert cli("dead-letter", "replay", letter["id"], "--yes", "-o", "json").exit_code == 0
    with bus.reader([topics.EVENTS.name]) as reader:
        [sent] = [one for one in reader.catch_up(10) if one.value == POISON]
    assert (sent.key, sent.headers["kept"]) == ("node001", "yes")
    missing = cli("dead-letter", "show", "0-999")
    assert isinstance(missing.exception, NotFoundError)


def test_url_and_token_file_are_options(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKENS["viewer"], "utf-8")
    dead = "http://127.0.0.1:9"
    away = cli("node", "list", url=dead)
    assert isinstance(away.exception, TemporaryError)
    options = ("--url", cli.rig.url, "--token-file", str(file))
    assert cli("node", *options, "list", role=None, url=dead).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("node", "list"),
        ("node", "get", "node001"),
        ("node", "history", "node001"),
        ("node", "drain", "node001", "-r", "x", "--dry-run"),
        ("node", "undrain", "node001", "-r", "x", "--dry-run"),
        ("incident", "list", "--state", "all"),
        ("action", "list"),
        ("dead-letter", "list"),
    ],
)
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_stdout_is_one_document(cli: Cli, command: tuple[str, ...], output: str) -> None:
    result = cli(*command, "-o", output)
    document = (json.loads if output == "json" else yaml.safe_load)(result.stdout)
    assert (document["version"], isinstance(document["items"], list)) == (1, True)
