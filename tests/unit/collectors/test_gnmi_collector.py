"""A subscription over real gRPC: what a target may do wrong, and what is said of it."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from fleetops.core.clock import Clock, ManualClock, SystemClock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.gnmi import GnmiCollector, GnmiConfig, stream
from fleetops_schemas.readings import Quality
from tests.gnmi_target import TargetScript, notification, serving
from tests.redis_testbed import free_port
from tests.tls_proxy import make_certificate

PORT = "/interfaces/interface[name=Ethernet1]/state"
VALUES: dict[str, object] = {f"{PORT}/oper-status": "UP", f"{PORT}/counters/in-octets": 100}
T = TypeVar("T")


def run(
    port: int,
    act: Callable[[GnmiCollector, Target], Awaitable[T]],
    clock: Clock | None = None,
    **options: Any,  # noqa: ANN401
) -> T:
    config = GnmiConfig.model_validate({"name": "test", "insecure": True, **options})

    async def session() -> T:
        collector = GnmiCollector.create(config, clock or SystemClock())
        try:
            return await act(collector, Target(name="leaf1-gnmi", url=f"127.0.0.1:{port}"))
        finally:
            await collector.close()

    return asyncio.run(session())


async def once(collector: GnmiCollector, target: Target) -> Scrape:
    return await collector.collect(target)


async def until(
    collector: GnmiCollector, target: Target, wanted: Callable[[Scrape], bool]
) -> Scrape:
    """Rounds until one is as wanted; failures in between are part of it."""
    end = time.monotonic() + 20
    while True:
        try:
            scrape = await collector.collect(target)
        except TemporaryError:
            scrape = None
        if scrape is not None and wanted(scrape):
            return scrape
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def until_it_fails(collector: GnmiCollector, target: Target) -> None:
    """Rounds until one fails; what was told before a break must not be told for ever."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            await collector.collect(target)
        except TemporaryError as error:
            assert target.name in str(error)  # noqa: PT017
            return
        await asyncio.sleep(0.02)
    pytest.fail("the break was not noticed")


def values_of(scrape: Scrape) -> dict[str, object]:
    return {one.metric: one.value for one in scrape.readings}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FIRST_BACKOFF_SECONDS", 0.05)


def test_one_subscription_serves_every_round() -> None:
    script = TargetScript(VALUES)
    script.later = [notification({f"{PORT}/counters/in-octets": 250}, time.time_ns())]

    async def rounds(collector: GnmiCollector, target: Target) -> list[Scrape]:
        first = await collector.collect(target)
        script.go_on.set()
        return [first, await until(collector, target, lambda s: values_of(s) != values_of(first))]

    with serving(script) as port:
        first, second = run(port, rounds)
    assert values_of(first) == {"link_state": 1, "receive_bytes_total": 100}
    assert values_of(second) == {"link_state": 1, "receive_bytes_total": 250}
    assert first.readings[0].device == "leaf1-gnmi/Ethernet1"
    assert len(script.requests) == 1
    asked = script.requests[0].subscribe
    assert (asked.mode, asked.encoding) == (0, 4)
    modes = {one.path.elem[-1].name: one.mode for one in asked.subscription}
    assert (modes["oper-status"], modes["counters"]) == (1, 2)
    sampled = next(one for one in asked.subscription if one.mode == 2)
    assert sampled.sample_interval == 10 * 10**9
    assert {one.heartbeat_interval for one in asked.subscription if one.mode == 1} == {60 * 10**9}


def test_the_encoding_is_one_that_the_target_has() -> None:
    for there, taken in (((0, 2), 2), ((0,), 0), ((3, 4), 4), ((), 4)):
        script = TargetScript(VALUES, encodings=there)
        with serving(script) as port:
            run(port, once)
        assert script.requests[0].subscribe.encoding == taken
    with (
        serving(TargetScript(VALUES, encodings=(3,))) as port,
        pytest.raises(InputError, match="neither"),
    ):
        run(port, once)


def test_what_is_deleted_is_gone() -> None:
    script = TargetScript(
        {**VALUES, "/interfaces/interface[name=Ethernet2]/state/oper-status": "UP"}
    )
    script.later = [notification({}, time.time_ns(), ["/interfaces/interface[name=Ethernet2]"])]
    script.go_on.set()
    with serving(script) as port:
        scrape = run(port, lambda c, t: until(c, t, lambda s: len(s.readings) == 2))
    assert {one.device for one in scrape.readings} == {"leaf1-gnmi/Ethernet1"}


def test_a_link_that_went_down_is_an_event() -> None:
    script = TargetScript(VALUES)
    script.later = [notification({f"{PORT}/oper-status": "DOWN"}, time.time_ns())]

    async def rounds(collector: GnmiCollector, target: Target) -> Scrape:
        await collector.collect(target)
        script.go_on.set()
        return await until(collector, target, lambda s: bool(s.events))

    with serving(script) as port:
        (event,) = run(port, rounds).events
    assert (event.kind, event.device, event.source) == ("link_down", "leaf1-gnmi/Ethernet1", "gnmi")


