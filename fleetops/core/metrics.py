"""FleetOps' own metrics: the closed list of what its processes count, in one registry.

Names follow ``fleetops_<part>_<what>_<unit>[_total]`` in base units.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

ERRORS = Counter(
    "fleetops_errors_total",
    "Errors met and survived, by part and stage.",
    ["part", "error_type", "stage"],
    registry=REGISTRY,
)
DISCARDED = Counter(
    "fleetops_discarded_records_total",
    "Records not passed on, by reason.",
    ["part", "reason"],
    registry=REGISTRY,
)
COLLECT_ROUNDS = Counter(
    "fleetops_collect_rounds_total",
    "Attempts on targets, by collector and outcome.",
    ["collector", "outcome"],
    registry=REGISTRY,
)
COLLECT_SECONDS = Histogram(
    "fleetops_collect_duration_seconds",
    "Time one target took.",
    ["collector"],
    registry=REGISTRY,
)
COLLECT_REQUESTS = Counter(
    "fleetops_collect_http_requests_total", "HTTP requests sent to targets.", registry=REGISTRY
)
COLLECT_READINGS = Counter(
    "fleetops_collect_readings_total",
    "Readings decoded, by collector and quality.",
    ["collector", "quality"],
    registry=REGISTRY,
)
TARGET_UP = Gauge(
    "fleetops_collect_target_up_ratio",
    "Whether the target's last attempt succeeded.",
    ["collector", "target"],
    registry=REGISTRY,
)
SPOOLED = Gauge(
    "fleetops_collect_spooled_messages",
    "Messages waiting on disk for the bus.",
    ["collector"],
    registry=REGISTRY,
)
INGESTED_ROWS = Counter(
    "fleetops_ingest_rows_total", "Rows inserted, by table.", ["table"], registry=REGISTRY
)
INGEST_MASKED = Counter(
    "fleetops_ingest_masked_values_total",
    "Values nulled by validation, by class and metric.",
    ["device_class", "metric"],
    registry=REGISTRY,
)
INGEST_LAG_SECONDS = Gauge(
    "fleetops_ingest_lag_seconds", "Age of the newest row inserted.", registry=REGISTRY
)
CONSUMER_LAG = Gauge(
    "fleetops_consumer_lag_messages", "Messages not yet consumed.", ["group"], registry=REGISTRY
)
LOOP_AGE_SECONDS = Gauge(
    "fleetops_loop_age_seconds", "Seconds since a loop last turned.", ["part"], registry=REGISTRY
)
DEAD_LETTERS = Counter(
    "fleetops_dead_letters_total",
    "Messages put aside, by topic and reason.",
    ["topic", "reason"],
    registry=REGISTRY,
)
FINDINGS = Counter(
    "fleetops_detect_findings_total",
    "Findings, by kind and status.",
    ["kind", "status"],
    registry=REGISTRY,
)
INCIDENTS_OPEN = Gauge("fleetops_detect_incidents_open", "Open incidents.", registry=REGISTRY)
ACTIONS = Counter(
    "fleetops_operate_actions_total",
    "Actions, by kind and state.",
    ["kind", "state"],
    registry=REGISTRY,
)
BREAKER_TRIPPED = Gauge(
    "fleetops_operate_breaker_tripped_ratio",
    "Whether the circuit breaker stops actions.",
    registry=REGISTRY,
)
ALERTS = Counter(
    "fleetops_alerts_total",
    "Deliveries, by sink and outcome.",
    ["sink", "outcome"],
    registry=REGISTRY,
)
