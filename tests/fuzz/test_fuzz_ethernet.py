from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.ethernet import Interface, decode_interfaces
from fleetops_collectors.ethernet.recordings import decode_text
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.fuzz.decoder_fuzz import DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOPS = frozenset({2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64})
STATISTICS = """NIC statistics:
     rx_bytes_phy: 123456
     rx_prio3_pause: 1523
     rx_prio3_pause_duration: 48736
     tx_pause_storm_error_events: 18446744073709551615
FEC parameters for eth0:
Active FEC encoding: RS
Statistics:
  corrected_blocks: 256
    Lane 0: 255
"""
MODULE = """\tIdentifier                                : 0x11 (QSFP28)
\tVendor SN                                 : QS9001
\tModule temperature                        : 38.10 degrees C / 100.58 degrees F
\tLaser tx bias current (Channel 1)         : 6.800 mA
\tTransmit avg optical power (Channel 1)    : 0.8000 mW / -0.97 dBm
\tRcvr signal avg optical power(Channel 1)  : 0.0001 mW / -40.00 dBm
"""
JSON = """[ {"ifname": "swp1", "module_temperature": 70.49, "vendor_sn": "DD4242",
  "laser_tx_bias_current": [ 83.806, 0 ], "transmit_avg_optical_power": [ 1.5975, 0 ],
  "rx_power": { "values": [ 2.2489, 0 ] }, "module_temperature": { "high_alarm_threshold": 75 } },
 {"ifname": "swp1", "statistics": {"corrected_blocks": {"total": 256, "lanes": [255, 1]}},
  "eth-mac": {"OctetsReceivedOK": 77}} ]
"""
SYSFS = """operstate=up
flags=0x1003
speed=400000
carrier_down_count=2
statistics/rx_bytes=123456789
statistics/rx_errors=0
temperature=48250
"""


class PortFuzz(DecoderFuzz):
    """DCGM's blank numbers are honest counts of octets here; the tops of widths are not."""

    @override
    def check(self, readings: list[Reading]) -> None:
        check_readings(readings)
        assert not {one.value for one in readings if one.quality is Quality.GOOD} & TOPS


class TestFuzzEthernetOutputs(PortFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [text.encode() for text in (STATISTICS, MODULE, JSON, STATISTICS + MODULE)]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_text(payload, host="n1", now=NOW, interface="eth0").readings


class TestFuzzEthernetSysfs(PortFuzz):
    """Lines stand for files: name, ``=``, what is in it."""

    @override
    def seeds(self) -> Sequence[bytes]:
        return [SYSFS.encode()]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        lines = payload.decode("utf-8", "replace").splitlines()
        values = {name: text.strip() for name, _, text in (line.partition("=") for line in lines)}
        one = Interface("eth0", values, module_temperature=values.get("temperature"))
        return decode_interfaces([one], host="n1", now=NOW).readings
