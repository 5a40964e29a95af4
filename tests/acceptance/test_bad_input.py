"""Bad input: one line that says what, where and what to do; and the rest goes on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.acceptance.bad_servers import cut_off, dripping, endless, saying, serving
from tests.acceptance.commands import fleetops, one_error
from tests.line import TestLine, wait_until

BMC = {"kind": "redfish", "name": "bmc"}
GPU = b'DCGM_FI_DEV_GPU_TEMP{gpu="0",Hostname="n1"} 61\n'
GARBAGE = b"%%% no sample at all {\n"
DEADLINE_SECONDS = 2.0


def written(folder: Path, content: object) -> Path:
    path = folder / "fleetops.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"bus": {"pathh": "x"}}, ["bus.pathh: unknown key", "docs/reference/configuration.md"]),
        (
            {"ingest": {"batch_seconds": "1s"}},
            ["ingest.batch_seconds", "of seconds, without a unit"],
        ),
        ({"operate": {"mode": "autto"}}, ["operate.mode", "'observe', 'approve' or 'auto'"]),
        (
            {"collectors": [{**BMC, "interval_seconds": "10s"}]},
            ["collectors.0 (bmc): interval_seconds", "of seconds, without a unit"],
        ),
        (
            {"collectors": [{**BMC, "kind": "redfsh"}]},
            ["collectors.0 (bmc)", "no collector named 'redfsh'", "installed: "],
        ),
        (
            {"collectors": [{**BMC, "targets": [{"name": "n", "url": "10.0.0.1"}]}]},
            ["collectors.0 (bmc): targets: n: url '10.0.0.1'", "write https://ADDRESS"],
        ),
        (
            {"collectors": [{**BMC, "username": "x", "password_file": "none/password"}]},
            ["collectors.0 (bmc): password_file: cannot read none/password", "create it"],
        ),
        (
            {
                "alerts": {
                    "sinks": [{"kind": "webhook", "url": "https://a.b", "secret_file": "none"}]
                }
            },
            ["alerts.sinks.0", "secret_file: cannot read none", "create it"],
        ),
        ("bus: {kind: local\n", ["not YAML: line 2, column 1"]),
        ("- a\n", ["must be a mapping of sections"]),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value)[:40],
)
def test_a_configuration_is_refused_with_place_and_remedy(
    tmp_path: Path, content: object, words: list[str]
) -> None:
    path = written(tmp_path, content)
    done = fleetops("config", "check", config=path)
    line = one_error(done, 2, str(path), *words)
    assert done.stderr == f"{line}\n"
    assert done.stdout == ""


def test_secrets_are_read_before_anything_starts(tmp_path: Path) -> None:
    target = {"name": "n1", "url": "http://127.0.0.1:9"}
    entry = {**BMC, "username": "x", "password_file": "none/password", "targets": [target]}
    base = {"state_dir": str(tmp_path), "bus": {"path": str(tmp_path / "bus.sqlite")}}
    path = written(tmp_path, {**base, "collectors": [entry]})
    one_error(
        fleetops("run", "collect", config=path), 2, "password_file: cannot read none/password"
    )
    assert not (tmp_path / "bus.sqlite").exists()
    token = {"client": {"token_file": str(tmp_path / "none")}}
    done = fleetops("node", "list", config=written(tmp_path, token))
    one_error(done, 2, "client.token_file: cannot read", "create it or mend the path")


def test_wrong_environment_names_the_variable() -> None:
    done = fleetops("config", "check", environ={"FLEETOPS_BUS__PATH": "["})
    one_error(done, 2, "FLEETOPS_BUS__PATH in the environment: not YAML")


@pytest.fixture(scope="module")
def bad_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Six controllers, each bad in its own way, before an exporter that is half garbage."""
    behaviours = {
        "html": saying(b"<html><body>Login</body></html>"),
        "broken": saying(b'{"RedfishVersion": "1.1'),
        "cut-off": cut_off,
        "huge": endless,
        "slow": dripping,
        "refusing": saying(b"", 401),
    }
    with ExitStack() as servers, socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        urls = {name: servers.enter_context(serving(how)) for name, how in behaviours.items()}
        targets = [{"name": name, "url": url} for name, url in {**urls, "off": nowhere}.items()]
        exporter = servers.enter_context(serving(saying(GPU + GARBAGE)))
        collectors = [
            {**BMC, "deadline_seconds": DEADLINE_SECONDS, "targets": targets},
            {"kind": "prometheus", "name": "gpus", "targets": [{"name": "gpu", "url": exporter}]},
        ]
        yield written(tmp_path_factory.mktemp("bad"), {"collectors": collectors})


def test_bad_controllers_are_named_and_the_rest_is_read(bad_config: Path) -> None:
    began = time.monotonic()
    done = fleetops("collect", "once", "-o", "json", config=bad_config)
    assert time.monotonic() - began < 10 * DEADLINE_SECONDS, "they are read side by side"
    assert done.returncode == 3, done.stderr
    (scrape,) = json.loads(done.stdout)
    assert [one["value"] for one in scrape["readings"]] == [61.0]
    told = [text for text in done.stderr.splitlines() if text.startswith("fleetops: ")]
    expected = {
        "html": ("HTML or XML instead of JSON", "check the address"),
        "broken": ("broken or cut-off JSON", "read or copy it again"),
        "cut-off": ("the answer broke off after 23 bytes",),
        "huge": ("longer than 8388608 bytes", "max_body_bytes"),
        "slow": ("deadline_seconds",),
        "refusing": ("not without a login", "set username"),
        "off": ("check address, network and power",),
    }
    assert len(told) == len(expected), done.stderr
    for name, words in expected.items():
        (text,) = [one for one in told if one.startswith(f"fleetops: redfish {name}: ")]
        assert all(word in text for word in words), text
    assert "prometheus gpu: line 2: " in done.stderr
    assert "1 targets read, 7 failed" in done.stderr


@pytest.mark.parametrize("behave", [saying(b"<html></html>"), dripping], ids=["html", "slow"])
def test_a_live_service_that_is_none_is_one_error(behave: object) -> None:
    assert callable(behave)
    with serving(behave) as url:
        done = fleetops("decode", "redfish", url)
    one_error(done, 1, url)
    assert done.stdout == ""


@pytest.mark.timeout(180)
def test_an_unknown_node_in_a_drain_is_named_and_the_other_is_drained(line: TestLine) -> None:
    arguments = ("--reason", "to be looked at", "--yes")
    done = fleetops("node", "drain", "node032,nope", *arguments, config=line.config_path)
    assert done.returncode == 3, done.stderr
    assert "  nope: refuse: no such node" in done.stderr
    results = {row.split()[0]: row.split()[1] for row in done.stdout.splitlines()[1:]}
    assert results == {"node032": "done", "nope": "refused"}
    done = fleetops("node", "drain", "nope", *arguments, config=line.config_path)
    one_error(done, 1, "no node nope", "`fleetops node list` names them")
    back = fleetops(
        *("node", "undrain", "node032", "--reason", "looked at", "--yes"), config=line.config_path
    )
    assert back.returncode == 0, back.stderr
    with line.client() as client:
        wait_until("it is back", lambda: client.node("node032").node.status == "idle", 20)


def test_where_no_api_answers() -> None:
    done = fleetops("node", "list", environ={"FLEETOPS_CLIENT__URL": "http://127.0.0.1:9"})
    one_error(done, 1, "http://127.0.0.1:9")
