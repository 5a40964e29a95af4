"""One service over HTTP: session login, reuse and logout, and nothing but its own origin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops.core.logging import get_logger
from fleetops_collectors.http import Answer, Connection, status_text
from fleetops_collectors.redfish.crawl import NoAccessError
from fleetops_collectors.redfish.directory import parse
from fleetops_collectors.redfish.tree import ROOT, uri_of
from fleetops_collectors.redfish.values import Json

HEADERS = {"Accept": "application/json", "OData-Version": "4.0"}
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class RedfishSession:
    """Reads resources of one service, one at a time.

    A session is opened when the service first asks for one and closed by :meth:`close`, on every
    way out: controllers allow few, and forget none by themselves for a long time.
    """

    def __init__(
        self,
        name: str,
        open_http: Callable[[], httpx.AsyncClient],
        credentials: tuple[str, str] | None,
        max_body_bytes: int,
    ) -> None:
        """A session of the service at the client's base URL.

        Args:
            name: names the target in errors.
            open_http: makes a client of the service's origin; closed with the session.
            credentials: user name and password; None to read without.
            max_body_bytes: longest answer accepted.
        """
        self.sessions_uri: Callable[[], str] = lambda: f"{ROOT}/SessionService/Sessions"
        self._name = name
        self._connection = Connection(open_http)
        self._credentials = credentials
        self._max_body_bytes = max_body_bytes
        self._token = ""
        self._location = ""
        self._basic = False
        self._login: asyncio.Task[None] | None = None

    async def get(self, uri: str) -> Json:
        """One resource.

        Raises:
            NotFoundError: there is none at this URI.
            InputError: what came is no Redfish resource, or is not allowed to this account.
            TemporaryError: it did not come.
        """
        path = self._own_path(uri)
        if self._credentials and path != ROOT and not (self._token or self._basic):
            await self._open_once()
        answer = await self._get(path)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._credentials and not self._basic:
            self._token = ""
            await self._open_once()
            answer = await self._get(path)
        return self._resource(path, answer)

    async def close(self) -> None:
        """Logs out and closes the connection; a service that is gone is no error here."""
        if self._login is not None:
            await asyncio.gather(self._login, return_exceptions=True)
        if self._token and self._location:
            try:
                await self._ask("DELETE", self._location)
            except (InputError, TemporaryError) as error:
                get_logger("redfish").warning("logout failed", target=self._name, error=str(error))
        self._token = self._location = ""
        await self._connection.close()

    async def _get(self, path: str) -> Answer:
        answer = await self._ask("GET", path)
        if answer.status in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT):
            return await self._ask("GET", self._own_path(answer.headers.get("Location", "")))
        return answer

    async def _ask(self, method: str, path: str, json: Json | None = None) -> Answer:
        auth = httpx.BasicAuth(*self._credentials) if self._basic and self._credentials else None
        token = {"X-Auth-Token": self._token} if self._token else {}
        return await self._connection.ask(
            method,
            path,
            where=f"{self._name}: {path}",
            max_bytes=self._max_body_bytes,
            headers={**HEADERS, **token},
            auth=auth,
            json=json,
        )

    async def _open_once(self) -> None:
        """Logs in. A caller that is cut off leaves the login to end, so that no session leaks."""
        if self._login is None or self._login.done():
            self._login = asyncio.ensure_future(self._open())
        try:
            await asyncio.shield(self._login)
        finally:
            if self._login.done():
                self._login = None

    async def _open(self) -> None:
        assert self._credentials is not None  # noqa: S101 (only called with credentials)
        user, password = self._credentials
        uri = self.sessions_uri()
        answer = await self._ask("POST", uri, {"UserName": user, "Password": password})
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise NoAccessError(
                f"{self._name}: {uri}: the service refuses the login of {user!r}; "
                "check username and password_file (further tries may lock the account)"
            )
        token = answer.headers.get("X-Auth-Token", "")
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED) and token:
            self._token = token
            location = answer.headers.get("Location") or self._id_of(answer)
            self._location = self._own_path(location) if location else ""
            return
        # No sessions here, or none left: each request then carries the password (Basic).
        self._basic = True

    def _id_of(self, answer: Answer) -> str:
        try:
            return uri_of(parse(answer.body, self._name))
        except InputError:
            return ""

    def _own_path(self, link: str) -> str:
        """The link as a path on this service.

        Raises:
            InputError: it leads elsewhere; the token stays here.
        """
        parts = urlsplit(link)
        own = self._connection.base_url
        same = (parts.scheme, parts.netloc) == (own.scheme, own.netloc.decode())
        if (parts.netloc or parts.scheme) and not same:
            raise InputError(f"{self._name}: {link}: leads to another host; not followed")
        if not parts.path.startswith("/"):
            raise InputError(f"{self._name}: {link!r}: no path of this service")
        path = parts.path.rstrip("/") or "/"
        return f"{path}?{parts.query}" if parts.query else path

    def _resource(self, path: str, answer: Answer) -> Json:
        where = f"{self._name}: {path}"
        status = answer.status
        if status == HTTPStatus.OK:
            return parse(answer.body, where)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise NotFoundError(f"{where}: not found")
        if status == HTTPStatus.UNAUTHORIZED:
            advice = "check username and password_file" if self._credentials else "set username"
            raise NoAccessError(f"{where}: not without a login; {advice}")
        if status == HTTPStatus.FORBIDDEN:
            raise InputError(f"{where}: forbidden; give the account the role ReadOnly")
        if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TemporaryError(f"{where}: {status_text(answer)}; look at the service's own log")
        advice = "check the address"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            advice = "redirects are not followed; name the address that it leads to"
        raise InputError(f"{where}: {status_text(answer)}; {advice}")
