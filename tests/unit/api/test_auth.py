from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from fleetops.api.auth import Authenticator, Role
from fleetops.api.problem import UnauthenticatedError
from fleetops.core.config import ApiConfig, TokenConfig
from fleetops.core.errors import ConfigError


def token(name: str, value: str | None = None, **more: object) -> TokenConfig:
    given = {"name": name, "role": "operator", "token": value and SecretStr(value), **more}
    return TokenConfig.model_validate(given)


def authenticator(*tokens: TokenConfig) -> Authenticator:
    return Authenticator(ApiConfig(tokens=tokens))


def test_a_known_token_names_its_holder() -> None:
    principal = authenticator(token("ada", "s1"), token("bob", "s2")).identify(
        "s2", "10.0.0.1", "x"
    )
    assert (principal.name, principal.role) == ("bob", Role.OPERATOR)


@pytest.mark.parametrize("offered", ["", "s", "s1 ", "S1", "x" * 100_000])
def test_an_unknown_token_is_nobody_even_on_loopback(offered: str) -> None:
    with pytest.raises(UnauthenticatedError, match="unknown"):
        authenticator(token("ada", "s1")).identify(offered, "127.0.0.1", "localhost")


def test_with_tokens_configured_loopback_is_nobody_without_one() -> None:
    with pytest.raises(UnauthenticatedError, match="bearer token is needed"):
        authenticator(token("ada", "s1")).identify(None, "127.0.0.1", "localhost")


@pytest.mark.parametrize(
    ("client", "named"), [("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1")]
)
def test_without_tokens_loopback_reads(client: str, named: str) -> None:
    assert authenticator().identify(None, client, named).role is Role.VIEWER


@pytest.mark.parametrize(
    ("client", "named"),
    [
        ("10.0.0.1", "localhost"),
        ("127.0.0.1", "evil.example"),  # a page elsewhere, its name rebound to 127.0.0.1
        (None, "localhost"),
        ("testclient", "localhost"),
    ],
)
def test_without_tokens_nobody_else_reads(client: str | None, named: str) -> None:
    with pytest.raises(UnauthenticatedError):
        authenticator().identify(None, client, named)


def test_tokens_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n", "utf-8")
    known = authenticator(token("ada", token_file=file))
    assert known.identify("from-file", None, "").name == "ada"


def test_wrong_tokens_stop_the_start(tmp_path: Path) -> None:
    for tokens, said in (
        ([token("ada")], "api.tokens.0.token: ada has none"),
        ([token("ada", "same"), token("bob", "same")], "api.tokens.1.token.*used twice"),
        ([token("ada", "one"), token("ada", "two")], "used twice"),
        ([token("ada", token_file=tmp_path / "none")], "cannot read"),
    ):
        with pytest.raises(ConfigError, match=said):
            authenticator(*tokens)
