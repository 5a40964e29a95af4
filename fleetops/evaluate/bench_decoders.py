"""Rates of decoders alone: text and documents in memory, no network. Synthetic payloads."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from pygnmi.client import telemetryParser
from pygnmi.spec.v080 import gnmi_pb2

from fleetops.evaluate.bench_targets import metrics_text
from fleetops.evaluate.meter import Rate, rate, repeat
from fleetops_collectors.gnmi.decode import decode_gnmi
from fleetops_collectors.gnmi.messages import notification_of
from fleetops_collectors.gnmi.newest import NewestValues
from fleetops_collectors.prometheus import decode_prometheus
from fleetops_collectors.redfish import Service, Tree, decode_resources
from fleetops_collectors.redfish.decode import Structure

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
    """Counters of 128 interfaces as a stream brings them, against pygnmi's own decoder.

    Ours ends in readings, pygnmi's in dictionaries of path texts.
    """
    messages = [_notification(port) for port in range(PORTS)]
    values = NewestValues()

    def ours() -> int:
        for message in messages:
            values.apply(notification_of(message.update), NOW)
        return len(decode_gnmi(values, switch="leaf1", now=NOW, stale_after_seconds=300.0).readings)

    def reference() -> int:
        return sum(len(telemetryParser(message)["update"]["update"]) for message in messages)

    return rate(
        "gNMI stream",
        "leaves",
        repeat(ours, seconds),
        "pygnmi's telemetryParser, without any meaning",
        repeat(reference, seconds),
        TELEGRAF,
    )


def _notification(port: int) -> Any:  # noqa: ANN401 (pygnmi ships no types)
    """What a target sends of one interface: one value a leaf."""
    answer = gnmi_pb2.SubscribeResponse()
    update = answer.update
    update.timestamp = int(NOW.timestamp() * 1e9)
    for name, key in (("interfaces", ""), ("interface", f"Ethernet{port}"), ("state", "")):
        elem = update.prefix.elem.add(name=name)
        if key:
            elem.key["name"] = key
    for number, leaf in enumerate(GNMI_LEAVES):
        one = update.update.add()
        one.path.elem.add(name="counters")
        one.path.elem.add(name=leaf)
        one.val.uint_val = 1000 + number
    return answer


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
