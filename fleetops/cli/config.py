"""``fleetops config``: check a configuration before it is used, show what is in force."""

from __future__ import annotations

import sys

import typer
import yaml

from fleetops.cli.context import CliContext
from fleetops.cli.plugins import check_plugins
from fleetops.core.config import secret
from fleetops.core.inventory.load import load_inventory

app = typer.Typer(no_args_is_help=True)


@app.command()
def check(context: typer.Context) -> None:
    """Check the configuration: keys, values, plug-ins and their options, secret files."""
    cli: CliContext = context.obj
    config = cli.config
    check_plugins(config, cli.config_path)
    for place, section in (("bus", config.bus), ("store", config.store)):
        secret(section.password, section.password_file, f"{place}.password")
    for token in config.api.tokens:
        secret(token.token, token.token_file, f"api.tokens.{token.name}.token")
    secret(config.client.token, config.client.token_file, "client.token")
    for problem in load_inventory(config).problems:
        sys.stderr.write(f"inventory: {problem}\n")
    sys.stderr.write(f"{cli.config_path or 'defaults'}: good\n")


@app.command()
def show(context: typer.Context) -> None:
    """Show the configuration in force, defaults and environment included, secrets masked."""
    cli: CliContext = context.obj
    sys.stdout.write(yaml.safe_dump(_masked(cli.config.model_dump(mode="json")), sort_keys=False))


SECRET_KEYS = ("password", "token", "secret", "api_key", "routing_key")


def _masked(value: object) -> object:
    """Plug-ins' options are plain mappings, so secrets are masked by their key's name too."""
    if isinstance(value, dict):
        return {
            key: "********"
            if isinstance(entry, str) and entry and str(key).endswith(SECRET_KEYS)
            else _masked(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(entry) for entry in value]
    return value
