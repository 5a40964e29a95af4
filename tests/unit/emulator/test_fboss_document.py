"""The document of an emulated FBOSS switch, read back by the real decoder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from fleetops.emulator.interfaces.base import Selection
from fleetops.emulator.interfaces.fboss_document import FbossDocument
from fleetops.emulator.interfaces.switches import switches_of
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_collectors.fboss.decode import decode_fboss
from fleetops_collectors.fboss.structs import structs_of
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.readings import Quality

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PORT = "fabric_port"


class Switch:
    """One switch of a cluster, whatever it speaks there."""

    def __init__(self, cluster: str, name: str) -> None:
        self.struck: dict[str, dict[str, float]] = {}
        site = build_site(cluster_of(cluster), 2)
        self.fleet = Fleet(FleetOptions(site), self._disturb)
        selection = Selection(switches=(site.index("switches", name),))
        (self.rows,) = switches_of(self.fleet, selection)
        self._document = FbossDocument(self.rows)

    def document(self) -> Any:  # noqa: ANN401
        return json.loads(self._document.filled(self.fleet.tables, NOW))

    def cells(self) -> dict[tuple[str, str], float | Quality]:
        """Readings by device and metric."""
        decoded = decode_fboss(structs_of(self.document()), switch=self.rows.name, now=NOW)
        assert decoded.warnings() == []
        return {
            (one.device, one.metric): one.quality if one.value is None else float(one.value)
            for one in decoded.readings
        }

    def _disturb(self, _seconds: float, effects: Effects) -> None:
        for channel, ports in self.struck.items():
            for port, value in ports.items():
                at = self.fleet.site.index("ports", port)
                effects.apply(channel, np.array([at]), value, 1.0)


def test_it_is_what_fsdb_and_fboss2_say() -> None:
    switch = Switch("llm_roce_32k", "leaf1")
    document = switch.document()
    stats = document["stats"]["agent"]["hwPortStats"]["eth1"]
    assert stats["inBytes_"] == switch.fleet.tables[PORT].value("leaf1/eth1", "receive_bytes_total")
    assert stats["inDiscards_"] == -1, "the chip does not count it"
    assert stats["inPfc_"] == {"3": 0}
    assert stats["timestamp_"] == int(NOW.timestamp())
    (entry, *_) = document["show_port"]["portEntries"]
    assert (entry["name"], entry["linkState"], entry["speed"]) == ("eth1", "Up", "400G")
    modules = document["stats"]["qsfp_service"]["tcvrStats"]
    optical = [at for at, lanes in enumerate(switch.rows.lanes) if lanes]
    assert [int(number) for number in modules] == optical, "copper has no module that tells"
    channels = modules[str(optical[0])]["channels"]
    assert channels[0]["sensors"]["txPwr"]["value"] == pytest.approx(10**0.079)
    assert channels[3]["sensors"]["txPwr"]["value"] == pytest.approx(10**0.094)
    sensors = document["stats"]["sensor_service"]["sensorData"]
    assert sensors["PSU1_VIN"]["value"] == pytest.approx(230.0, abs=3.0)


def test_what_is_filled_in_is_of_the_tick() -> None:
    switch = Switch("llm_roce_32k", "leaf1")
    before = switch.cells()
    switch.struck["link_down"] = {"leaf1/eth1": 1.0}
    switch.fleet.tick()
    after = switch.cells()
    assert (before["leaf1/eth1", "link_state"], after["leaf1/eth1", "link_state"]) == (1.0, 0.0)
    table = switch.fleet.tables[PORT]
    assert after["leaf1/eth2", "receive_bytes_total"] == table.value(
        "leaf1/eth2", "receive_bytes_total"
    )
    assert after["leaf1/eth2", "receive_bytes_total"] != before["leaf1/eth2", "receive_bytes_total"]


def test_light_that_is_gone_is_no_number() -> None:
    switch = Switch("llm_roce_32k", "leaf1")
    uplink = f"leaf1/{switch.rows.port_names[-1]}"
    switch.struck["receive_power"] = {uplink: 1e-6}
    switch.fleet.tick()
    found = switch.cells()
    assert found[uplink, "optics_receive_power_milliwatts"] is Quality.SENTINEL
    assert found[uplink, "optics_dark_lanes"] == 4
    assert found[uplink, "optics_transmit_power_milliwatts"] == pytest.approx(10**0.079)


def test_an_external_laser_is_told_beside_its_module() -> None:
    switch = Switch("unified_2025", "spine1")
    found, table = switch.cells(), switch.fleet.tables[PORT]
    laser = "spine1/eth1/laser1"
    for metric in table.metrics_of(table.roster.index[laser]):
        assert found[laser, metric] == pytest.approx(table.value(laser, metric))
    assert found[laser, "optics_transmit_power_milliwatts"] == pytest.approx(100.0)
    assert (laser, "optics_dark_lanes") not in found
    assert found["spine1/eth1", "optics_dark_lanes"] == 0
