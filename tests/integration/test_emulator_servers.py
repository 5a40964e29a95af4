"""The emulator as a process, over its real protocols."""

from __future__ import annotations

import asyncio
import base64
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import httpx
import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.hostlist import expand
from fleetops.core.plugin import load
from fleetops.emulator.endpoints import FILE_NAME, PASSWORD_FILE_NAME, USERNAME
from fleetops.emulator.servers.redfish.sessions import MAX_SESSIONS
from fleetops_collectors.base import Collector, Scrape, devices_of
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Job, NodeState
from fleetops_schemas.topology import HostPlacement, Topology
from tests.integration.emulator_process import START_SECONDS, Emulator, get, samples, start

ROOT = "/redfish/v1"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start(tmp_path_factory.mktemp("emulator"), "--seed", "5", "--scenario", "leak")
    yield running
    assert running.end() == 0


class TestEndpoints:
    def test_all_is_there_for_a_configuration(self, emulator: Emulator) -> None:
        counts = {c["name"]: len(c["targets"]) for c in emulator.endpoints["collectors"]}
        assert counts == {
            "bmc": 32,
            "cdu": 2,
            "shelf": 2,
            "dcgm": 32,
            "training": 24,
            "kernel": 32,
        }
        topology = Topology(map(HostPlacement.model_validate, emulator.endpoints["topology"]))
        assert len(topology) == 32
        job = emulator.endpoints["job"]
        assert (job["id"], job["ranks"], len(job["nodes"])) == ("81", 192, 24)

    def test_the_password_is_in_a_file_for_the_user_alone(self, emulator: Emulator) -> None:
        path = Path(emulator.collector("bmc")["password_file"])
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() not in (emulator.state_dir / FILE_NAME).read_text()


class TestRedfish:
    def test_the_root_is_open_and_the_rest_is_not(self, emulator: Emulator) -> None:
        url = emulator.target("bmc", "node001")
        assert get(f"{url}/redfish").json() == {"v1": f"{ROOT}/"}
        root = get(f"{url}{ROOT}/")
        assert root.headers["odata-version"] == "4.0"
        assert root.json()["@odata.type"] == "#ServiceRoot.v1_20_0.ServiceRoot"
        refused = get(f"{url}{ROOT}/Chassis")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"].endswith("NoValidSession")
        assert "Basic" in refused.headers["www-authenticate"]

    @pytest.mark.parametrize("credentials", ["fleetops:wrong", "root:x", "%%%"])
    def test_wrong_credentials_are_refused(self, emulator: Emulator, credentials: str) -> None:
        url = emulator.target("bmc", "node001")
        encoded = base64.b64encode(credentials.encode()).decode()
        for value in (f"Basic {encoded}", "Basic not-base64!", "Bearer x", "Basic"):
            answer = get(f"{url}{ROOT}/Systems", headers={"Authorization": value})
            assert answer.status_code == 401

    def test_sessions_are_limited_and_freed_by_logout(self, emulator: Emulator) -> None:
        url = emulator.target("bmc", "node002")
        sessions = f"{url}{ROOT}/SessionService/Sessions"
        password = (emulator.state_dir / PASSWORD_FILE_NAME).read_text()
        login = {"UserName": USERNAME, "Password": password}
        with httpx.Client(trust_env=False) as client:
            assert client.post(sessions, json={**login, "Password": "no"}).status_code == 401
            assert client.post(sessions, content=b"{").status_code == 400
            opened = [client.post(sessions, json=login) for _ in range(MAX_SESSIONS)]
            assert [answer.status_code for answer in opened] == [201] * MAX_SESSIONS
            refused = client.post(sessions, json=login)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"].endswith("SessionLimitExceeded")

            tokens = [{"X-Auth-Token": answer.headers["x-auth-token"]} for answer in opened]
            assert client.get(f"{url}{ROOT}/Systems/1", headers=tokens[0]).status_code == 200
            listed = client.get(sessions, headers=tokens[0]).json()
            assert listed["Members@odata.count"] == MAX_SESSIONS
            own = client.get(url + opened[1].headers["location"], headers=tokens[1])
            assert own.json()["UserName"] == USERNAME
            for answer, token in zip(opened, tokens, strict=True):
                location = url + answer.headers["location"]
                assert client.delete(location, headers=token).status_code == 204
            assert client.get(f"{url}{ROOT}/Systems/1", headers=tokens[0]).status_code == 401
            again = client.post(sessions, json=login)
            assert again.status_code == 201
            token = {"X-Auth-Token": again.headers["x-auth-token"]}
            client.delete(url + again.headers["location"], headers=token)

    def test_a_token_is_good_on_its_own_controller_only(self, emulator: Emulator) -> None:
        password = (emulator.state_dir / PASSWORD_FILE_NAME).read_text()
        one, two = emulator.target("bmc", "node003"), emulator.target("bmc", "node004")
        opened = httpx.post(
            f"{one}{ROOT}/SessionService/Sessions",
            json={"UserName": USERNAME, "Password": password},
            trust_env=False,
        )
        token = {"X-Auth-Token": opened.headers["x-auth-token"]}
        assert get(f"{one}{ROOT}/Systems/1", headers=token).json()["HostName"] == "node003"
        assert get(f"{two}{ROOT}/Systems/1", headers=token).status_code == 401
        httpx.delete(one + opened.headers["location"], headers=token, trust_env=False)

    @pytest.mark.parametrize(
        ("collector", "device"), [("bmc", "node001"), ("cdu", "cdu2"), ("shelf", "r03/shelf1")]
    )
    def test_every_reference_leads_to_a_resource(
        self, emulator: Emulator, collector: str, device: str
    ) -> None:
        seen: set[str] = set()
        waiting = [f"{ROOT}/"]
        with emulator.redfish(collector, device) as client:
            while waiting:
                path = waiting.pop().rstrip("/")
                if path in seen:
                    continue
                seen.add(path)
                answer = client.get(path)
                assert answer.status_code == 200, path
                resource = answer.json()
                assert resource["@odata.id"].rstrip("/") == path
                assert resource["@odata.type"].startswith("#")
                waiting += references(resource)
        assert len(seen) > 25

    def test_a_collection_can_be_expanded(self, emulator: Emulator) -> None:
        with emulator.redfish("bmc", "node001") as client:
            sensors = client.get(f"{ROOT}/Chassis/Tray/Sensors?$expand=.($levels=1)").json()
            assert {"Id", "Reading", "ReadingUnits"} <= sensors["Members"][0].keys()
            assert len(sensors["Members"]) == sensors["Members@odata.count"]
            plain = client.get(f"{ROOT}/Chassis/Tray/Sensors").json()
            assert plain["Members"][0].keys() == {"@odata.id"}
            assert client.get(f"{ROOT}/Chassis?$expand=.($levels=9)").status_code == 400

    def test_what_is_not_there_and_what_is_not_allowed(self, emulator: Emulator) -> None:
        with emulator.redfish("cdu", "cdu1") as client:
            missing = client.get(f"{ROOT}/Systems")
            assert missing.status_code == 404
            assert missing.json()["error"]["code"].endswith("ResourceMissingAtURI")
            assert client.post(f"{ROOT}/Chassis", json={}).status_code == 405
            assert client.delete(f"{ROOT}/SessionService/Sessions/none").status_code == 404


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("@odata.id", "DataSourceUri"):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


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
        assert get(f"{emulator.url}/nodes/node032/training").text == ""
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


