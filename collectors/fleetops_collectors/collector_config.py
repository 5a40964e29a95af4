"""The ``collectors`` section of the configuration: each entry checked by its plug-in's model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from fleetops.core import plugin
from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops_collectors.base import Collector, CollectorConfig

GROUP = "collectors"


@dataclass(frozen=True, slots=True)
class ConfiguredCollector:
    """A collector's class and its checked configuration; nothing is opened yet."""

    kind: str
    collector_class: type[Collector]
    config: CollectorConfig


def parse_collectors(entries: Iterable[Mapping[str, Any]]) -> tuple[ConfiguredCollector, ...]:
    """The configured collectors.

    Each entry is ``{kind: PLUGIN, name: ..., targets: [...], ...}``; ``name`` is ``kind`` where it
    is left out.

    Raises:
        ConfigError: names the collector, the key and the remedy; all problems of an entry at once.
    """
    parsed = [parse_collector(index, entry) for index, entry in enumerate(entries)]
    names = [entry.config.name for entry in parsed]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"collectors: the name {name!r} is given twice; absence is judged by it"
            )
    return tuple(parsed)


def parse_collector(index: int, entry: Mapping[str, Any]) -> ConfiguredCollector:
    """One entry, the ``index``-th.

    Raises:
        ConfigError: names the collector, the key and the remedy; all problems at once.
    """
    options = dict(entry)
    kind = options.pop("kind", None)
    place = f"collectors.{index} ({options.get('name', kind)})"
    if not isinstance(kind, str):
        there = ", ".join(plugin.installed(GROUP)) or "none"
        raise ConfigError(f"{place}: kind: missing; name one of: {there}")
    options.setdefault("name", kind)
    try:
        collector_class = cast(type[Collector], plugin.load(GROUP, kind))
        config = collector_class.config_model.model_validate(options)
    except ValidationError as error:
        raise ConfigError(describe(error, place)) from error
    except ConfigError as error:
        raise ConfigError(f"{place}: kind: {error}") from error
    targets = [target.name for target in config.targets]
    if twice := sorted({name for name in targets if targets.count(name) > 1}):
        raise ConfigError(f"{place}: targets: named twice: {', '.join(twice)}")
    return ConfiguredCollector(kind, collector_class, config)
