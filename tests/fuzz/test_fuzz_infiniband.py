from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.infiniband import Adapter, Port, decode_adapters, decode_text
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.fuzz.decoder_fuzz import DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOPS = frozenset({2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64})
PERFQUERY = """# Port extended counters: Lid 6 port 1 (CapMask: 0x5300 CapMask2: 0x0000002)
PortXmitData:....................36298026860928
SymbolErrorCounter:..............65535
PortXmitWait:....................7
# Port counters: Lid 7 port 255 (CapMask: 0x1400)
LinkDownedCounter:...............255
PortRcvData:.....................100
"""
TOPOLOGY = """\
CA 88 1 0xb83fd20300da1138 4x HDR - SW 51 79 0x946dae0300630bf6 ( 'node7 mlx5_3' - 'leaf1 ' )
SW 51 79 0x946dae0300630bf6 4x HDR - CA 88 1 0xb83fd20300da1138 ( 'MF0;leaf1:Q/U1' - 'n m' )
SW 51 80 0x946dae0300630bf6 4x SDR                   'MF0;leaf1:Q/U1'
"""
IBSTAT = """CA 'mlx5_0'
\tCA type: MT4129
\tPort 1:
\t\tState: Active
\t\tPhysical state: LinkUp
\t\tRate: 400
Infiniband device 'mlx5_1' port 2 status:
\tstate:\t\t 4: ACTIVE
\tphys state:\t 5: LinkUp
\trate:\t\t 100 Gb/sec (4X EDR)
"""
SWITCH = """part number        | MQM8790-HS2F
GUID               | 0x08c0eb0300d9f672
PSU0 status        | OK
     P/N           | MTEF-PSF-AC-C
     power (W)     | 154
temperature (C)    | 53
fan#1 (rpm)        | 6125
"""
SYSFS = """state=4: ACTIVE
phys_state=5: LinkUp
rate=400 Gb/sec (4X NDR)
link_layer=InfiniBand
counters/port_rcv_data=57634968733120
counters/link_downed=255
counters/VL15_dropped=N/A (no PMA)
hw_counters/np_cnp_sent=12
temperature=48250
"""


class PortFuzz(DecoderFuzz):
    """DCGM's blank numbers are honest counts of octets here; the tops of widths are not."""

    @override
    def check(self, readings: list[Reading]) -> None:
        check_readings(readings)
        assert not {one.value for one in readings if one.quality is Quality.GOOD} & TOPS


class TestFuzzInfinibandTools(PortFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [text.encode() for text in (PERFQUERY, TOPOLOGY, SWITCH, IBSTAT)]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_text(payload, host=None, now=NOW).readings


class TestFuzzInfinibandSysfs(PortFuzz):
    """Lines stand for files: name, ``=``, what is in it."""

    @override
    def seeds(self) -> Sequence[bytes]:
        return [SYSFS.encode(), (SYSFS + SYSFS.replace("=", "_=")).encode()]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        lines = payload.decode("utf-8", "replace").splitlines()
        values = {name: text.strip() for name, _, text in (line.partition("=") for line in lines)}
        ports = [Port("1", values), Port("2", values)]
        adapter = Adapter("mlx5_0", {}, ports, module_temperature=values.get("temperature"))
        return decode_adapters([adapter], host="n1", now=NOW).readings
