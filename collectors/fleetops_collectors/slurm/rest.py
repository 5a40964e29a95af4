"""slurmrestd: the same nodes and jobs over HTTP or a Unix socket. Only GET leaves this module."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.http import Answer, Connection, make_client, status_text
from fleetops_collectors.slurm.commands import Answers
from fleetops_collectors.slurm.shapes import Raw, records

VERSIONS = tuple(f"v0.0.{number}" for number in range(45, 38, -1))
"""Of the data parser, newest first. Slurm serves the last three or four of them."""
SOCKET_SCHEME = "unix"


class Restd:
    """One slurmrestd. Which version it serves is found once."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        seconds: float,
        max_bytes: int,
        token: Callable[[], tuple[str | None, SecretStr | None]],
    ) -> None:
        """Connects to nothing yet. ``token`` gives user and token; it is asked each round."""
        self._connection = Connection(lambda: _client(url, tls, seconds))
        self._max_bytes = max_bytes
        self._token = token
        self._version = ""

    async def read(self, where: str) -> Answers:
        """Nodes and jobs; steps it does not serve.

        Raises:
            TemporaryError: it does not answer, or its controller does not.
            InputError: it answered something else, or refuses us.
        """
        if not self._version:
            self._version = await self._find_version(where)
        try:
            nodes = await self._get("nodes", where)
            return Answers(nodes, await self._get("jobs", where), [])
        except InputError:
            self._version = ""  # it may have been upgraded
            raise

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def _find_version(self, where: str) -> str:
        for version in VERSIONS:
            answer = await self._ask(f"/slurm/{version}/ping", where)
            if answer.status != HTTPStatus.NOT_FOUND:
                return version
        raise InputError(
            f"{where}: serves none of {VERSIONS[-1]} to {VERSIONS[0]}; is it slurmrestd >= 23.02, "
            "with the openapi/slurmctld plug-in?"
        )

    async def _get(self, what: str, where: str) -> list[Raw]:
        path = f"/slurm/{self._version}/{what}/"
        answer = await self._ask(path, where)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise InputError(f"{where}: {status_text(answer)}; check username and token_file")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TemporaryError(f"{where}: {path}: {status_text(answer)}; look at its log")
        if answer.status != HTTPStatus.OK:
            raise InputError(f"{where}: {path}: {status_text(answer)}")
        return records(answer.body, what, f"{where}: {path}")

    async def _ask(self, path: str, where: str) -> Answer:
        user, token = self._token()
        headers = {"Accept": "application/json"}
        if user:
            headers["X-SLURM-USER-NAME"] = user
        if token:
            headers["X-SLURM-USER-TOKEN"] = token.get_secret_value()
        return await self._connection.ask(
            "GET", path, where=where, max_bytes=self._max_bytes, headers=headers
        )


def _client(url: str, tls: ssl.SSLContext, seconds: float) -> httpx.AsyncClient:
    parts = urlsplit(url)
    if parts.scheme != SOCKET_SCHEME:
        return make_client(url, tls, seconds)
    return httpx.AsyncClient(
        base_url="http://slurmrestd",
        transport=httpx.AsyncHTTPTransport(uds=parts.path),
        timeout=seconds,
        trust_env=False,
    )
