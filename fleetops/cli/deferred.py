"""Commands that are imported when they are used: the others start without what those need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from fleetops.core.errors import ConfigError


def add_command(app: typer.Typer, name: str, source: str, text: str) -> None:
    """Adds a command or a group of commands.

    Args:
        app: what it is added to.
        name: the word that users type.
        source: ``module:attribute`` of a function or a ``Typer``.
        text: one line of help for the list of commands.
    """
    app.add_typer(typer.Typer(), name=name, help=text, cls=_deferred(source))


def _deferred(source: str) -> type[TyperGroup]:
    class Deferred(TyperGroup):
        @override
        def make_context(self, *args: Any, **kwargs: Any) -> Any:
            """The context of the command itself, so that nothing of this stand-in is left."""
            return _load(source, self.name or "", self.help).make_context(*args, **kwargs)

    return Deferred


def _load(source: str, name: str, text: str | None) -> Any:  # noqa: ANN401  Click's are private
    module, attribute = source.split(":")
    found = getattr(import_module(module), attribute)
    root = typer.Typer()
    if isinstance(found, typer.Typer):
        root.add_typer(found, name=name, help=text)
    else:
        root.command(name)(found)
    return typer.main.get_group(root).commands[name]


def missing_extra(error: ModuleNotFoundError) -> ConfigError:
    """A package that an extra of FleetOps brings is not there.

    Raises:
        ModuleNotFoundError: it is a module of FleetOps itself: a mistake of ours, not the user's.
    """
    if (error.name or "fleetops").startswith("fleetops"):
        raise error
    return ConfigError(
        f"this command needs the package {error.name}, which is not installed; "
        "pip install 'fleetops[all]', or the extra that brings it (README, Installing)"
    )
