from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from pygnmi.spec.v080 import gnmi_pb2
from typing_extensions import override

from fleetops.core.errors import InputError
from fleetops_collectors.gnmi import NewestValues, decode_gnmi, notifications_of
from fleetops_collectors.gnmi.messages import notification_of
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz
from tests.gnmi_target import notification

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAMP = int(NOW.timestamp()) * 10**9
PORT = "/interfaces/interface[name=Ethernet1/1]"
LANES = "/components/component[name=Ethernet1/1]/transceiver/physical-channels"
CHANNEL = {"channel": [{"index": 0, "state": {"input-power": {"instant": "-2.5"}}}]}


class TestFuzzRecordings(DecoderFuzz):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        gnmic = {
            **{"source": "leaf1:6030", "timestamp": STAMP, "prefix": ""},
            "updates": [
                {"Path": f"{PORT}/state/oper-status", "values": {"x": "UP"}},
                {"Path": LANES, "values": {"x": CHANNEL}},
            ],
            "deletes": ["/interfaces/interface[name=Ethernet2]"],
        }
        event = {
            **{"name": "s", "timestamp": STAMP, "tags": {"interface_name": "Ethernet1/1"}},
            "values": {"/interfaces/interface/state/counters/in-octets": "12345678901234567890"},
        }
        octets = {"path": f"{PORT}/state/counters/in-octets", "val": 12345}
        pygnmi = {"update": {"update": [octets], "timestamp": STAMP}}
        text = base64.b64encode(json.dumps(CHANNEL).encode()).decode()
        elems = [{"name": "components"}, {"name": "component", "key": {"name": "xcvr1"}}]
        elems += [{"name": "transceiver"}, {"name": "physical-channels"}]
        message = {"path": {"elem": elems}, "val": {"jsonIetfVal": text}}
        protobuf = {"update": {"timestamp": str(STAMP), "update": [message]}}
        documents = (gnmic, [event], pygnmi, protobuf, [gnmic, protobuf])
        flat = f"{PORT}/state/oper-status: UP\n{PORT}/state/counters/in-octets: 81\n"
        return [*(json.dumps(one).encode() for one in documents), flat.encode()]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        table = NewestValues(1000)
        for message in notifications_of(payload, "recording"):
            table.apply(message, NOW)
        return decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180).readings


class TestFuzzMessages(DecoderFuzz):
    """Messages as they come over the wire, mutated before protobuf takes them apart."""

    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        values = {
            f"{PORT}/state/oper-status": "UP",
            f"{PORT}/state/counters": {"in-octets": "12345678901234567890"},
            f"{PORT}/state/counters/out-octets": 4096,
            LANES: CHANNEL,
            "/components/component[name=Ethernet1/1]/state/temperature/instant": b"\x42\x26\0\0",
        }
        messages = [values, *({path: value} for path, value in values.items() if PORT in path)]
        return [notification(one, STAMP).SerializeToString() for one in messages]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        try:
            message = gnmi_pb2.Notification.FromString(payload)
        except DecodeError as error:
            raise InputError("no message of gNMI") from error
        table = NewestValues(1000)
        table.apply(notification_of(message), NOW)
        return decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180).readings
