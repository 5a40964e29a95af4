"""Whether every plug-in that a configuration names is there and takes the options it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from fleetops.cli.roles import ROLES
from fleetops.core.config import Config, Options, describe, secret
from fleetops.core.errors import ConfigError
from fleetops.core.plugin import load
from fleetops_collectors.collector_config import parse_collector, parse_collectors


class _Wanted(NamedTuple):
    group: str
    name: str
    place: str
    options: Options
    role: str
    """Which runs it, and so reads the files that its options name."""


def check_plugins(config: Config, path: Path | None = None, roles: Collection[str] = ROLES) -> None:
    """Checks them all, and the files that those of ``roles`` read; tells all that is wrong at once.

    Args:
        config: what is checked.
        path: its file, for the messages.
        roles: of this process; another host's secrets need not be here.

    Raises:
        ConfigError: one line a problem, each naming the key and the remedy.
    """
    at = f"{path}: " if path else ""
    found = chain(
        _of_collectors(config, roles), *(_problems(one, roles) for one in _wanted(config))
    )
    problems = [f"{at}{line}" for text in found for line in text.splitlines()]
    if problems:
        raise ConfigError("\n".join(problems))


def _of_collectors(config: Config, roles: Collection[str]) -> Iterator[str]:
    sound = True
    for at, options in enumerate(config.collectors):
        try:
            parse_collector(at, options)
        except ConfigError as error:
            sound = False
            yield str(error)
        if "collect" in roles:
            name = options.get("name", options.get("kind"))
            yield from _missing_files(f"collectors.{at} ({name})", options)
    if sound:
        try:
            parse_collectors(config.collectors)
        except ConfigError as error:
            yield str(error)


def _wanted(config: Config) -> Iterator[_Wanted]:
    for name, options in config.detect.detectors.items():
        place = f"detect.detectors.{name}"
        yield _Wanted("detectors", name, place, _without(options, "enabled"), "detect")
    operate = config.operate
    place = "operate.scheduler_options"
    yield _Wanted("schedulers", operate.scheduler, place, operate.scheduler_options, "operate")
    for at, options in enumerate(config.alerts.sinks):
        place = f"alerts.sinks.{at} ({options.get('name', 'no name')})"
        kind = str(options.get("kind", ""))
        yield _Wanted("alert_sinks", kind, place, _without(options, "kind"), "alert")


def _without(options: Options, key: str) -> Options:
    return {name: value for name, value in options.items() if name != key}


def _problems(wanted: _Wanted, roles: Collection[str]) -> Iterator[str]:
    try:
        plugin: Any = load(wanted.group, wanted.name)
        model: type[BaseModel] = plugin.config_model
        model.model_validate(wanted.options)
    except ConfigError as error:
        yield f"{wanted.place}: {error}"
    except ValidationError as error:
        yield describe(error, wanted.place)
    if wanted.role in roles:
        yield from _missing_files(wanted.place, wanted.options)


def _missing_files(place: str, options: Options) -> Iterator[str]:
    """Every ``*_file`` option names a file to read: a secret, a certificate, a table."""
    for key, value in options.items():
        if key.endswith("_file") and isinstance(value, str | Path):
            try:
                secret(None, value, key.removesuffix("_file"))
            except ConfigError as error:
                yield f"{place}: {error}"
