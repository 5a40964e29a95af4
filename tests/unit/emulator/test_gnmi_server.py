"""What a gNMI client of any make sees of an emulated switch."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pygnmi.spec.v080 import gnmi_pb2, gnmi_pb2_grpc

from fleetops.core.clock import SystemClock
from fleetops.emulator.interfaces.base import Selection, Surroundings
from fleetops.emulator.interfaces.gnmi import GnmiInterface
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_collectors.gnmi.paths import parse_path
from fleetops_schemas.fleet_profiles import cluster_of

JSON_IETF, PROTO = 4, 2
STREAM, ONCE, POLL = range(3)
ON_CHANGE, SAMPLE = 1, 2
WAIT_SECONDS = 10.0
STATUS = "/interfaces/interface/state/oper-status"
OCTETS = "/interfaces/interface[name=eth1]/state/counters/in-octets"


class Client:
    """One switch, and one client of it."""

    def __init__(self, fleet: Fleet, struck: dict[str, int], interface: GnmiInterface) -> None:
        (entry,) = interface.collectors()
        self.fleet, self.struck, self.entry = fleet, struck, entry
        self._interface = interface
        authority = Path(entry["ca_file"]).read_bytes()
        self.channel = grpc.aio.secure_channel(
            entry["targets"][0]["url"], grpc.ssl_channel_credentials(authority)
        )
        self.stub = gnmi_pb2_grpc.gNMIStub(self.channel)
        self.password = Path(entry["password_file"]).read_text("utf-8")
        self.more = asyncio.Event()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("username", self.entry["username"]), ("password", self.password))

    async def tick(self) -> None:
        self.fleet.tick()
        await self._interface.refresh()

    def ask(self, *paths: tuple[str, int], mode: int = STREAM, **fields: Any) -> Any:  # noqa: ANN401
        """A subscription to paths in modes; ``fields`` are of each."""
        listed = gnmi_pb2.SubscriptionList(mode=mode, encoding=JSON_IETF)
        listed.updates_only = fields.pop("updates_only", False)
        listed.prefix.target = fields.pop("target", "")
        for text, how in paths:
            listed.subscription.add(path=path(text), mode=how, **fields)

        async def requests() -> AsyncIterator[Any]:
            yield gnmi_pb2.SubscribeRequest(subscribe=listed)
            await self.more.wait()
            if mode == POLL:
                yield gnmi_pb2.SubscribeRequest(poll=gnmi_pb2.Poll())

        return self.stub.Subscribe(requests(), metadata=self.metadata)

    async def close(self) -> None:
        self.more.set()
        await self.channel.close()


def path(text: str) -> Any:  # noqa: ANN401
    elems = [gnmi_pb2.PathElem(name=one.name, key=dict(one.keys)) for one in parse_path(text)]
    return gnmi_pb2.Path(elem=elems)


def values(message: Any) -> dict[str, object]:  # noqa: ANN401
    """JSON by path, of one notification."""
    return {
        "/".join(
            one.name + "".join(f"[{key}={value}]" for key, value in one.key.items())
            for one in update.path.elem
        ): json.loads(update.val.json_ietf_val)
        for update in message.update
    }


async def next_of(call: Any) -> Any:  # noqa: ANN401
    message = await asyncio.wait_for(call.read(), WAIT_SECONDS)
    assert message is not grpc.aio.EOF
    return message


async def until_sync(call: Any) -> dict[str, object]:  # noqa: ANN401
    found: dict[str, object] = {}
    while not (message := await next_of(call)).sync_response:
        found |= values(message.update)
    return found


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Client]:
    """The first spine of the demonstration fleet: four ports of 400 Gbit/s."""
    struck: dict[str, int] = {}

    def disturb(_seconds: float, effects: Effects) -> None:
        for channel, device in struck.items():
            effects.apply(channel, np.array([device]), 1.0, 1.0)

    site = build_site(cluster_of("demo"), 8)
    fleet = Fleet(FleetOptions(site), disturb)
    spine = site.index("switches", "spine1")
    surroundings = Surroundings(fleet, folder, "http://none", SystemClock())
    interface = GnmiInterface(surroundings, Selection(switches=(spine,)))
    await interface.start()
    client = Client(fleet, struck, interface)
    try:
        yield client
    finally:
        await client.close()
        await interface.close()


Use = Callable[[Callable[[Client], Awaitable[None]]], None]


@pytest.fixture
def use(tmp_path: Path) -> Use:
    def run(act: Callable[[Client], Awaitable[None]]) -> None:
        async def session() -> None:
            async with serving(tmp_path) as client:
                await act(client)

        asyncio.run(session())

    return run


def port_value(client: Client, port: str, metric: str) -> float:
    return client.fleet.tables["fabric_port"].value(f"spine1/{port}", metric)


def test_what_it_has(use: Use) -> None:
    async def act(client: Client) -> None:
        answer = await client.stub.Capabilities(
            gnmi_pb2.CapabilityRequest(), metadata=client.metadata
        )
        assert list(answer.supported_encodings) == [JSON_IETF]
        assert {one.name for one in answer.supported_models} >= {"openconfig-interfaces"}

    use(act)


def test_nobody_is_answered_without_the_password(use: Use) -> None:
    async def act(client: Client) -> None:
        for password in ("", "wrong"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.stub.Capabilities(
                    gnmi_pb2.CapabilityRequest(),
                    metadata=(("username", "fleetops"), ("password", password)),
                )
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        mode = stat.S_IMODE(Path(client.entry["password_file"]).stat().st_mode)
        assert mode == 0o600

    use(act)


def test_get_tells_values_as_openconfig_writes_them(use: Use) -> None:
    async def act(client: Client) -> None:
        module = "/components/component[name=eth1-transceiver]"
        lane = f"{module}/transceiver/physical-channels/channel[index=3]"
        leaves = {
            OCTETS: f"{port_value(client, 'eth1', 'receive_bytes_total'):.0f}",
            f"{module}/state/type": "openconfig-platform-types:TRANSCEIVER",
            f"{lane}/state/output-power/instant": "0.94",  # 0.79 dBm and three times 0.05 dB
            "/interfaces/interface[name=eth1]/ethernet/state/port-speed": (
                "openconfig-if-ethernet:SPEED_400GB"
            ),
            "/components/component[name=PSU1]/power-supply/state/output-voltage": "QUAAAA==",
        }
        for text, expected in leaves.items():
            request = gnmi_pb2.GetRequest(path=[path(text)], encoding=JSON_IETF)
            answer = await client.stub.Get(request, metadata=client.metadata)
            (notification,) = answer.notification
            assert values(notification) == {text.lstrip("/"): expected}
            assert notification.timestamp > 1.7e18

    use(act)


def test_what_it_does_not_speak(use: Use) -> None:
    async def act(client: Client) -> None:
        request = gnmi_pb2.GetRequest(path=[path(OCTETS)], encoding=PROTO)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Get(request, metadata=client.metadata)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Set(gnmi_pb2.SetRequest(), metadata=client.metadata)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    use(act)


def test_once_ends_after_everything_was_told_once(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((STATUS, SAMPLE), mode=ONCE)
        found = await until_sync(call)
        assert set(found.values()) == {"UP"}
        assert len(found) == len(
            [one for one in client.fleet.site.ports.names if one.startswith("spine1/")]
        )
        assert await call.read() is grpc.aio.EOF

    use(act)


def test_poll_tells_everything_at_each_poll(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((OCTETS, SAMPLE), mode=POLL)
        before = await until_sync(call)
        await client.tick()
        client.more.set()
        after = await until_sync(call)
        assert before != after
        assert list(after.values()) == [f"{port_value(client, 'eth1', 'receive_bytes_total'):.0f}"]

    use(act)


def test_sampled_values_come_when_they_are_due(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((OCTETS, SAMPLE), sample_interval=20_000_000_000, target="spine1")
        await until_sync(call)
        for _ in range(2):
            await client.tick()
            await client.tick()
            message = await next_of(call)
            octets = f"{port_value(client, 'eth1', 'receive_bytes_total'):.0f}"
            assert list(values(message.update).values()) == [octets], "of the second tick"
            assert message.update.prefix.target == "spine1"

    use(act)


def test_a_change_is_told_alone_and_the_rest_with_the_heartbeat(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((STATUS, ON_CHANGE), heartbeat_interval=30_000_000_000)
        everything = await until_sync(call)
        await client.tick()
        names = client.fleet.site.ports.names
        client.struck["link_down"] = names.index("spine1/eth2")
        await client.tick()
        changed = values((await next_of(call)).update)
        assert changed == {"interfaces/interface[name=eth2]/state/oper-status": "DOWN"}
        await client.tick()
        beat = values((await next_of(call)).update)
        assert beat == {**everything, **changed}

    use(act)


def test_updates_only_begins_with_the_sync(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((STATUS, ON_CHANGE), updates_only=True)
        assert await until_sync(call) == {}
        client.struck["link_down"] = client.fleet.site.ports.names.index("spine1/eth1")
        await client.tick()
        assert list(values((await next_of(call)).update).values()) == ["DOWN"]

    use(act)


def test_redundant_values_are_suppressed_where_that_is_asked_for(use: Use) -> None:
    async def act(client: Client) -> None:
        counters = "/interfaces/interface[name=eth1]/state/counters"
        paths = ((f"{counters}/in-errors", SAMPLE), (f"{counters}/in-octets", SAMPLE))
        call = client.ask(*paths, sample_interval=1, suppress_redundant=True)
        assert len(await until_sync(call)) == 2
        await client.tick()
        assert [one.rpartition("/")[2] for one in values((await next_of(call)).update)] == [
            "in-octets"
        ]

    use(act)


def test_a_switch_that_is_down_ends_its_streams_and_answers_nobody(use: Use) -> None:
    async def act(client: Client) -> None:
        call = client.ask((OCTETS, SAMPLE))
        await until_sync(call)
        client.struck["switch_down"] = client.fleet.site.index("switches", "spine1")
        await client.tick()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await next_of(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Capabilities(gnmi_pb2.CapabilityRequest(), metadata=client.metadata)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    use(act)