def test_a_counter_that_was_reset_is_told_as_it_is() -> None:
    script = TargetScript(VALUES)
    script.later = [notification({f"{PORT}/counters/in-octets": 3}, time.time_ns())]
    script.go_on.set()
    with serving(script) as port:
        scrape = run(
            port, lambda c, t: until(c, t, lambda s: values_of(s)["receive_bytes_total"] == 3)
        )
    assert scrape.warnings == []


def test_a_subscription_that_broke_comes_back(quick: None) -> None:
    port = free_port()

    async def act(collector: GnmiCollector, target: Target) -> Scrape:
        with serving(TargetScript(VALUES), port=port):
            await collector.collect(target)
        await until_it_fails(collector, target)
        with serving(TargetScript({f"{PORT}/oper-status": "DOWN"}), port=port):
            return await until(collector, target, lambda _: True)

    assert values_of(run(port, act)) == {"link_state": 0}


def test_a_subscription_that_the_target_ends_comes_back(quick: None) -> None:
    script = TargetScript(VALUES, ends_after=0.1)
    with serving(script) as port:
        run(port, lambda c, t: until(c, t, lambda _: len(script.requests) > 2))


def test_a_target_that_never_syncs_is_read_with_a_warning() -> None:
    with serving(TargetScript(VALUES, sends_sync=False)) as port:
        scrape = run(port, once, sync_seconds=0.3)
    assert values_of(scrape) == {"link_state": 1, "receive_bytes_total": 100}
    assert scrape.warnings == ["the target has not said yet that it told everything once"]


def test_one_that_hangs_holds_nobody_up() -> None:
    with serving(TargetScript(hangs=True)) as port:
        begin = time.monotonic()
        with pytest.raises(TemporaryError, match=r"leaf1-gnmi.*no value within 0.3 seconds"):
            run(port, once, sync_seconds=0.3)
        assert time.monotonic() - begin < 5


def test_a_port_that_takes_connections_and_says_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(TemporaryError, match="leaf1-gnmi"),
    ):
        run(mute.getsockname()[1], once, sync_seconds=0.5, deadline_seconds=0.4)


def test_targets_that_cannot_tell_of_changes_are_sampled() -> None:
    script = TargetScript(VALUES, refuses_on_change=True)
    with serving(script) as port:
        assert values_of(run(port, once))["link_state"] == 1
    assert [
        {one.mode for one in request.subscribe.subscription} for request in script.requests
    ] == [
        {1, 2},
        {2},
    ]


def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    script = TargetScript(VALUES, username="reader", password="right")  # noqa: S106
    (tmp_path / "password").write_text("wrong\n")
    with (
        serving(script) as port,
        pytest.raises(InputError, match=r"leaf1-gnmi.*UNAUTHENTICATED.*password_file"),
    ):
        run(port, once, username="reader", password_file=str(tmp_path / "password"))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    with serving(TargetScript(VALUES), certificate) as port:
        for ca_file in (None, str(other[0])):
            with pytest.raises(TemporaryError, match="leaf1-gnmi"):
                run(port, once, insecure=False, ca_file=ca_file)
        with pytest.raises(TemporaryError, match="leaf1-gnmi"):
            run(port, once, insecure=False, ca_file=str(certificate[0]), tls_server_name="other")
        scrape = run(port, once, insecure=False, ca_file=str(certificate[0]))
    assert len(scrape.readings) == 2


def test_a_message_beyond_the_bound_is_refused() -> None:
    huge: dict[str, object] = {PORT: {"description": "x" * 200_000}}
    with (
        serving(TargetScript(huge)) as port,
        pytest.raises(InputError, match=r"leaf1-gnmi.*max_message_bytes"),
    ):
        run(port, once, max_message_bytes=65536)


def test_a_target_without_openconfig_is_told() -> None:
    with (
        serving(TargetScript({"/system/state/hostname": "leaf1"})) as port,
        pytest.raises((InputError, TemporaryError), match="leaf1-gnmi"),
    ):
        run(port, once, sync_seconds=0.5)


def test_what_was_not_told_for_long_is_stale() -> None:
    clock = ManualClock()
    stamp = int(clock.now().timestamp() * 1e9)

    async def act(collector: GnmiCollector, target: Target) -> list[Scrape]:
        first = await collector.collect(target)
        clock.advance(181)
        return [first, await collector.collect(target)]

    with serving(TargetScript(VALUES, time_ns=stamp)) as port:
        first, second = run(port, act, clock)
    assert {one.quality for one in first.readings} == {Quality.GOOD}
    assert {one.quality for one in second.readings} == {Quality.STALE}


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ConfigError, match=r"pygnmi is missing; pip install 'fleetops\[gnmi\]'"):
        run(free_port(), once)


def test_configurations_that_cannot_be_meant() -> None:
    for options, why in (
        ({"verify_tls": False}, "ca_file"),
        ({"cert_file": "x"}, "belong together"),
        ({"on_change_paths": (), "sample_paths": ()}, "both empty"),
        ({"targets": [{"name": "a", "url": "http://a:1"}]}, "ADDRESS:PORT"),
        ({"targets": [{"name": "a", "url": "leaf1"}]}, "ADDRESS:PORT"),
    ):
        with pytest.raises(ValidationError, match=why):
            GnmiConfig.model_validate({"name": "test", **options})
