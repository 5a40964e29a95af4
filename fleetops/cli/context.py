"""What every command gets: the configuration, and from it the client and the bus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetops.core.clock import SystemClock
from fleetops.core.config import Config, load_config

if TYPE_CHECKING:
    from fleetops.api.client import Client
    from fleetops.bus.base import Bus

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Address of the API; otherwise client.url.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the API token; otherwise client.token_file."),
]


@dataclass(frozen=True)
class CliContext:
    """``typer.Context.obj`` of every command."""

    config: Config
    config_path: Path | None
    log_level: str | None = None
    """Given on the command line; it goes before the configuration's."""

    def client(self) -> Client:
        """A client of the API; connects at its first call. Use it as a context manager.

        Raises:
            ConfigError: the address or the token file is wrong.
        """
        from fleetops.api.client import Client  # noqa: PLC0415  offline commands start without it

        return Client(self.config.client)

    def bus(self) -> Bus:
        """The bus, opened. Use it as a context manager.

        Raises:
            ConfigError: it is configured wrongly.
            BusUnavailableError: it did not answer.
        """
        from fleetops.bus.factory import open_bus  # noqa: PLC0415  offline commands do without it

        return open_bus(self.config.bus, SystemClock())

    def reaching(self, url: str | None, token_file: Path | None) -> CliContext:
        """The same with another address or token for the API."""
        client = self.config.client
        if url is not None:
            client = client.model_copy(update={"url": url})
        if token_file is not None:
            client = client.model_copy(update={"token_file": token_file, "token": None})
        return replace(self, config=self.config.model_copy(update={"client": client}))


def make_context(config_path: Path | None, log_level: str | None = None) -> CliContext:
    """The context of a configuration file, or of the defaults and the environment.

    Raises:
        ConfigError: the configuration is wrong.
    """
    return CliContext(load_config(config_path), config_path, log_level)


def connection(
    context: typer.Context, url: UrlOption = None, token_file: TokenFileOption = None
) -> None:
    """The callback of a command group that talks to the API."""
    cli: CliContext = context.obj
    context.obj = cli.reaching(url, token_file)
