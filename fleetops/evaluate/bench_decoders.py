"""Rates of decoders alone: text and documents in memory, no network. Synthetic payloads."""

from __future__ import annotations

import json
import re
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from fleetops.evaluate.bench_targets import metrics_text
from fleetops.evaluate.meter import Rate, rate, repeat
from fleetops_collectors.gnmi.decode import decode_gnmi
from fleetops_collectors.gnmi.newest import NewestValues
from fleetops_collectors.gnmi.notifications import Notification
from fleetops_collectors.gnmi.paths import parse_path
from fleetops_collectors.prometheus import decode_prometheus
from fleetops_collectors.redfish import Service, Tree, decode_resources
from fleetops_collectors.redfish.decode import Structure
from fleetops_collectors.training.reporter import StepReporter

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PORTS = 128
"""Interfaces of the switch."""
LINKS = 72
"""Of a GB300 tray: a captured report of its ports has 2,308 values."""
REPORT = "/redfish/v1/TelemetryService/MetricReports/HGX_ProcessorPortMetrics_0"
PORT_PROPERTIES = (
    *("RXBytes", "TXBytes", "RXErrors"),
    *("Networking/RXFrames", "Networking/TXFrames", "Networking/TXDiscards"),
    *("Oem/Nvidia/BitErrorRate", "Oem/Nvidia/EffectiveBER", "Oem/Nvidia/SymbolErrors"),
    *("Oem/Nvidia/LinkDownedCount", "Oem/Nvidia/LinkErrorRecoveryCount", "Oem/Nvidia/TXWait"),
)
GNMI_LEAVES = (
    *("in-octets", "out-octets", "in-errors", "out-errors", "in-discards", "out-discards"),
    *("in-fcs-errors", "carrier-transitions"),
)
STEPS = 20_000
PROMETHEUS = (
    "Prometheus 2: 300,000 samples/s on 6 cores, scrape to disk (github.com/nfelsen/prombench)"
)
TELEGRAF = "telegraf: 10,000 metrics/s on 2 cores, statsd to Kafka (influxdata/telegraf#2825)"


class _Sample(BaseModel):
    """What one writes first: a checked object a sample."""

    path: str
    device: str
    metric: str
    value: float
    time: datetime


def prometheus_decoding(seconds: float) -> Rate:
    """dcgm-exporter's text of 16 hosts, against the reference parser of prometheus_client."""
    texts = [metrics_text(f"node{n:03}").encode() for n in range(16)]

    def ours() -> int:
        return sum(decode_prometheus(text, host=None, now=NOW).samples for text in texts)

    def reference() -> int:
        return sum(
            len(family.samples)
            for text in texts
            for family in text_string_to_metric_families(text.decode())
        )

    return rate(
        "Prometheus text",
        "samples",
        repeat(ours, seconds),
        "prometheus_client's parser, without any meaning",
        repeat(reference, seconds),
        PROMETHEUS,
    )


def report_decoding(seconds: float) -> Rate:
    """A metric report of 72 links, against a pydantic model a value."""
    report = json.dumps(_report()).encode()
    service = Service(host="node001", live=True)
    structure = Structure(Tree(), service)

    def ours() -> int:
        tree = Tree()
        tree.put(REPORT, json.loads(report))
        return len(decode_resources(tree, service, NOW, structure).readings)

    def models() -> int:
        values = json.loads(report)["MetricValues"]
        return len([_sample(one["MetricProperty"], one["MetricValue"]) for one in values])

    return rate(
        "Redfish MetricReport",
        "values",
        repeat(ours, seconds),
        "a pydantic object a value, its path taken apart",
        repeat(models, seconds),
        TELEGRAF,
    )


def gnmi_decoding(seconds: float) -> Rate:
    """Counters of 128 interfaces as a stream brings them, against a dictionary of path texts."""
    paths = [
        f"/interfaces/interface[name=Ethernet{port}]/state/counters/{leaf}"
        for port in range(PORTS)
        for leaf in GNMI_LEAVES
    ]
    updates = [(parse_path(path), str(1000 + at)) for at, path in enumerate(paths)]
    values = NewestValues()

    def ours() -> int:
        values.apply(Notification(NOW, list(updates), []), NOW)
        return len(decode_gnmi(values, switch="leaf1", now=NOW, stale_after_seconds=300.0).readings)

    def models() -> int:
        return len([_sample(path, value) for path, (_, value) in zip(paths, updates, strict=True)])

    return rate(
        "gNMI updates",
        "leaves",
        repeat(ours, seconds),
        "a pydantic object an update, its path taken apart",
        repeat(models, seconds),
        TELEGRAF,
    )


def step_reporting() -> tuple[float, float]:
    """Microseconds of one report of a step, to a collector that listens, and of five gauges."""
    with TemporaryDirectory(prefix="fleetops-bench-") as folder:
        path = str(Path(folder) / "training.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
            collector.bind(path)
            collector.setblocking(False)
            with StepReporter(rank=0, job="81", socket_path=path) as reporter:
                ours = _per_step(lambda step: _report_step(reporter, collector, step))
    registry = CollectorRegistry()
    gauges = [Gauge(f"step_{n}", "x", ["rank"], registry=registry) for n in range(5)]

    def set_gauges(step: int) -> float:
        began = time.perf_counter()
        for gauge in gauges:
            gauge.labels("0").set(step)
        return time.perf_counter() - began

    return ours, _per_step(set_gauges)


def _report_step(reporter: StepReporter, collector: socket.socket, step: int) -> float:
    began = time.perf_counter()
    reporter.report(
        step=step,
        step_seconds=4.0,
        compute_seconds=3.0,
        communication_seconds=0.9,
        data_wait_seconds=0.1,
    )
    spent = time.perf_counter() - began
    collector.recv(4096)  # the collector's share of the work is not the job's
    return spent


def _per_step(work: object) -> float:
    assert callable(work)  # noqa: S101
    spent = sorted(work(step) for step in range(STEPS))
    return float(spent[len(spent) // 2]) * 1e6


def _report() -> dict[str, object]:
    stamp = NOW.isoformat()
    port = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_{}/Ports/NVLink_{}/Metrics#/{}"
    values = [
        {
            "MetricProperty": port.format(link // 18, link % 18, name),
            "MetricValue": str(1e-15 if "BER" in name or "BitError" in name else 1000 + link),
            "Timestamp": stamp,
        }
        for link in range(LINKS)
        for name in PORT_PROPERTIES
    ]
    return {
        "@odata.id": REPORT,
        "@odata.type": "#MetricReport.v1_4_2.MetricReport",
        "Id": "HGX_ProcessorPortMetrics_0",
        "Timestamp": stamp,
        "MetricValues": values,
    }


def _sample(path: str, value: object) -> _Sample:
    parts = [part for part in re.split(r"[/#\[\]=]", path) if part]
    stamp = NOW.isoformat()
    return _Sample.model_validate(
        {"path": path, "device": parts[-3], "metric": parts[-1], "value": value, "time": stamp}
    )
