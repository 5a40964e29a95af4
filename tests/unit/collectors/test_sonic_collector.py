"""Reading a switch's Redis: what it costs, what may go wrong, and what is said of it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from pydantic import ValidationError

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.sonic import SonicCollector, SonicConfig
from fleetops_schemas.readings import Quality
from tests.redis_testbed import dump_of, fill, redis_running
from tests.support import fixtures
from tests.tls_proxy import make_certificate, tls_proxy

PORTS = 64
QUEUES = 20
T = TypeVar("T")


def run(
    url: str,
    act: Callable[[SonicCollector, Target], Awaitable[T]],
    **options: Any,  # noqa: ANN401
) -> T:
    config = SonicConfig.model_validate({"name": "test", **options})

    async def session() -> T:
        collector = SonicCollector.create(config, ManualClock())
        try:
            return await act(collector, Target(name="leaf1-redis", url=url, device="leaf1"))
        finally:
            await collector.close()

    return asyncio.run(session())


async def once(collector: SonicCollector, target: Target) -> Scrape:
    return await collector.collect(target)


def a_switch() -> dict[int, dict[str, dict[str, object]]]:
    """A switch of 64 ports with 20 queues each, and routes that nobody here asks for."""
    names = {f"Ethernet{n * 8}": f"oid:0x10000000{n:05x}" for n in range(PORTS)}
    queues = {
        f"{p}:{q}": f"oid:0x15000000{n:03x}{q:02x}"
        for n, p in enumerate(names)
        for q in range(QUEUES)
    }
    counters: dict[str, dict[str, object]] = {
        "COUNTERS_PORT_NAME_MAP": dict(names),
        "COUNTERS_QUEUE_NAME_MAP": dict(queues),
    }
    for number, oid in enumerate(names.values()):
        stats = {f"SAI_PORT_STAT_ETHER_STATS_{n}": n for n in range(100)}
        counters[f"COUNTERS:{oid}"] = {**stats, "SAI_PORT_STAT_IF_IN_OCTETS": number}
    for oid in queues.values():
        counters[f"COUNTERS:{oid}"] = {"SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": 1}
    state: dict[str, dict[str, object]] = {
        f"TRANSCEIVER_DOM_SENSOR|{port}": {"temperature": "41.5", "rx1power": "-1.0"}
        for port in names
    }
    state |= {f"NEIGH_STATE_TABLE|10.0.0.{n}": {"state": "x"} for n in range(3000)}
    applied: dict[str, dict[str, object]] = {
        f"PORT_TABLE:{port}": {"oper_status": "up", "speed": "800000"} for port in names
    }
    applied |= {f"ROUTE_TABLE:10.{n >> 8}.{n & 255}.0/24": {"nexthop": "x"} for n in range(5000)}
    return {0: applied, 2: counters, 6: state}


def test_a_round_of_a_whole_switch_is_gentle(tmp_path: Path) -> None:
    with redis_running(tmp_path) as port:
        fill(port, a_switch())
        with redis.Redis(port=port) as client:
            client.config_resetstat()
            scrape = run(f"redis://127.0.0.1:{port}", once)
            stats = client.info("commandstats")
            longest = max(
                (
                    entry["duration"]
                    for entry in client.slowlog_get()
                    if b"HSET" not in entry["command"]
                ),
                default=0,
            )
    readings = {(one.device, one.metric): one.value for one in scrape.readings}
    assert len(readings) == PORTS * 7
    assert readings["leaf1/Ethernet504", "receive_bytes_total"] == 63
    assert readings["leaf1/Ethernet504", "ecn_marked_total"] == QUEUES
    assert readings["leaf1/Ethernet504", "rate_gigabits_per_second"] == 800
    calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    assert "keys" not in calls
    assert calls["scan"] <= 12
    # ports, rates, queues and links by HMGET; name maps and modules by HGETALL
    assert calls["hmget"] == PORTS * 3 + PORTS * QUEUES
    assert calls["hgetall"] == 4 + PORTS
    assert not {"hset", "set", "del", "hdel", "flushdb"} & set(calls)
    assert longest < 50_000, "microseconds of the slowest command"


@pytest.mark.fixtures
def test_by_unix_socket_and_from_real_dumps(tmp_path: Path) -> None:
    folder = fixtures() / "fabric" / "sonic"
    with redis_running(tmp_path) as port:
        fill(
            port,
            {2: dump_of(folder / "counters_db.json"), 6: dump_of(folder / "state_db.json")},
        )
        scrape = run(f"unix://{tmp_path / 'redis.sock'}", once)
    qualities = [one.quality for one in scrape.readings]
    assert qualities.count(Quality.GOOD) == 132
    assert qualities.count(Quality.MISSING) == 4
    assert len(scrape.identities) == 9


def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    (tmp_path / "right").write_text("s3cret\n")
    (tmp_path / "wrong").write_text("other\n")
    with redis_running(tmp_path, "--requirepass", "s3cret") as port:
        url = f"redis://127.0.0.1:{port}"
        for options in ({}, {"password_file": str(tmp_path / "wrong")}):
            with pytest.raises(InputError, match=r"leaf1-redis.*password_file"):
                run(url, once, **options)
        with pytest.raises(InputError, match="neither COUNTERS_PORT_NAME_MAP"):
            run(url, once, password_file=str(tmp_path / "right"))


def test_a_server_that_is_there_again_is_read_again(tmp_path: Path) -> None:
    async def act(collector: SonicCollector, target: Target) -> Scrape:
        with redis_running(tmp_path) as port:
            fill(port, a_switch())
            target = target.model_copy(update={"url": f"redis://127.0.0.1:{port}"})
            await collector.collect(target)
        with pytest.raises(TemporaryError, match="leaf1-redis"):
            await collector.collect(target)
        with redis_running(tmp_path, port=port):
            fill(port, a_switch())
            return await collector.collect(target)

    assert len(run("redis://127.0.0.1:1", act).readings) == PORTS * 7


def test_over_tls_that_is_verified(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with redis_running(tmp_path) as port, tls_proxy(port, certificate, key) as secure:
        fill(port, a_switch())
        url = f"rediss://127.0.0.1:{secure}"
        with pytest.raises(TemporaryError, match="leaf1-redis"):
            run(url, once)
        for options in ({"ca_file": str(certificate)}, {"verify_tls": False}):
            assert len(run(url, once, **options).readings) == PORTS * 7


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """The address of something that answers every request so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    one, _ = server.accept()
                except TimeoutError:
                    continue
                with one:
                    one.recv(4096)
                    one.sendall(reply) if reply else stop.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()


