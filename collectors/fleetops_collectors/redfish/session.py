"""One service over HTTP: session login, reuse and logout, and nothing but its own origin."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops.core.logging import get_logger
from fleetops_collectors.http import Answer, Connection, status_text
from fleetops_collectors.redfish.crawl import NoAccessError
from fleetops_collectors.redfish.directory import parse
from fleetops_collectors.redfish.routes import is_mere_structure
from fleetops_collectors.redfish.tree import ROOT, uri_of
from fleetops_collectors.redfish.values import Json

HEADERS = {"Accept": "application/json", "OData-Version": "4.0"}
MAX_KEPT = 5000
"""Resources kept with their ETags."""
_MOVED = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})
_REDIRECTED = _MOVED | {HTTPStatus.FOUND, HTTPStatus.TEMPORARY_REDIRECT}
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class _Kept(NamedTuple):
    etag: str
    resource: Json


class RedfishSession:
    """Reads resources of one service.

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
        self._refusal = ""
        self._kept: dict[str, _Kept] = {}
        self._slashed: set[str] = set()
        """Paths that the service wants with a closing slash."""
        self._login: asyncio.Task[None] | None = None

    async def get(self, uri: str) -> Json:
        """One resource.

        What holds no readings is asked for with the ETag that it came with, and kept while the
        service says that it has not changed.

        Raises:
            NotFoundError: there is none at this URI.
            InputError: what came is no Redfish resource, or is not allowed to this account.
            TemporaryError: it did not come.
        """
        path = self.path_of(uri)
        kept = self._kept.get(path)
        headers = {"If-None-Match": kept.etag} if kept else {}
        access = await self._access(path)
        answer = await self._ask("GET", path, headers | access)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._credentials and not self._basic:
            await self.renew(access)
            answer = await self._ask("GET", path, headers | await self.access())
        if answer.status == HTTPStatus.UNAUTHORIZED and self._basic:
            raise self._locked_out(path)
        if answer.status == HTTPStatus.NOT_MODIFIED and kept:
            return kept.resource
        resource = self._resource(path, answer)
        self._keep(path, answer.headers.get("ETag", ""), resource)
        return resource

    async def access(self) -> dict[str, str]:
        """The headers that let a request in; opens the session where there is none."""
        if self._credentials and not (self._token or self._basic):
            await self._open_once()
        return self._headers()

    async def renew(self, refused: dict[str, str]) -> None:
        """Opens another session, unless that was done since ``refused`` was given out."""
        if self._credentials and not self._basic and refused == self._headers():
            await self._open_once()

    def ask_for_sessions_again(self) -> None:
        """Forgets that sessions were refused: those of others may have ended."""
        self._basic = False

    async def close(self) -> None:
        """Logs out and closes the connection; a service that is gone is no error here."""
        if self._login is not None:
            await asyncio.gather(self._login, return_exceptions=True)
        if self._token and self._location:
            try:
                await self._ask("DELETE", self._location, self._headers())
            except (InputError, TemporaryError) as error:
                get_logger("redfish").warning("logout failed", target=self._name, error=str(error))
        self._token = self._location = ""
        await self._connection.close()

    async def _access(self, path: str) -> dict[str, str]:
        return self._headers() if path == ROOT else await self.access()

    def _headers(self) -> dict[str, str]:
        if self._token:
            return {"X-Auth-Token": self._token}
        if self._basic and self._credentials:
            return {"Authorization": _basic(*self._credentials)}
        return {}

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], json: Json | None = None
    ) -> Answer:
        """One request; where it moved for good, or just to a closing slash, that one."""
        slashed = f"{path}/"
        first = slashed if path in self._slashed else path
        answer = await self._ask_at(method, first, headers, json)
        location = answer.headers.get("Location", "")
        if answer.status in _REDIRECTED and first != slashed and _path_in(location) == slashed:
            if len(self._slashed) < MAX_KEPT:
                self._slashed.add(path)
            return await self._ask_at(method, slashed, headers, json)
        if answer.status in _MOVED:
            return await self._ask_at(method, self._place_of(location), headers, json)
        return answer

    async def _ask_at(
        self, method: str, path: str, headers: dict[str, str], json: Json | None
    ) -> Answer:
        return await self._connection.ask(
            method,
            path,
            where=f"{self._name}: {path}",
            max_bytes=self._max_body_bytes,
            headers={**HEADERS, **headers},
            json=json,
        )

    def _keep(self, path: str, etag: str, resource: Json) -> None:
        if etag and is_mere_structure(path.partition("?")[0], resource):
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[path] = _Kept(etag, resource)
        else:
            self._kept.pop(path, None)

    def _locked_out(self, path: str) -> NoAccessError:
        self._basic = False  # the next round asks for a session again
        return NoAccessError(
            f"{self._name}: {path}: no session ({self._refusal}), and the password alone (Basic) "
            "is refused too; end other sessions on the controller, or check username and "
            "password_file"
        )

    async def _open_once(self) -> None:
        """Logs in. A caller that is cut off leaves the login to end, so that no session leaks."""
        if self._login is None or self._login.done():
            self._login = asyncio.ensure_future(self._open())
        login = self._login
        try:
            await asyncio.shield(login)
        finally:
            if login.done() and self._login is login:
                self._login = None

    async def _open(self) -> None:
        assert self._credentials is not None  # noqa: S101 (only called with credentials)
        user, password = self._credentials
        await self._end_refused_session()
        uri = self.sessions_uri()
        answer = await self._ask("POST", uri, {}, {"UserName": user, "Password": password})
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise NoAccessError(
                f"{self._name}: {uri}: the service refuses the login of {user!r}; "
                "check username and password_file (further tries may lock the account)"
            )
        token = answer.headers.get("X-Auth-Token", "")
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED) and token:
            self._token = token
            said = (answer.headers.get("Location", ""), self._id_of(answer))
            self._location = next(filter(_is_below_root, map(_path_in, said)), "")
            return
        # No sessions here, or none left: each request then carries the password (Basic).
        self._basic = True
        self._refusal = status_text(answer)

    async def _end_refused_session(self) -> None:
        """A token that is refused may belong to a session that still counts: two are too many."""
        location, self._token, self._location = self._location, "", ""
        if location and self._credentials:
            with suppress(InputError, TemporaryError):
                await self._ask("DELETE", location, {"Authorization": _basic(*self._credentials)})

    def _id_of(self, answer: Answer) -> str:
        try:
            return uri_of(parse(answer.body, self._name))
        except InputError:
            return ""

    def path_of(self, link: str) -> str:
        """The link as a path on this service, without a closing slash.

        Raises:
            InputError: it leads elsewhere; the token stays here.
        """
        path, mark, query = self._place_of(link).partition("?")
        return (path.rstrip("/") or "/") + mark + query

    def _place_of(self, link: str) -> str:
        try:
            parts = urlsplit(link)
        except ValueError as error:
            raise InputError(f"{self._name}: {link[:80]!r}: no link: {error}") from error
        own = self._connection.base_url
        same = (parts.scheme, parts.netloc) == (own.scheme, own.netloc.decode())
        if (parts.netloc or parts.scheme) and not same:
            raise InputError(f"{self._name}: {link}: leads to another host; not followed")
        if not parts.path.startswith("/"):
            raise InputError(f"{self._name}: {link!r}: no path of this service")
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

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
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
        if failed or status in _BUSY:
            raise TemporaryError(f"{where}: {status_text(answer)}; look at the service's own log")
        advice = "check the address"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            advice = "redirects are not followed; name the address that it leads to"
        raise InputError(f"{where}: {status_text(answer)}; {advice}")


def _path_in(link: str) -> str:
    """The path in a link to this service, which may go by a name of its own; "" without one."""
    try:
        return urlsplit(link).path
    except ValueError:
        return ""


def _is_below_root(path: str) -> bool:
    return path.startswith(f"{ROOT}/")


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