class TestCollectors:
    """The product's own collectors, with the options that the emulator wrote for them."""

    def scrapes(self, emulator: Emulator, name: str) -> list[Scrape]:
        # a first walk through 32 controllers at once may take long on a loaded machine
        options = {**emulator.collector(name), "deadline_seconds": 60.0}
        collector_class = cast(type[Collector], load("collectors", options.pop("kind")))
        config = collector_class.config_model.model_validate(options)
        collector = collector_class.create(config, SystemClock())

        async def collect() -> list[Scrape]:
            scrapes = await asyncio.gather(*map(collector.collect, config.targets))
            await collector.close()
            return list(scrapes)

        return asyncio.run(collect())

    @pytest.mark.parametrize(
        ("name", "devices"),
        [
            ("bmc", {"node001", "node001/leak0"}),
            ("cdu", {"cdu1", "cdu1/leak0", "cdu1/pump1", "cdu1/pump2"}),
            ("shelf", {"r01/shelf1", *(f"r01/shelf1/psu{n}" for n in range(1, 7))}),
            ("dcgm", {f"node001/gpu{n}" for n in range(8)}),
            ("training", {f"node001/job81/rank{n}" for n in range(8)}),
        ],
    )
    def test_they_read_everything_well(
        self, emulator: Emulator, name: str, devices: set[str]
    ) -> None:
        scrapes = self.scrapes(emulator, name)
        assert len(scrapes) == len(emulator.collector(name)["targets"])
        assert [warning for scrape in scrapes for warning in scrape.warnings] == []
        readings = [reading for scrape in scrapes for reading in scrape.readings]
        assert {reading.quality for reading in readings} == {Quality.GOOD}
        assert set(devices_of(scrapes[0])) == devices

    def test_a_session_is_left_open_by_none(self, emulator: Emulator) -> None:
        for _ in range(MAX_SESSIONS + 1):
            self.scrapes(emulator, "cdu")
        with emulator.redfish("cdu", "cdu1") as client:
            sessions = client.get(f"{ROOT}/SessionService/Sessions").json()
        assert sessions["Members@odata.count"] == 0

    def test_the_kernel_log_names_accelerator_and_time(self, emulator: Emulator) -> None:
        emulator.inject(
            kind="xid", target={"host": "node030", "accelerator": 4}, parameters={"code": 94}
        )
        time.sleep(1.0)
        scrapes = self.scrapes(emulator, "kernel")
        events = [event for scrape in scrapes for event in scrape.events]
        (event,) = [event for event in events if event.host == "node030"]
        assert (event.device, event.code) == ("node030/gpu4", 94)
        assert abs((datetime.now(UTC) - event.time).total_seconds()) < 30


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
        assert (job.id, job.state, len(job.nodes)) == ("81", "RUNNING", 24)

    def test_a_node_is_drained_and_brought_back(self, emulator: Emulator) -> None:
        reason = {"reason": "fleetops:i7 hot", "by": "fleetops"}
        assert self.post(emulator, "node008/drain", reason) == 204
        node = self.nodes(emulator)["node008"]
        assert (node.drained, node.busy, node.reason) == (True, True, "fleetops:i7 hot")
        assert emulator.truth()["drained"] == ["node008"]
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


