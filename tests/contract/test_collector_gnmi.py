"""The contract of collectors, kept by ``gnmi`` against a real gNMI target over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops_collectors.base import Target
from fleetops_collectors.gnmi import GnmiCollector
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.gnmi_target import TargetScript, serving, without_gnmi
from tests.redis_testbed import free_port
from tests.tls_proxy import make_certificate

PORT = "/interfaces/interface[name=Ethernet1/1]"
VALUES = {
    f"{PORT}/state/oper-status": "UP",
    f"{PORT}/state/counters": {"openconfig-interfaces:in-octets": "81"},
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


class TestGnmiCollector(CollectorContract):
    collector_class = GnmiCollector

    @override
    @pytest.fixture
    def options(self, certificate: tuple[Path, Path]) -> dict[str, Any]:
        return {"ca_file": str(certificate[0]), "username": "reader", "password": "secret"}

    @override
    @pytest.fixture
    def target(self, certificate: tuple[Path, Path]) -> Iterator[Target]:
        script = TargetScript(VALUES, username="reader", password="secret")  # noqa: S106
        with serving(script, certificate) as port:
            yield Target(name="leaf1-gnmi", url=f"127.0.0.1:{port}", host="leaf1")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="leaf2-gnmi", url=f"127.0.0.1:{free_port()}", host="leaf2")


class TestGnmiCollectorWithoutTls(CollectorContract, RefusesGarbage):
    collector_class = GnmiCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"insecure": True}

    @override
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        with serving(TargetScript(VALUES)) as port:
            yield Target(name="leaf1-gnmi", url=f"127.0.0.1:{port}", host="leaf1")

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="leaf2-gnmi", url=f"127.0.0.1:{free_port()}", host="leaf2")

    @override
    @pytest.fixture
    def garbage_target(self) -> Iterator[Target]:
        with without_gnmi() as port:
            yield Target(name="other-grpc", url=f"127.0.0.1:{port}", host="leaf1")
