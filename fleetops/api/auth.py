"""Who asks and what they may: bearer tokens, each with a name and a role."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from fleetops.api.problem import ForbiddenError, UnauthenticatedError
from fleetops.core.config import ApiConfig, secret
from fleetops.core.errors import ConfigError


class Role(IntEnum):
    """What somebody may do; each role may all that the lower ones may."""

    VIEWER = 1
    OPERATOR = 2
    """Ask for drains, approve and deny."""
    ADMIN = 3
    """Reset the breaker."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, by the name of their token."""

    name: str
    role: Role


ANONYMOUS = Principal("anonymous", Role.VIEWER)
MAX_TOKEN = 4096


class Authenticator:
    """Knows the tokens by their digests alone."""

    def __init__(self, config: ApiConfig) -> None:
        """Reads the tokens of the configuration.

        Raises:
            ConfigError: a token has no secret or an unreadable one, or a name or secret is
                given twice.
        """
        self._known: dict[bytes, Principal] = {}
        names: set[str] = set()
        for position, token in enumerate(config.tokens):
            key = f"api.tokens.{position}.token"
            value = secret(token.token, token.token_file, key)
            if value is None:
                raise ConfigError(f"{key}: {token.name} has none; set token_file")
            digest = _digest(value.get_secret_value())
            if digest in self._known or token.name in names:
                raise ConfigError(f"{key}: the name or the token of {token.name} is used twice")
            names.add(token.name)
            self._known[digest] = Principal(token.name, Role[token.role.upper()])

    @property
    def open_on_loopback(self) -> bool:
        """Whether no tokens are configured, so that loopback may read."""
        return not self._known

    def identify(self, token: str | None, client_host: str | None, named_host: str) -> Principal:
        """Who asks.

        ``client_host`` is the address the request came from and ``named_host`` the ``Host`` it
        asked for: a page of elsewhere in a local browser names another one (DNS rebinding).

        Raises:
            UnauthenticatedError: nobody known.
        """
        if token is None:
            if self.open_on_loopback and _is_loopback(client_host) and _is_local_name(named_host):
                return ANONYMOUS
            raise UnauthenticatedError(
                "a bearer token is needed: send `Authorization: Bearer TOKEN` "
                "(CLI and pages: client.token_file); tokens are made in api.tokens"
            )
        offered = _digest(token[:MAX_TOKEN])
        found: Principal | None = None
        for digest, principal in self._known.items():
            if hmac.compare_digest(digest, offered):
                found = principal
        if found is None:
            raise UnauthenticatedError("the bearer token is unknown; look at api.tokens")
        return found


def require(role: Role) -> Callable[..., Principal]:
    """A dependency: whoever asks, with at least that role."""

    def dependency(
        request: Request,
        credentials: Annotated[
            HTTPAuthorizationCredentials | None,
            Depends(HTTPBearer(auto_error=False, description="A token of `api.tokens`.")),
        ],
    ) -> Principal:
        authenticator: Authenticator = request.app.state.parts.authenticator
        principal = authenticator.identify(
            credentials.credentials if credentials else None,
            request.client.host if request.client else None,
            request.url.hostname or "",
        )
        if principal.role >= role:
            return principal
        if principal is ANONYMOUS:
            raise UnauthenticatedError(
                f"this needs a token with the role {role.name.lower()}: none is configured; "
                "add one to api.tokens and give it to the client as client.token_file"
            )
        raise ForbiddenError(
            f"{principal.name} is {principal.role.name.lower()}; "
            f"this needs the role {role.name.lower()} (api.tokens)"
        )

    return dependency


Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_local_name(name: str) -> bool:
    return name == "localhost" or _is_loopback(name)
