"""Prometheus text: dcgm-exporter, and training jobs that report their own steps."""

from fleetops_collectors.prometheus.collector import PrometheusCollector, PrometheusConfig
from fleetops_collectors.prometheus.text import DecodedText, SkippedLine, decode_prometheus

__all__ = [
    "DecodedText",
    "PrometheusCollector",
    "PrometheusConfig",
    "SkippedLine",
    "decode_prometheus",
]