class TestControl:
    def test_the_scenario_starts_once_on_request(self, emulator: Emulator) -> None:
        assert emulator.truth()["started_at"] is None
        url = f"{emulator.url}/control/start"
        assert httpx.post(url, trust_env=False).json() == {"started": True, "scenario": "leak"}
        assert httpx.post(url, trust_env=False).json()["started"] is False
        faults = [fault for fault in emulator.truth()["faults"] if fault["kind"] == "leak"]
        assert [fault["target"]["host"] for fault in faults] == ["node004", "node004"]
        assert not any(fault["active"] for fault in faults)

    def test_xid_79_shows_in_log_exporter_and_job(self, tmp_path: Path) -> None:
        emulator = start(
            tmp_path, *("--racks", "1", "--hosts-per-rack", "2", "--scenario", "pump_degraded")
        )
        try:
            answer = emulator.inject(kind="xid", target={"host": "node001", "accelerator": 6})
            assert answer.status_code == 201
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
        finally:
            emulator.end()

    def test_a_wrong_fault_is_refused_in_words(self, emulator: Emulator) -> None:
        answer = emulator.inject(kind="flood")
        assert answer.status_code == 400
        assert "cold_plate_clog" in answer.json()["detail"]
        assert emulator.inject(kind="leak", target={"rack": 1}).status_code == 400


class TestProcess:
    def test_other_names_and_a_scheduler_elsewhere(self, tmp_path: Path) -> None:
        emulator = start(
            tmp_path,
            *("--racks", "2", "--hosts-per-rack", "2", "--host-names", "n[0-3]"),
            *("--scheduler", "external", "--job-id", "4711", "--scenario", "leak"),
        )
        try:
            assert [place["host"] for place in emulator.endpoints["topology"]] == expand("n[0-3]")
            assert emulator.endpoints["scheduler_url"] is None
            assert get(f"{emulator.url}/scheduler/ping").status_code == 404
            assert 'job="4711",host="n0"' in get(emulator.target("training", "n0")).text
            assert httpx.post(f"{emulator.url}/control/start", trust_env=False).is_success
            assert emulator.truth()["faults"][0]["target"]["host"] == "n3"
        finally:
            assert emulator.end() == 0

    def test_the_scheduler_can_demand_a_token(self, tmp_path: Path) -> None:
        token_file = tmp_path / "token"
        token_file.write_text("hunter2\n")
        emulator = start(
            tmp_path / "state",
            *("--racks", "1", "--hosts-per-rack", "4", "--scenario", "leak"),
            *("--scheduler-token-file", str(token_file)),
        )
        try:
            url = f"{emulator.url}/scheduler/ping"
            assert get(url).status_code == 401
            assert get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert get(url, headers={"Authorization": "Bearer hunter2"}).status_code == 200
        finally:
            emulator.end()

    def test_it_ends_on_sigterm(self, tmp_path: Path) -> None:
        emulator = start(
            tmp_path, "--scenario", "pump_degraded", "--racks", "1", "--hosts-per-rack", "1"
        )
        emulator.process.send_signal(signal.SIGTERM)
        assert emulator.process.wait(10) == 0
        emulator.end()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--scenario", "no_such"), "shipped: cold_plate_clog"),
            (("--port", "1", "--state-dir", "/proc/none"), "/proc/none"),
            (("--host-names", "n[0-3]"), "4 host names for 4 racks x 8 hosts"),
            (("--racks", "1", "--hosts-per-rack", "2"), "host_index 6"),
            (("--host-names", "n[0-"), "not a hostlist"),
            (("--scheduler-token-file", "/no/such/file"), "scheduler_token_file: cannot read"),
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
