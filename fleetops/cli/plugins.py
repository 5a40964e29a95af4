"""Whether every plug-in that a configuration names is there and takes the options it is given."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from fleetops.core.config import Config, Options, describe
from fleetops.core.errors import ConfigError
from fleetops.core.plugin import load


def check_plugins(config: Config) -> None:
    """Checks them all and tells all that is wrong at once.

    Raises:
        ConfigError: one line a problem, each naming the key and the remedy.
    """
    wanted: list[tuple[str, str, str, Options]] = []
    for at, options in enumerate(config.collectors):
        place = f"collectors.{at} ({options.get('name', 'no name')})"
        wanted.append(("collectors", str(options.get("kind", "")), place, _without(options)))
    for name, options in config.detect.detectors.items():
        rest = {key: value for key, value in options.items() if key != "enabled"}
        wanted.append(("detectors", name, f"detect.detectors.{name}", rest))
    operate = config.operate
    place = "operate.scheduler_options"
    wanted.append(("schedulers", operate.scheduler, place, operate.scheduler_options))
    for at, options in enumerate(config.alerts.sinks):
        place = f"alerts.sinks.{at} ({options.get('name', 'no name')})"
        wanted.append(("alert_sinks", str(options.get("kind", "")), place, _without(options)))
    problems = [text for entry in wanted if (text := _problem(*entry))]
    if problems:
        raise ConfigError("\n".join(problems))


def _without(options: Options) -> Options:
    return {key: value for key, value in options.items() if key != "kind"}


def _problem(group: str, name: str, place: str, options: dict[str, Any]) -> str | None:
    try:
        plugin: Any = load(group, name)
        model: type[BaseModel] = plugin.config_model
        model.model_validate(options)
    except ConfigError as error:
        return f"{place}: {error}"
    except ValidationError as error:
        return describe(error, place)
    return None
