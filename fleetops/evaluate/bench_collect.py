"""Benchmark of collecting: what one core reads and decodes, and what a large fleet costs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from fleetops.evaluate.bench_decoders import (
    gnmi_decoding,
    prometheus_decoding,
    report_decoding,
)
from fleetops.evaluate.bench_fleet import FleetResult, bench_fleet
from fleetops.evaluate.bench_reads import modbus_reading, redfish_reading
from fleetops.evaluate.bench_reporter import ReporterCost, bench_reporter
from fleetops.evaluate.meter import Rate


class CollectResult(BaseModel):
    """Every figure. Rates are of CPU time of the collecting process alone."""

    model_config = ConfigDict(frozen=True)

    rates: tuple[Rate, ...]
    reporter: ReporterCost
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
    return CollectResult(
        rates=tuple(rates),
        reporter=bench_reporter(),
        fleet=bench_fleet(hosts, interval_seconds),
    )
