"""Prometheus Alertmanager, ``POST /api/v2/alerts``: one alert an open incident.

An alert there ends by itself at its ``endsAt``, so open ones are sent again before. Grouping,
silences and escalation are Alertmanager's. Actions are not alerts and are not sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from fleetops.alerts.base import Notification, SinkConfig
from fleetops.alerts.http import Receiver
from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops_schemas.records import Incident, IncidentStatus

Labels = dict[str, str]


class AlertmanagerConfig(SinkConfig):
    """Settings of the Alertmanager sink."""

    url: str
    """Base address, such as ``http://alertmanager:9093``. Usually private, so that is allowed."""
    token: SecretStr | None = None
    token_file: Path | None = None
    """Bearer token, where a proxy before Alertmanager asks for one."""
    expires_seconds: float = Field(default=300.0, ge=10, le=86_400)
    """An alert ends so long after it was last sent; Alertmanager's own ``resolve_timeout``."""
    external_url: str = ""
    """Address of the pages, for the alert's link."""


class AlertmanagerSink:
    """Keeps Alertmanager's view of the open incidents current."""

    name: ClassVar[str] = "alertmanager"
    config_model: ClassVar[type[SinkConfig]] = AlertmanagerConfig

    def __init__(self, config: AlertmanagerConfig, clock: Clock) -> None:
        """See :meth:`create`."""
        self._clock = clock
        self._expires = timedelta(seconds=config.expires_seconds)
        self._external_url = config.external_url
        self._headers = {"Content-Type": "application/json"}
        token = secret(config.token, config.token_file, "token")
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self._receiver = Receiver(
            f"{config.url.rstrip('/')}/api/v2/alerts",
            key="url",
            timeout_seconds=config.timeout_seconds,
            allow_private=True,
        )
        self._open: dict[str, Incident] = {}
        self._refresh_at = clock.now() + self._expires / 2

    @classmethod
    def create(cls, config: SinkConfig, clock: Clock) -> Self:
        """Makes the sink. Connects to nothing.

        Raises:
            ConfigError: the URL is none, or the token file cannot be read.
        """
        assert isinstance(config, AlertmanagerConfig)  # noqa: S101
        return cls(config, clock)

    def restore(self, incidents: Iterable[Incident]) -> None:
        """After a restart: the open incidents that Alertmanager knows; sent again at once."""
        self._open = {incident.id: incident for incident in incidents}
        self._refresh_at = self._clock.now()

    def deliver(self, notification: Notification) -> None:
        """Sends the incident's alert; ends the one it replaces when its labels changed.

        Raises:
            TemporaryError: no answer, or 408, 425, 429, 5xx.
            PermanentError: any other answer but 2xx.
        """
        incident = notification.incident
        if incident is None:
            return
        before = self._open.get(incident.id)
        alerts = [self._alert(incident)]
        if before is not None and labels(before) != labels(incident):
            alerts.append(self._alert(before, ends_at=self._clock.now()))
        self._post(alerts)
        if incident.status is IncidentStatus.OPEN:
            self._open[incident.id] = incident
        else:
            self._open.pop(incident.id, None)

    def refresh(self) -> None:
        """Sends every open alert again when half of its time is over.

        Raises:
            TemporaryError: as :meth:`deliver`; call again.
            PermanentError: as :meth:`deliver`.
        """
        if self._clock.now() < self._refresh_at:
            return
        if self._open:
            self._post([self._alert(incident) for incident in self._open.values()])
        self._refresh_at = self._clock.now() + self._expires / 2

    def close(self) -> None:
        """Closes the connections; safe to call twice. Open alerts end by themselves."""
        self._receiver.close()

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        self._receiver.post(json.dumps(alerts).encode(), self._headers)

    def _alert(self, incident: Incident, ends_at: datetime | None = None) -> dict[str, Any]:
        if ends_at is None:
            resolved = incident.status is IncidentStatus.RESOLVED
            over = incident.resolved_at or incident.updated_at
            ends_at = over if resolved else self._clock.now() + self._expires
        return {
            "labels": labels(incident),
            "annotations": {
                "summary": incident.title,
                "description": incident.explanation,
                "recommended_action": incident.action.value,
                "suspect_hosts": ",".join(incident.suspect_hosts),
                "affected_hosts": ",".join(incident.affected_hosts),
            },
            "startsAt": incident.opened_at.isoformat(),
            "endsAt": max(ends_at, incident.opened_at).isoformat(),
            "generatorURL": self._external_url,
        }


def labels(incident: Incident) -> Labels:
    """What identifies the alert: the incident and its cause. Nothing that is measured or timed.

    Severity is among them, for routing; it changes rarely, and then the old alert is ended.
    """
    return {
        "alertname": incident.kind,
        "incident_id": incident.id,
        "device": incident.cause_device,
        "device_class": incident.cause_device_class,
        "verdict": incident.verdict.value,
        "severity": incident.severity.value,
    }
