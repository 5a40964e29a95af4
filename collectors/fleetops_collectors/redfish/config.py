"""What the ``redfish`` collector can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleetops_collectors.base import CollectorConfig
from fleetops_collectors.http import HttpTargets


class RedfishConfig(CollectorConfig):
    """Reads management controllers, coolant units, power shelves, PDUs and heat exchangers."""

    targets: HttpTargets = ()
    max_body_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Longest answer; the largest known, a tray's port metrics, is about 1 MiB."""
    max_resources: Annotated[int, Field(ge=1)] = 5000
    """Resources read of one service; its further links are left out."""
    requests_at_once: Annotated[int, Field(ge=1, le=8)] = 1
    """Requests under way at one controller; most have one slow core, and serve one at a time."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Readings so much older than the service's present are stale."""
    discovery_interval_seconds: Annotated[float, Field(ge=1)] = 900.0
    """How often the structure is walked again; in between only readings are."""
    expand: bool = True
    """Whether collections are read whole (``$expand``) where the service offers it."""
    prefer_reports: bool = True
    """Whether what metric reports say as freshly is not read by itself too."""
    metric_reports: Literal["poll", "stream", "off"] = "poll"
    """How reports come: read each round, sent over the event stream, or not at all."""
    events: Literal["sse", "log", "both"] = "sse"
    """``sse``: over the event stream where the service offers one, and from the logs for what it
    may have missed; ``log``: from the logs alone; ``both``: these at their interval, beside it."""
    log_interval_seconds: Annotated[float, Field(ge=0)] = 60.0
    log_lookback_seconds: Annotated[float, Field(ge=0)] = 3600.0
    """Of a log read for the first time, older entries are taken as known."""
    stream_idle_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """A stream that is silent for so long is opened anew: a dead connection looks the same."""
    stream_first_wait_seconds: Annotated[float, Field(gt=0, le=300)] = 1.0
    """Before a broken stream is opened again; doubled each time, up to 300 s, with jitter."""
