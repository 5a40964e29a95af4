"""The generic webhook: CloudEvents 1.0 in structured JSON, signed as Standard Webhooks has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import SecretStr

from fleetops.alerts.base import Notification, SinkConfig
from fleetops.alerts.http import Receiver
from fleetops.alerts.signature import key_of, sign
from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import ConfigError

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"


class WebhookConfig(SinkConfig):
    """Settings of the webhook."""

    url: str
    """https, unless ``allow_private``."""
    secret: SecretStr | None = None
    """Signs every delivery; by environment, or better ``secret_file``. ``whsec_BASE64`` or text."""
    secret_file: Path | None = None
    allow_private: bool = False
    """Permits http, and loopback, private and link-local addresses."""
    source: str = "/fleetops"
    """CloudEvents ``source``: which installation speaks."""


class WebhookSink:
    """Posts one CloudEvent a notification."""

    name: ClassVar[str] = "webhook"
    config_model: ClassVar[type[SinkConfig]] = WebhookConfig

    def __init__(self, config: WebhookConfig, clock: Clock) -> None:
        """See :meth:`create`."""
        self._key = _key(config)
        self._source = config.source
        self._clock = clock
        self._receiver = Receiver(
            config.url,
            key="url",
            timeout_seconds=config.timeout_seconds,
            allow_private=config.allow_private,
        )

    @classmethod
    def create(cls, config: SinkConfig, clock: Clock) -> Self:
        """Makes the sink. Connects to nothing.

        Raises:
            ConfigError: there is no secret, or the URL may not be reached.
        """
        assert isinstance(config, WebhookConfig)  # noqa: S101
        return cls(config, clock)

    def deliver(self, notification: Notification) -> None:
        """Posts the notification once.

        Raises:
            TemporaryError: no answer, or 408, 425, 429, 5xx.
            PermanentError: any other answer but 2xx, or the name points to a private address.
        """
        body = JSONFormat().write(cloud_event(notification, self._source))
        signed = sign(self._key, notification.id, self._clock.now(), body)
        self._receiver.post(body, {"Content-Type": CONTENT_TYPE, **signed})

    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        self._receiver.close()


def cloud_event(notification: Notification, source: str) -> CloudEvent:
    """The notification as a CloudEvent; ``data`` is the incident or the action."""
    attributes: dict[str, Any] = {
        "id": notification.id,
        "source": source,
        "specversion": "1.0",
        "type": f"org.fleetops.{notification.type}.v1",
        "datacontenttype": "application/json",
    }
    record = notification.incident or notification.action
    data: dict[str, Any] = {}
    if record is not None:
        attributes["time"] = record.updated_at
        data = record.model_dump(mode="json")
    if notification.incident is not None:
        attributes["subject"] = notification.incident.cause_device
    elif notification.action is not None:
        attributes["subject"] = notification.action.target
    return CloudEvent(attributes, data)


def _key(config: WebhookConfig) -> bytes:
    given = secret(config.secret, config.secret_file, "secret")
    if given is None:
        raise ConfigError("secret_file is missing; it signs every delivery")
    return key_of(given.get_secret_value())
