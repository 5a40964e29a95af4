"""The API without tokens: loopback reads, nobody writes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from fleetops.api.service import ApiService
from fleetops.core.clock import SystemClock
from fleetops.core.errors import ConfigError, RefusedError
from fleetops_schemas import topics
from fleetops_schemas.records import ActionKind
from fleetops_schemas.topology import HostPlacement
from tests.integration.api_server import ApiRig, api_rig, eventually, placement


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    with api_rig(tmp_path_factory.mktemp("api"), tokens=False) as made:
        yield made


def test_loopback_reads_and_writing_is_refused_with_the_remedy(rig: ApiRig) -> None:
    rig.publish(topics.INVENTORY, placement("node001"))
    with rig.client(None) as client:
        eventually(lambda: len(client.nodes().items) == 1, "the node")
        with pytest.raises(RefusedError, match=r"add one to api\.tokens"):
            client.request_action(ActionKind.DRAIN, "node001", "check")
    assert rig.intents() == []


def test_a_page_of_elsewhere_reads_nothing(rig: ApiRig) -> None:
    answer = httpx.get(f"{rig.url}/api/v1/nodes", headers={"Host": "evil.example"})
    assert answer.status_code == 401


def test_a_record_of_a_newer_writer_is_read_and_a_bad_one_skipped(rig: ApiRig) -> None:
    with rig.bus.producer() as producer:
        newer = HostPlacement(host="node002", rack="r01").model_dump_json()[:-1] + ',"new": 1}'
        producer.send(topics.INVENTORY.name, "node002", newer.encode())
        producer.send(topics.INVENTORY.name, "node003", b"not json")
        producer.flush(10)
    with rig.client(None) as client:
        eventually(lambda: "node002" in [n.name for n in client.all_nodes()], "node002")
        assert "node003" not in [n.name for n in client.all_nodes()]


def test_a_deleted_record_is_gone(rig: ApiRig) -> None:
    rig.publish(topics.INVENTORY, placement("node009"))
    with rig.client(None) as client:
        eventually(lambda: "node009" in [n.name for n in client.all_nodes()], "node009")
        with rig.bus.producer() as producer:
            producer.send(topics.INVENTORY.name, "node009", b"")
            producer.flush(10)
        eventually(lambda: "node009" not in [n.name for n in client.all_nodes()], "its end")


def test_a_port_in_use_is_a_configuration_error(rig: ApiRig) -> None:
    port = int(rig.url.rsplit(":", 1)[1])
    taken = rig.config.model_copy(update={"api": rig.config.api.model_copy(update={"port": port})})
    service = ApiService(rig.bus, rig.store, taken, SystemClock())
    try:
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1 port {port}"):
            service.start()
    finally:
        service.close()
