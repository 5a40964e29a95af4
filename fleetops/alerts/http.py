"""One bounded POST: answers become the errors of a sink, and addresses are checked and pinned."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from fleetops.core.errors import ConfigError, PermanentError, TemporaryError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
RETRIED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Receiver:
    """An HTTP receiver, reached at an address that was checked just before.

    Unless ``allow_private``, https is required and every address of the name must be public; the
    connection then goes to that very address, so that a name cannot change in between (DNS
    rebinding). Redirects are not followed, and no proxy of the environment comes between.
    """

    def __init__(self, url: str, *, key: str, timeout_seconds: float, allow_private: bool) -> None:
        """``key`` names the setting in errors. Resolves and connects to nothing.

        Raises:
            ConfigError: the URL is none, or may not be reached.
        """
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{key}: {url!r} is no URL: {error}") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ConfigError(f"{key}: {url!r} is no http(s) URL with a host")
        self._allow_private = allow_private
        if not allow_private:
            self._check_public(key)
        self._client = httpx.Client(
            timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )

    def post(self, content: bytes, headers: Mapping[str, str]) -> None:
        """Sends the body once.

        Raises:
            TemporaryError: no answer, or one that asks to come again.
            PermanentError: refused, redirected, or the address is private.
        """
        where = f"{self._url.scheme}://{self._url.host}"
        url, pinned, extensions = self._pinned()
        try:
            with self._client.stream(
                "POST", url, content=content, headers={**headers, **pinned}, extensions=extensions
            ) as response:
                status = response.status_code  # the body is nobody's business, and unbounded
        except httpx.HTTPError as error:
            raise TemporaryError(f"{where}: no answer: {error or type(error).__name__}") from error
        if HTTPStatus(200) <= status < HTTPStatus(300):
            return
        if status in RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TemporaryError(f"{where} answered {status}")
        hint = (
            "; redirects are not followed, set the final URL" if status in range(300, 400) else ""
        )
        raise PermanentError(f"{where} answered {status}{hint}")

    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        self._client.close()

    def _check_public(self, key: str) -> None:
        if self._url.scheme != "https":
            raise ConfigError(f"{key}: https is required, or set allow_private: true")
        literal = _literal(self._url.host)
        if self._url.host == "localhost" or (literal is not None and not is_public(literal)):
            raise ConfigError(
                f"{key}: {self._url.host} is a private address; use a public one, "
                "or set allow_private: true"
            )

    def _pinned(self) -> tuple[httpx.URL, dict[str, str], dict[str, Any]]:
        if self._allow_private:
            return self._url, {}, {}
        address = public_address(self._url.host, self._url.port or 443)
        # the certificate is still checked against the name
        return (
            self._url.copy_with(host=str(address)),
            {"Host": self._url.netloc.decode()},
            {"sni_hostname": self._url.host},
        )


def public_address(host: str, port: int) -> Address:
    """An address of the name, which has public ones only.

    Raises:
        TemporaryError: the name has none at the moment.
        PermanentError: one of them is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TemporaryError(f"{host}: the name cannot be resolved: {error}") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise PermanentError(
                f"{host} has the private address {address}; set allow_private: true to allow it"
            )
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether the address, and the IPv4 address that it may wrap, is of the public Internet."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is None and address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
    return address.is_global and not address.is_multicast


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
