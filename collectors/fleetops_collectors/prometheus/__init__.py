"""Prometheus and OpenMetrics text: exporters of accelerators and hosts, and training jobs."""

from fleetops_collectors.prometheus.collector import PrometheusCollector, PrometheusConfig
from fleetops_collectors.prometheus.text import DecodedText, SkippedLine, decode_prometheus

__all__ = [
    "DecodedText",
    "PrometheusCollector",
    "PrometheusConfig",
    "SkippedLine",
    "decode_prometheus",
]
