"""GETs of targets that answer in one document: a connection a target, credentials, errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import partial

import httpx

from fleetops.core.config import secret
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Target
from fleetops_collectors.http import Answer, Connection, make_client, status_text, tls_context


class HttpGets:
    """Keeps a connection a target, so that one that hangs takes nothing from the others."""

    def __init__(self, config: CollectorConfig, max_body_bytes: int) -> None:
        """Opens nothing; the first GET of each target does."""
        self._config = config
        self._max_body_bytes = max_body_bytes
        self._tls: ssl.SSLContext | None = None
        self._connections: dict[str, Connection] = {}

    async def get(self, target: Target, headers: Mapping[str, str] | None = None) -> Answer:
        """What the target's address answers.

        Raises:
            InputError: it refused, or the answer is too long or broke off.
            TemporaryError: it did not answer, or says that it cannot now.
        """
        where = f"{target.name}: {target.url}"
        answer = await self._connection(target).ask(
            "GET",
            target.url,
            where=where,
            max_bytes=self._max_body_bytes,
            headers=headers,
            auth=self._credentials(),
        )
        if answer.status == httpx.codes.TOO_MANY_REQUESTS or answer.status >= 500:  # noqa: PLR2004
            raise TemporaryError(f"{where}: {status_text(answer)}; look at its log")
        if answer.status != httpx.codes.OK:
            raise InputError(f"{where}: {status_text(answer)}; check path and credentials")
        return answer

    async def close(self) -> None:
        """Closes the connections."""
        connections, self._connections = list(self._connections.values()), {}
        await asyncio.gather(*(connection.close() for connection in connections))

    def _credentials(self) -> httpx.BasicAuth | None:
        config = self._config
        if config.username is None:
            return None
        password = secret(config.password, config.password_file, "password")
        return httpx.BasicAuth(config.username, password.get_secret_value() if password else "")

    def _connection(self, target: Target) -> Connection:
        connection = self._connections.get(target.name)
        if connection is None:
            if self._tls is None:
                self._tls = tls_context(self._config)
            open_http = partial(make_client, "", self._tls, self._config.deadline_seconds)
            connection = self._connections[target.name] = Connection(open_http)
        return connection
