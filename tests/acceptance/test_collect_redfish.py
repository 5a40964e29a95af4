"""``fleetops collect once`` with the example configuration of ``redfish``, over real HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.commands import COMMAND, answer, fleetops
from tests.support import ROOT
from tests.unit.collectors.http_server import unused_url
from tests.unit.collectors.redfish_service import (
    ENABLED,
    ENTRIES,
    PASSWORD,
    SSE,
    USER,
    EventFeed,
    RedfishService,
    collection,
    entry,
    link,
    resource,
    running,
    tray,
)

EXAMPLE = ROOT / "docs" / "examples" / "redfish.yaml"
V1 = "/redfish/v1"


def host() -> RedfishService:
    resources = tray()
    resources[f"{V1}/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
    resources[ENTRIES]["Members"] = [
        entry(1, "2025-12-31T23:59:00Z", "Environmental.1.4.LeakDetectedCritical")
    ]
    return RedfishService(resources, needs_login=True)


def equipment(collection_name: str, kind: str, *parts: dict[str, Any]) -> RedfishService:
    """A coolant unit or a power shelf of one unit with these parts."""
    place, top = collection_name.split("/")
    unit = f"{V1}/{collection_name}/1"
    found = [
        resource(V1, "ServiceRoot", RedfishVersion="1.17.0", **{place: link(f"{V1}/{place}")}),
        resource(f"{V1}/{place}", place, **{top: link(f"{V1}/{collection_name}")}),
        collection(f"{V1}/{collection_name}", kind, unit),
        resource(unit, kind, Status=ENABLED, SerialNumber="S1")
        | {
            part["@odata.id"].split("/")[-2]: link(part["@odata.id"].rsplit("/", 1)[0])
            for part in parts
        },
        *parts,
        *(
            collection(part["@odata.id"].rsplit("/", 1)[0], "Part", part["@odata.id"])
            for part in parts
        ),
    ]
    return RedfishService({item["@odata.id"]: item for item in found}, needs_login=True)


def coolant_unit() -> RedfishService:
    unit = f"{V1}/ThermalEquipment/CDUs/1"
    return equipment(
        "ThermalEquipment/CDUs",
        "CoolingUnit",
        resource(f"{unit}/Pumps/1", "Pump", PumpSpeedPercent={"Reading": 62.0}, Status=ENABLED),
        resource(
            f"{unit}/SecondaryCoolantConnectors/1",
            "CoolantConnector",
            FlowLitersPerMinute={"Reading": 410.0},
            Status=ENABLED,
        ),
    )


def power_shelf() -> RedfishService:
    unit = f"{V1}/PowerEquipment/PowerShelves/1"
    return equipment(
        "PowerEquipment/PowerShelves",
        "PowerDistribution",
        resource(f"{unit}/Mains/AC1", "Circuit", Voltage={"Reading": 240.5}, Status=ENABLED),
    )


@pytest.fixture
def services() -> Iterator[tuple[dict[str, str], list[RedfishService]]]:
    """The addresses, by the variables of the example, and the services there."""
    found = {"BMC_URL": host(), "CDU_URL": coolant_unit(), "SHELF_URL": power_shelf()}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(running(service)) for name, service in found.items()}
        yield urls, list(found.values())


@pytest.fixture
def login(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    return {"REDFISH_USER": USER, "REDFISH_PASSWORD_FILE": str(file)}


def test_hosts_and_equipment(
    services: tuple[dict[str, str], list[RedfishService]], login: dict[str, str]
) -> None:
    urls, running_services = services
    done = fleetops(*("collect", "once", "-o", "json"), config=EXAMPLE, environ=urls | login)
    assert done.returncode == 0, done.stderr
    scrapes = json.loads(done.stdout)
    cells = {
        (one["device"], one["metric"]): one["value"]
        for scrape in scrapes
        for one in scrape["readings"]
    }
    assert cells["node001/gpu1", "temperature_celsius"] == 61.5
    assert cells["node001/leak0", "leak_state"] == 0
    assert cells["cdu1", "flow_litres_per_minute"] == 410.0
    assert cells["cdu1/pump1", "pump_speed_ratio"] == pytest.approx(0.62)
    assert cells["r01/shelf1/ac1", "input_voltage_volts"] == 240.5
    assert [scrape["warnings"] for scrape in scrapes] == [[], [], []]
    (leak,) = [event for scrape in scrapes for event in scrape["events"]]
    assert (leak["kind"], leak["host"], leak["severity"]) == ("coolant_leak", "node001", "critical")
    for service in running_services:
        assert (service.opened, service.peak_sessions, service.sessions) == (1, 1, set())
        assert service.peak_requests == 1


def test_a_controller_that_is_away_costs_the_others_nothing(
    services: tuple[dict[str, str], list[RedfishService]], login: dict[str, str]
) -> None:
    urls, _ = services
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={**urls, "CDU_URL": unused_url(), **login},
    )
    assert done.returncode == 3
    assert {scrape["target"] for scrape in json.loads(done.stdout)} == {"node001-bmc", "shelf1"}
    assert "redfish cdu1" in done.stderr


def test_decoding_a_resource_and_a_live_service(tmp_path: Path) -> None:
    file = tmp_path / "sensor.json"
    file.write_text(json.dumps(tray()[f"{V1}/Chassis/Tray/Sensors/Inlet"]))
    (one,) = answer("decode", "redfish", file, "--host", "node009")
    assert (one["device"], one["metric"], one["value"]) == (
        *("node009", "inlet_temperature_celsius"),
        24.5,
    )
    with running(RedfishService(tray())) as url:
        assert len(answer("decode", "redfish", url)) == 12


@pytest.mark.parametrize("way_out", [signal.SIGTERM, signal.SIGINT])
def test_a_collector_that_is_stopped_leaves_no_session(
    way_out: signal.Signals, tmp_path: Path, login: dict[str, str]
) -> None:
    service, feed = host(), EventFeed()
    service.feed = feed
    resources: Any = service.resources
    resources[V1]["EventService"] = link(f"{V1}/EventService")
    resources[f"{V1}/EventService"] = resource(
        f"{V1}/EventService", "EventService", ServiceEnabled=True, ServerSentEventUri=SSE
    )
    with running(service) as url:
        entry = {
            **{"kind": "redfish", "name": "bmc", "interval_seconds": 0.3},
            **{"username": USER, "password_file": login["REDFISH_PASSWORD_FILE"]},
            "targets": [{"name": "node001-bmc", "url": url, "host": "node001", "rack": "r01"}],
        }
        config = {
            "state_dir": str(tmp_path / "state"),
            "bus": {"path": str(tmp_path / "bus.sqlite")},
            "collectors": [entry],
        }
        path = tmp_path / "fleetops.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        process = subprocess.Popen(
            [*COMMAND, "--config", str(path), "run", "collect"], stderr=subprocess.PIPE, text=True
        )
        try:
            wait_for(lambda: feed.live == 1 and service.gets(f"{V1}/Systems/Sys") > 3)
            assert len(service.sessions) == 1
        finally:
            process.send_signal(way_out)
            said = process.communicate(timeout=30)[1]
        assert process.returncode == 0, said
        assert service.sessions == set()
        assert (service.opened, service.peak_sessions, len(feed.opened)) == (1, 1, 1)


def wait_for(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for what another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
