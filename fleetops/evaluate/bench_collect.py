"""Benchmark of collecting: what one core reads and decodes, and what a large fleet costs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from fleetops.evaluate.bench_decoders import (
    gnmi_decoding,
    prometheus_decoding,
    report_decoding,
    step_reporting,
)
from fleetops.evaluate.bench_fleet import FleetResult, bench_fleet
from fleetops.evaluate.bench_reads import modbus_reading, redfish_reading
from fleetops.evaluate.meter import Rate


class CollectResult(BaseModel):
    """Every figure. Rates are of CPU time of the collecting process alone."""

    model_config = ConfigDict(frozen=True)

    rates: tuple[Rate, ...]
    step_report_microseconds: float
    """Median of one call of ``StepReporter.report``."""
    step_report_baseline_microseconds: float
    """Of setting five labelled gauges of prometheus_client."""
    fleet: FleetResult


def bench_collect(
    seconds: float = 2.0, hosts: int = 3000, interval_seconds: float = 30.0
) -> CollectResult:
    """Measures each protocol for so many CPU seconds, and the fleet for two intervals."""
    rates = [
        *redfish_reading(seconds),
        report_decoding(seconds),
        prometheus_decoding(seconds),
        modbus_reading(seconds),
        gnmi_decoding(seconds),
    ]
    ours, base = step_reporting()
    return CollectResult(
        rates=tuple(rates),
        step_report_microseconds=ours,
        step_report_baseline_microseconds=base,
        fleet=bench_fleet(hosts, interval_seconds),
    )