def test_what_is_no_redis_is_told() -> None:
    with (
        answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url,
        pytest.raises((InputError, TemporaryError), match="leaf1-redis"),
    ):
        run(url, once)


def test_one_that_says_nothing_is_cut_off() -> None:
    with answering(b"") as url, pytest.raises(TemporaryError, match="leaf1-redis"):
        run(url, once, deadline_seconds=0.3)


def test_a_database_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with redis_running(tmp_path) as port:
        fill(port, a_switch())
        with pytest.raises(InputError, match=r"leaf1-redis.*more than 1000 keys.*max_keys"):
            run(f"redis://127.0.0.1:{port}", once, max_keys=1000)


def test_keys_of_another_kind_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with redis_running(tmp_path) as port:
        fill(port, a_switch())
        with redis.Redis(port=port, db=6) as client:
            client.hset("PSU_INFO|PSU 1", mapping={b"power": b"\xff\xfe"})
        scrape = run(f"redis://127.0.0.1:{port}", once)
        (power,) = [one for one in scrape.readings if one.device == "leaf1/psu1"]
        assert power.quality is Quality.MISSING
        with redis.Redis(port=port, db=6) as client:
            client.set("FAN_INFO|fan1", "a text where a hash should be")
        with pytest.raises(InputError, match=r"leaf1-redis.*WRONGTYPE"):
            run(f"redis://127.0.0.1:{port}", once)


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"redis is missing; pip install 'fleetops\[collect\]'"):
        run("redis://127.0.0.1:1", once)


def test_configurations_that_cannot_be_meant() -> None:
    for options, why in (
        ({"targets": [{"name": "a", "url": "http://a"}]}, "redis://ADDRESS"),
        ({"targets": [{"name": "a", "url": "redis://user:secret@a:1"}]}, "redis://ADDRESS"),
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"databases": {"STATE_DB": -1}}, "greater than or equal"),
    ):
        with pytest.raises(ValidationError, match=why):
            SonicConfig.model_validate({"name": "test", **options})
