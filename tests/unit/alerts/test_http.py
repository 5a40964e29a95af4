from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import pytest

from fleetops.alerts.http import Receiver, is_public, public_address
from fleetops.core.errors import PermanentError, TemporaryError

Resolver = Callable[..., list[tuple[int, int, int, str, tuple[str, int]]]]


def resolving_to(*addresses: str) -> Resolver:
    def resolve(
        host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    return resolve


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("93.184.216.34", "10.0.0.1"))
    with pytest.raises(PermanentError, match=r"hook\.example has the private address 10\.0\.0\.1"):
        public_address("hook.example", 443)


def test_a_name_that_was_public_at_the_start_is_checked_at_every_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = Receiver(
        "https://hook.example/in", key="url", timeout_seconds=0.2, allow_private=False
    )
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1"))
    with pytest.raises(PermanentError, match="private address"):
        receiver.post(b"{}", {})
    receiver.close()


def test_the_connection_goes_to_the_very_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name is resolved once; a second answer, private this time, is never asked for."""
    answers = [resolving_to("93.184.216.34"), resolving_to("127.0.0.1")]
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def resolve(
        host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        return answers[len(asked) - 1](host, port)

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise OSError("no network in a test")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    receiver = Receiver(
        "https://hook.example:8443/in", key="url", timeout_seconds=0.2, allow_private=False
    )
    with pytest.raises(TemporaryError, match="no answer"):
        receiver.post(b"{}", {})
    receiver.close()
    assert asked == ["hook.example"]
    assert connected == [("93.184.216.34", 8443)]


def test_a_name_that_does_not_resolve_is_temporary() -> None:
    with pytest.raises(TemporaryError, match="cannot be resolved"):
        public_address("does-not-exist.invalid", 443)
