"""Role ``alert``: every configured sink in a loop and a thread of its own."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import ValidationError

from fleetops.alerts.base import AlertSink, SinkConfig
from fleetops.alerts.delivery import RETRY_MOST_SECONDS, Delivery
from fleetops.bus.base import Bus
from fleetops.core import service
from fleetops.core.clock import Clock
from fleetops.core.config import AlertsConfig, Options, describe
from fleetops.core.errors import ConfigError, FleetOpsError
from fleetops.core.plugin import load

STOP_SECONDS = RETRY_MOST_SECONDS + 10.0


class AlertService:
    """Starts the sinks' loops and watches over them."""

    name = "alert"

    def __init__(self, bus: Bus, config: AlertsConfig, clock: Clock) -> None:
        """Makes every sink; tells nobody anything yet.

        Raises:
            ConfigError: a sink does not exist, its settings are wrong, or two share a name.
        """
        self._clock = clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failure: FleetOpsError | None = None
        sinks = make_sinks(config.sinks, clock)
        self._deliveries = [
            Delivery(bus, sink, label, config.retry_seconds, self._stop)
            for label, sink in sinks.items()
        ]

    def turn(self) -> bool:
        """Starts the loops at the first turn, then sees that they go on.

        Raises:
            FleetOpsError: a loop ended for good.
        """
        if not self._threads:
            for delivery in self._deliveries:
                thread = threading.Thread(target=self._run, args=(delivery,), name=delivery.name)
                self._threads.append(thread)
                thread.start()
        if self._failure is not None:
            raise self._failure
        return False

    def close(self) -> None:
        """Stops the loops, each after the attempt it is in; safe to call twice."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        if not self._threads:  # never run, so nothing closed them
            for delivery in self._deliveries:
                delivery.close()

    def _run(self, delivery: Delivery) -> None:
        try:
            service.run(delivery, self._stop, self._clock)
        except FleetOpsError as error:
            self._failure = error


def make_sinks(sinks: tuple[Options, ...], clock: Clock) -> dict[str, AlertSink]:
    """The sinks of ``alerts.sinks``, by their names.

    Raises:
        ConfigError: names the sink and what is wrong with it.
    """
    made: dict[str, AlertSink] = {}
    for at, options in enumerate(sinks):
        place = f"alerts.sinks.{at}"
        label, sink = _make_sink(dict(options), place, clock)
        if label in made:
            raise ConfigError(f"{place}: two sinks are named {label!r}; give each its own name")
        made[label] = sink
    return made


def _make_sink(options: Options, place: str, clock: Clock) -> tuple[str, AlertSink]:
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError(f"{place}.kind: is missing; write for example kind: webhook")
    plugin: Any = load("alert_sinks", kind)
    try:
        config: SinkConfig = plugin.config_model.model_validate(options)
    except ValidationError as error:
        raise ConfigError(describe(error, place)) from error
    try:
        return config.name or kind, plugin.create(config, clock)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
