"""HTTP as every collector needs it: bounded, bound to one origin, with errors that say where."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator

from fleetops.core import metrics
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Target


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        try:
            parts = urlsplit(target.url)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if "@" in target.url.partition("://")[2].partition("/")[0]:  # never shown: it is a secret
            raise ValueError(
                f"{target.name}: url holds a user name or a password; "
                "set username and password_file in their place"
            )
        if not good:
            raise ValueError(
                f"{target.name}: url {target.url!r} is no http(s) address; "
                "write https://ADDRESS or http://ADDRESS:PORT"
            )
    return targets


HttpTargets = Annotated[tuple[Target, ...], AfterValidator(_have_addresses)]
"""Targets that are reached over HTTP; each has an address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def tls_context(config: CollectorConfig) -> ssl.SSLContext:
    """TLS as configured; made once for a collector, since reading the CAs takes long.

    Raises:
        ConfigError: the CA file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"collector {config.name}: ca_file: cannot read {config.ca_file}: {error}; "
            "name a PEM file"
        ) from error
    if not config.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def make_client(
    base_url: str,
    tls: ssl.SSLContext,
    timeout_seconds: float | httpx.Timeout,
    connections: int = 1,
) -> httpx.AsyncClient:
    """A client of one origin. It follows no redirect and asks no proxy."""
    return httpx.AsyncClient(
        base_url=base_url,
        verify=tls,
        timeout=timeout_seconds,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        trust_env=False,
    )


class Connection:
    """Requests to one target.

    A request that is cut off midway can leave its place in the client's pool taken for ever
    (httpcore#1093), until every further one waits in vain; so the client is replaced then.
    """

    def __init__(self, open_http: Callable[[], httpx.AsyncClient]) -> None:
        """Connects to nothing yet; ``open_http`` makes a client, as often as one is needed."""
        self._open_http = open_http
        self._http = open_http()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> httpx.URL:
        """The client's origin."""
        return self._http.base_url

    async def ask(self, method: str, url: str, **options: Any) -> Answer:  # noqa: ANN401
        """One request, as of :func:`ask`."""
        http = self._http
        try:
            return await ask(http, method, url, **options)
        except (asyncio.CancelledError, TemporaryError):
            if http is self._http:
                self._renew()
            raise

    async def close(self) -> None:
        """Closes every connection."""
        await asyncio.gather(self._http.aclose(), *self._closing)

    def _renew(self) -> None:
        closing = asyncio.ensure_future(self._http.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._http = self._open_http()


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    where: str,
    max_bytes: int,
    **options: Any,  # noqa: ANN401 (handed on to httpx)
) -> Answer:
    """One request; the body is read up to ``max_bytes`` after decompression.

    Args:
        client: whose origin is asked.
        method: GET, POST or DELETE.
        url: relative to the client's origin, or on it.
        where: names target and place in errors.
        max_bytes: longest body accepted.
        options: of ``httpx.AsyncClient.stream``: headers, json, auth.

    Raises:
        TemporaryError: nothing, or not all, came in time.
        InputError: the body is too long, or broke off.
    """
    received = bytearray()
    metrics.COLLECT_REQUESTS.inc()
    try:
        async with client.stream(method, url, **options) as response:
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > max_bytes:
                    raise InputError(
                        f"{where}: the answer is longer than {max_bytes} bytes; "
                        "raise max_body_bytes if it is meant to be"
                    )
            return Answer(response.status_code, response.headers, bytes(received))
    except httpx.TimeoutException as error:
        raise TemporaryError(
            f"{where}: no complete answer in time ({type(error).__name__} "
            f"after {len(received)} bytes)"
        ) from error
    except httpx.RemoteProtocolError as error:
        if received:
            raise InputError(
                f"{where}: the answer broke off after {len(received)} bytes"
            ) from error
        raise TemporaryError(f"{where}: {error}") from error
    except httpx.DecodingError as error:
        raise InputError(f"{where}: the answer cannot be decompressed: {error}") from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise TemporaryError(
            f"{where}: {error or type(error).__name__}; {_remedy(str(error))}"
        ) from error


def _remedy(what: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in what:
        return "name the CA that signed it as ca_file, or give the target a new certificate"
    return "check address, network and power"


def status_text(answer: Answer) -> str:
    """An answer's status with the beginning of its body, for an error message."""
    body = f": {excerpt(answer.body)}" if answer.body else ""
    return f"HTTP status {answer.status}{body}"


def excerpt(body: bytes, length: int = 60) -> str:
    """The beginning of a body, for an error message."""
    return repr(body[:length].decode("utf-8", "replace"))
