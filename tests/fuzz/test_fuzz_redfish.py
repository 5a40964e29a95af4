from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.errors import InputError
from fleetops_collectors.redfish import Service, Tree, decode_resources
from fleetops_collectors.redfish.directory import parse
from fleetops_collectors.redfish.log_entries import records_of
from fleetops_collectors.redfish.server_sent import Message, StreamParser
from fleetops_collectors.redfish.told import STREAM, Telling, Told
from fleetops_collectors.redfish.tree import ROOT, uri_of
from fleetops_collectors.redfish.values import objects_of
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz
from tests.unit.collectors.redfish_service import event, resource, tray

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHASSIS = f"{ROOT}/Chassis/Tray"
GPU = f"{ROOT}/Systems/Sys/Processors/GPU_0"
LEAK = resource(
    f"{CHASSIS}/Sensors/Leak_0_Voltage",
    "Sensor",
    Reading=1.73,
    ReadingType="Voltage",
    ReadingTime="2026-11-21T00:00:00Z",
    SensingInterval="PT0.250S",
    Thresholds={"LowerCritical": {"Reading": 1.3}},
)
REPORT = resource(
    f"{ROOT}/TelemetryService/MetricReports/All",
    "MetricReport",
    Timestamp="2026-11-21T00:00:00Z",
    MetricValues=[
        {
            "MetricProperty": f"{GPU}/{name}",
            "MetricValue": value,
            "Timestamp": "2026-11-20T23:59:59Z",
        }
        for name, value in (
            ("ProcessorMetrics#/PCIeErrors/ReplayCount", "12"),
            ("ProcessorMetrics#/PowerLimitThrottleDuration", "P6DT23H36M51.22S"),
            ("EnvironmentMetrics#/PowerWatts/Reading", "nan"),
            ("Ports/NVLink_0/Metrics#/Oem/Nvidia/TXWait", "4294967295"),
        )
    ],
)
OLD = resource(
    f"{CHASSIS}/Power",
    "Power",
    PowerControl=[{"PowerConsumedWatts": 812}],
    PowerSupplies=[{"MemberId": "0", "PowerInputWatts": 410, "Status": {"Health": "OK"}}],
)
MAINS = resource(
    f"{ROOT}/PowerEquipment/RackPDUs/1/Mains/AC1",
    "Circuit",
    PolyPhaseCurrentAmps={"Line1": {"Reading": 11.0}},
    EnergykWh={"Reading": 2.0},
    BreakerState="Normal",
)


def payload(*resources: dict[str, Any]) -> bytes:
    return json.dumps({"Resources": resources}).encode()


class TestFuzzRedfish(DecoderFuzz):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        return [
            payload(*tray().values()),
            payload(*tray().values(), REPORT, LEAK),
            payload(LEAK, REPORT, OLD, MAINS),
        ]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        tree = Tree()
        for number, item in enumerate(objects_of(parse(payload, "fuzz").get("Resources"))):
            tree.put(uri_of(item) or f"{ROOT}/x/{number}", item)
        return decode_resources(tree, Service(), NOW).readings


class TestFuzzRedfishStream(DecoderFuzz):
    """The bytes of an event stream, cut into pieces anywhere."""

    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        data = json.dumps(event("Environmental.1.4.LeakDetectedCritical"))
        report = json.dumps(REPORT)
        return [
            f": hello\n\nid: 1\ndata: {data}\n\nid: 2\ndata: {report}\n\n".encode(),
            f"retry: 1000\r\nid: 7\r\ndata: {report}\r\n\r\ndata: {data}\r\n\r\n".encode(),
        ]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        parser, tree, told = StreamParser(100_000), Tree(), Told()
        middle = len(payload) // 2
        for piece in (payload[:middle], payload[middle:]):
            for message in parser.feed(piece):
                self._take(message, tree, told)
        return decode_resources(tree, Service(), NOW).readings

    def _take(self, message: Message, tree: Tree, told: Told) -> None:
        resource = parse(message.data, "fuzz")
        tree.put(uri_of(resource) or f"{ROOT}/x", resource)
        for uri, record in records_of(resource):
            if told.is_news(Telling.of(record, uri, NOW), STREAM):
                tree.put(uri, record)


@pytest.mark.parametrize(
    ("pieces", "data"),
    [
        ([b"data: a\n\n"], [b"a"]),
        ([b"data: a\r", b"\n\r\n"], [b"a"]),
        ([b"data: a\rdata: b\r\r"], [b"a\nb"]),
        ([b"\xef\xbb\xbfdata:a\n\n"], [b"a"]),
        ([b"event: x\n\n", b": comment\n\n", b"data\n\n"], [b""]),
        ([b"da", b"ta: ", b"a", b"b\n", b"\n"], [b"ab"]),
        ([b"data: unfinished\n"], []),
        ([b"id: 4\ndata: a\n\ndata: b\n\n"], [b"a", b"b"]),
    ],
)
def test_lines_into_messages(pieces: list[bytes], data: list[bytes]) -> None:
    parser = StreamParser(1000)
    assert [message.data for piece in pieces for message in parser.feed(piece)] == data


@pytest.mark.parametrize("piece", [b"x" * 2000, b"data: " + b"x" * 600 + b"\n"])
def test_a_message_without_end_is_refused(piece: bytes) -> None:
    parser = StreamParser(1000)
    with pytest.raises(InputError, match="more than 1000 bytes"):
        [list(parser.feed(piece)) for _ in range(3)]
