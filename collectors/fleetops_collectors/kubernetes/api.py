"""The Kubernetes API, read only: lists in pages, with a token that may change any time."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.http import Answer, Connection, make_client, status_text
from fleetops_collectors.kubernetes.objects import Json, items, text, under

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector: a pod that ended holds nothing."""
PAGE_OBJECTS = 500
"""What kubectl asks for at once."""
MAX_PAGES = 400


class _ExpiredError(Exception):
    """The server forgot the list that pages are of; it has to be begun anew."""


class Api:
    """One API server."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        seconds: float,
        max_bytes: int,
        token: Callable[[], SecretStr | None],
    ) -> None:
        """Connects to nothing yet. ``token`` is asked before each round."""
        self._connection = Connection(lambda: make_client(url, tls, seconds))
        self._max_bytes = max_bytes
        self._token = token

    async def list_all(self, path: str, where: str, **query: str) -> list[Json]:
        """All objects of a kind; begun anew once where the server forgets its pages.

        Raises:
            TemporaryError: the server does not answer, or is overloaded.
            InputError: it refuses us, or answered something else.
        """
        try:
            return await self._pages(path, where, query)
        except _ExpiredError:
            pass
        try:
            return await self._pages(path, where, query)
        except _ExpiredError as error:
            raise TemporaryError(
                f"{where}: {path}: the list changes faster than it can be read"
            ) from error

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def _pages(self, path: str, where: str, query: dict[str, str]) -> list[Json]:
        found: list[Json] = []
        following = ""
        for _ in range(MAX_PAGES):
            page = {**query, "limit": str(PAGE_OBJECTS)}
            if following:
                page["continue"] = following
            answer = await self._get(f"{path}?{urlencode(page)}", where)
            listed, following = _read(answer, f"{where}: {path}")
            found += listed
            if not following:
                return found
        raise InputError(f"{where}: {path}: more than {MAX_PAGES * PAGE_OBJECTS} objects")

    async def _get(self, url: str, where: str) -> Answer:
        headers = {"Accept": "application/json"}
        if token := self._token():
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return await self._connection.ask(
            "GET", url, where=where, max_bytes=self._max_bytes, headers=headers
        )


def _read(answer: Answer, where: str) -> tuple[list[Json], str]:
    """The objects of a page, and the token of the next."""
    if answer.status == HTTPStatus.GONE:
        raise _ExpiredError
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise InputError(f"{where}: {_said(answer)}; check token_file")
    if answer.status == HTTPStatus.FORBIDDEN:
        raise InputError(f"{where}: {_said(answer)}; grant get and list (docs/collectors)")
    if answer.status in {HTTPStatus.TOO_MANY_REQUESTS} or answer.status >= 500:  # noqa: PLR2004
        raise TemporaryError(f"{where}: {_said(answer)}")
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where}: no JSON: {status_text(answer)}") from error
    listed = body.get("items") if isinstance(body, dict) else None
    if answer.status != HTTPStatus.OK or not isinstance(listed, list):
        raise InputError(f"{where}: no list of objects: {status_text(answer)}")
    return list(items(listed)), text(under(body, "metadata").get("continue"))


def _said(answer: Answer) -> str:
    """The message of a Status object."""
    try:
        message = text(under(orjson.loads(answer.body)).get("message"))
    except orjson.JSONDecodeError:
        message = ""
    return f"HTTP status {answer.status}: {message}" if message else status_text(answer)
