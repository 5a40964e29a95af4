"""The emulator as a process, over its real protocols."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml

from fleetops.core.config import load_config
from fleetops.core.hostlist import expand
from fleetops.emulator.addresses import CONFIGURATION_NAME, FILE_NAME
from fleetops.emulator.interfaces.redfish.interface import USERNAME
from fleetops.emulator.interfaces.redfish.sessions import MAX_SESSIONS
from fleetops_schemas.records import Job, NodeState
from fleetops_schemas.topology import HostPlacement, Topology
from tests.integration.emulator_process import (
    START_SECONDS,
    Emulator,
    get,
    running,
    samples,
    scrapes,
    start,
)

ROOT = "/redfish/v1"
FOUR_HOSTS = ("--scale", "4", "--tick-seconds", "0.25")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    arguments = ("--cluster", "demo", "--tick-seconds", "0.25", "--seed", "5")
    folder = tmp_path_factory.mktemp("emulator")
    with running(folder, *arguments, "--scenario", "leak", "--waits") as process:
        yield process


class TestEndpoints:
    def test_all_is_there_for_a_configuration(self, emulator: Emulator) -> None:
        counts = {c["name"]: len(c["targets"]) for c in emulator.endpoints["collectors"]}
        assert counts == {
            "dcgm": 32,
            "training": 24,
            "kernel": 32,
            "bmc": 32,
            "cdu": 2,
            "shelf": 4,
        }
        topology = Topology(map(HostPlacement.model_validate, emulator.endpoints["topology"]))
        assert len(topology) == 32
        (job,) = emulator.endpoints["jobs"]
        assert (job["id"], job["workload"], job["ranks"]) == ("81", "llm_training", 192)
        assert (len(job["nodes"]), job["pipeline_stages"]) == (24, 4)
        assert job["expected_step_seconds"] == pytest.approx(0.99, abs=0.01)

    def test_it_says_what_makes_the_same_fleet_again(self, emulator: Emulator) -> None:
        told = emulator.endpoints
        assert (told["cluster"], told["seed"], told["tick_seconds"]) == ("demo", 5, 0.25)
        began = datetime.fromisoformat(told["began"])
        assert 0.0 < (datetime.now(UTC) - began).total_seconds() < 600.0

    def test_fast_sources_are_asked_each_second_and_controllers_less_often(
        self, emulator: Emulator
    ) -> None:
        asked = {one["name"]: one["interval_seconds"] for one in emulator.endpoints["collectors"]}
        assert (asked["dcgm"], asked["training"], asked["kernel"]) == (1.0, 1.0, 1.0)
        assert (asked["bmc"], asked["cdu"], asked["shelf"]) == (4.0, 4.0, 4.0)

    def test_the_configuration_is_one(self, emulator: Emulator) -> None:
        path = emulator.state_dir / CONFIGURATION_NAME
        config = load_config(path)
        assert [one["name"] for one in config.collectors] == [
            one["name"] for one in emulator.endpoints["collectors"]
        ]
        written = yaml.safe_load(path.read_text())
        assert written["operate"]["scheduler_options"] == {"url": emulator.url}

    def test_the_password_is_in_a_file_for_the_user_alone(self, emulator: Emulator) -> None:
        path = Path(emulator.collector("bmc")["password_file"])
        assert path.stat().st_mode & 0o777 == 0o600
        for name in (FILE_NAME, CONFIGURATION_NAME):
            assert path.read_text() not in (emulator.state_dir / name).read_text()


class TestText:
    def test_the_exporter_s_page_has_eight_accelerators(self, emulator: Emulator) -> None:
        answer = get(emulator.target("dcgm", "node010"))
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        temperature = samples(answer.text, "DCGM_FI_DEV_GPU_TEMP")
        assert set(temperature) == {str(gpu) for gpu in range(8)}
        assert all(50 <= value <= 70 for value in temperature.values())
        assert 'Hostname="node010"' in answer.text
        assert 'pci_bus_id="00000000:1B:00.0"' in answer.text

    def test_a_spare_is_idle_and_runs_no_ranks(self, emulator: Emulator) -> None:
        text = get(emulator.target("dcgm", "node032")).text
        assert all(value < 90 for value in samples(text, "DCGM_FI_DEV_POWER_USAGE").values())
        assert set(samples(text, "DCGM_FI_DEV_GPU_UTIL").values()) == {0.0}
        targets = {target["name"] for target in emulator.collector("training")["targets"]}
        assert "node032" not in targets
        assert get(f"{emulator.url}/nodes/node099/metrics").status_code == 404

    def test_ranks_report_their_steps(self, emulator: Emulator) -> None:
        url = emulator.target("training", "node024")
        text = get(url).text
        assert set(samples(text, "fleetops_training_compute_seconds")) == {
            str(rank) for rank in range(184, 192)
        }
        assert set(samples(text, "fleetops_training_pipeline_stage").values()) == {3.0}
        before = samples(text, "fleetops_training_step_total")["184"]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if samples(get(url).text, "fleetops_training_step_total")["184"] > before:
                return
            time.sleep(0.2)
        pytest.fail("no step ended in 20 s")


class TestRedfish:
    def client(self, emulator: Emulator, collector: str, name: str) -> httpx.Client:
        password = Path(emulator.collector(collector)["password_file"]).read_text()
        url = emulator.target(collector, name)
        return httpx.Client(base_url=url, auth=(USERNAME, password), trust_env=False)

    def test_each_controller_has_a_port_and_answers_for_itself(self, emulator: Emulator) -> None:
        for name in ("node003", "node004"):
            with self.client(emulator, "bmc", name) as client:
                (system,) = client.get(f"{ROOT}/Systems").json()["Members"]
                assert client.get(system["@odata.id"]).json()["HostName"] == name
        url = emulator.target("bmc", "node003")
        assert get(f"{url}{ROOT}/Systems").status_code == 401
        assert get(f"{url}{ROOT}/").status_code == 200

    def test_sessions_are_limited_and_freed_by_logout(self, emulator: Emulator) -> None:
        path = f"{ROOT}/SessionService/Sessions"
        password = Path(emulator.collector("bmc")["password_file"]).read_text()
        login = {"UserName": USERNAME, "Password": password}
        url = emulator.target("bmc", "node002")
        with httpx.Client(base_url=url, trust_env=False) as client:
            opened = [client.post(path, json=login) for _ in range(MAX_SESSIONS)]
            assert [answer.status_code for answer in opened] == [201] * MAX_SESSIONS
            assert client.post(path, json=login).status_code == 503
            for answer in opened:
                token = {"X-Auth-Token": answer.headers["x-auth-token"]}
                assert client.get(f"{ROOT}/Systems", headers=token).status_code == 200
                assert client.delete(answer.headers["location"], headers=token).status_code == 204
                assert client.get(f"{ROOT}/Systems", headers=token).status_code == 401
            again = client.post(path, json=login)
            assert again.status_code == 201
            token = {"X-Auth-Token": again.headers["x-auth-token"]}
            client.delete(again.headers["location"], headers=token)

    def test_the_collector_leaves_no_session_open(self, emulator: Emulator) -> None:
        for _ in range(MAX_SESSIONS + 1):
            scrapes(emulator.collector("cdu"))
        with self.client(emulator, "cdu", "cdu1") as client:
            sessions = client.get(f"{ROOT}/SessionService/Sessions").json()
        assert sessions["Members@odata.count"] == 0


class TestScheduler:
    def nodes(self, emulator: Emulator) -> dict[str, NodeState]:
        listed = get(f"{emulator.url}/scheduler/nodes").json()["nodes"]
        return {state.node: state for state in map(NodeState.model_validate, listed)}

    def post(self, emulator: Emulator, path: str, body: object = None) -> int:
        url = f"{emulator.url}/scheduler/nodes/{path}"
        return httpx.post(url, json=body, trust_env=False).status_code

    def test_it_lists_nodes_and_the_job(self, emulator: Emulator) -> None:
        assert get(f"{emulator.url}/scheduler/ping").status_code == 200
        nodes = self.nodes(emulator)
        assert len(nodes) == 32
        assert nodes["node001"].busy
        assert nodes["node025"].states == ("IDLE",)
        (job,) = map(Job.model_validate, get(f"{emulator.url}/scheduler/jobs").json()["jobs"])
        assert (job.id, job.name, job.state) == ("81", "llm_training", "RUNNING")
        assert len(job.nodes) == 24

    def test_a_node_is_drained_and_brought_back(self, emulator: Emulator) -> None:
        reason = {"reason": "fleetops:i7 hot", "by": "fleetops"}
        assert self.post(emulator, "node008/drain", reason) == 204
        node = self.nodes(emulator)["node008"]
        assert (node.drained, node.busy, node.reason) == (True, True, "fleetops:i7 hot")
        truth = emulator.truth()
        assert truth["drained"] == ["node008"]
        assert truth["scheduler_calls"][-1]["reason"] == "fleetops:i7 hot"
        assert self.post(emulator, "node008/undrain") == 204
        assert not self.nodes(emulator)["node008"].drained
        assert self.post(emulator, "node008/undrain") == 409

    def test_what_is_wrong_is_refused(self, emulator: Emulator) -> None:
        assert self.post(emulator, "node999/drain", {"reason": "x"}) == 404
        assert self.post(emulator, "node999/undrain") == 404
        assert self.post(emulator, "node008/drain", {"by": "me"}) == 400
        assert self.post(emulator, "node008/drain", {"reason": 7}) == 400
        assert self.post(emulator, "node008/drain", {"reason": "x" * 100_000}) == 400
        assert emulator.truth()["drained"] == []

    def test_it_can_demand_a_token(self, tmp_path: Path) -> None:
        token_file = tmp_path / "token"
        token_file.write_text("hunter2\n")
        arguments = (*FOUR_HOSTS, "--scheduler-token-file", str(token_file))
        with running(tmp_path / "state", *arguments) as emulator:
            url = f"{emulator.url}/scheduler/ping"
            assert get(url).status_code == 401
            assert get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert get(url, headers={"Authorization": "Bearer hunter2"}).status_code == 200


class TestControl:
    def test_the_scenario_starts_once_on_request(self, emulator: Emulator) -> None:
        assert emulator.truth()["started_at"] is None
        url = f"{emulator.url}/control/start"
        assert httpx.post(url, trust_env=False).json() == {"started": True}
        assert httpx.post(url, trust_env=False).json() == {"started": False}
        truth = emulator.truth()
        leaks = [fault for fault in truth["faults"] if fault["kind"] == "leak"]
        assert [fault["target"]["host"] for fault in leaks] == ["node004", "node004"]
        assert not any(fault["active"] for fault in leaks)
        assert [fault["drain"] for fault in leaks] == [False, True]
        assert truth["elapsed_seconds"] < 10.0

    def test_xid_79_shows_in_log_exporter_and_job(self, tmp_path: Path) -> None:
        with running(tmp_path, *FOUR_HOSTS) as emulator:
            answer = emulator.inject(kind="xid", target={"host": "node001", "accelerator": 6})
            assert answer.status_code == 201
            assert answer.json() == {"id": "fault-1"}
            log = Path(emulator.target("kernel", "node001"))
            deadline = time.monotonic() + 20
            while "Xid (PCI:0000:d1:00): 79," not in log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(0.5)  # the tick that wrote the line ends
            text = get(emulator.target("dcgm", "node001")).text
            assert set(samples(text, "DCGM_FI_DEV_GPU_TEMP")) == set("0123457")
            ranks = get(emulator.target("training", "node001")).text
            assert len(samples(ranks, "fleetops_training_rank")) == 7
            events = [
                event for one in scrapes(emulator.collector("kernel")) for event in one.events
            ]
            assert {event.host for event in events} == {"node001"}
            event = next(event for event in events if event.code == 79)
            assert event.device == "node001/gpu6"
            assert abs((datetime.now(UTC) - event.time).total_seconds()) < 30
            (fault,) = emulator.truth()["faults"]
            assert (fault["place"], fault["active"]) == ("node001/gpu6", True)

    def test_a_wrong_fault_is_refused_in_words(self, emulator: Emulator) -> None:
        answer = emulator.inject(kind="flood")
        assert answer.status_code == 400
        assert "cold_plate_clog" in answer.json()["detail"]
        answer = emulator.inject(kind="leak", target={"colour": "red"})
        assert answer.status_code == 400
        assert "target.colour: unknown key" in answer.json()["detail"]
        answer = emulator.inject(kind="leak", target={"host": "x" * 70_000})
        assert answer.status_code == 413

    def test_a_fault_of_the_command_line_strikes_where_it_can(self, tmp_path: Path) -> None:
        with running(tmp_path, *FOUR_HOSTS, "--fault", "leak", "--fault", "slow_rank") as emulator:
            leak, slow = emulator.truth()["faults"]
        assert (leak["target"]["host"], leak["active"]) == ("node001", True)
        assert slow["target"] == {"host_index": 0, "host": "node001", "accelerator": 4}


class TestProcess:
    def test_other_names_and_a_scheduler_elsewhere(self, tmp_path: Path) -> None:
        arguments = [*FOUR_HOSTS, "--host-names", "n[0-3]", "--scheduler", "external"]
        arguments += ["--first-job-id", "4711", "--scenario", "leak", "--waits"]
        with running(tmp_path, *arguments) as emulator:
            assert [place["host"] for place in emulator.endpoints["topology"]] == expand("n[0-3]")
            assert emulator.endpoints["scheduler_url"] is None
            assert get(f"{emulator.url}/scheduler/ping").status_code == 404
            assert 'job="4711"' in get(emulator.target("training", "n0")).text
            assert httpx.post(f"{emulator.url}/control/start", trust_env=False).is_success
            assert emulator.truth()["faults"][0]["target"]["host"] == "n3"
            written = yaml.safe_load((tmp_path / CONFIGURATION_NAME).read_text())
            assert "operate" not in written

    def test_it_ends_on_sigterm(self, tmp_path: Path) -> None:
        emulator = start(tmp_path, "--scale", "1")
        emulator.process.send_signal(signal.SIGTERM)
        assert emulator.process.wait(10) == 0
        emulator.end()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--scenario", "no_such"), "shipped: cold_plate_clog"),
            (("--port", "1", "--state-dir", "/proc/none"), "/proc/none"),
            (("--host-names", "n[0-3]"), "4 different host names of 4 for 32 hosts"),
            (("--scale", "2", "--scenario", "cold_plate_clog"), "host_index 6"),
            (("--host-names", "n[0-"), "not a hostlist"),
            (("--scheduler-token-file", "/no/such/file"), "scheduler_token_file: cannot read"),
            (("--cluster", "atlantis"), "no cluster and no platform 'atlantis'"),
            (("--scale", "0"), "0 hosts is no fleet"),
            (("--fault", "flood"), "flood"),
            (("--tick-seconds", "0"), "tick"),
            (("--tick-seconds", "-1"), "tick"),
            (("--tick-seconds", "nan"), "tick"),
            (("--fault", '{"kind": "leak", "target": {"host": "n1"}}'), "no 'n1'"),
            (("--cluster", "grand_teton", "--fault", "leak"), "grand_teton has no host that can"),
        ],
    )
    def test_a_wrong_option_is_told_in_one_line(
        self, tmp_path: Path, arguments: tuple[str, ...], message: str
    ) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "fleetops.emulator", "--state-dir", str(tmp_path), *arguments],
            stdin=subprocess.PIPE,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        assert ended.returncode == 2
        assert message in ended.stderr
        assert ended.stderr.count("\n") == 1
        assert not (tmp_path / FILE_NAME).exists()
