"""Targets for the collectors' benchmark, in a process of their own: HTTP and Modbus TCP.

``python -m fleetops.evaluate.bench_targets`` prints one line of JSON with its ports, and ends with
its standard input. What it answers is synthetic.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

ACCELERATORS = 8
FIELDS = (
    ("DCGM_FI_DEV_SM_CLOCK", 1980),
    ("DCGM_FI_DEV_MEM_CLOCK", 2619),
    ("DCGM_FI_DEV_MEMORY_TEMP", 71),
    ("DCGM_FI_DEV_GPU_TEMP", 61),
    ("DCGM_FI_DEV_POWER_USAGE", 612.375),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 123456789012),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", 0),
    ("DCGM_FI_DEV_GPU_UTIL", 97),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", 41),
    ("DCGM_FI_DEV_ENC_UTIL", 0),
    ("DCGM_FI_DEV_DEC_UTIL", 0),
    ("DCGM_FI_DEV_FB_FREE", 10240),
    ("DCGM_FI_DEV_FB_USED", 70656),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", 0),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 0),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", 0),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", 0),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.981234),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.61422),
    ("DCGM_FI_PROF_DRAM_ACTIVE", 0.4411),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", 1234567890),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", 987654321),
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", 98765432109),
    ("DCGM_FI_PROF_NVLINK_RX_BYTES", 98765432101),
)
"""The fields of dcgm-exporter's default list that the catalog has, with a plausible value."""
UNITS = 32
"""Modbus devices on the bus."""
REGISTERS = 128


def metrics_text(host: str) -> str:
    """One host's answer of dcgm-exporter's shape: 8 accelerators, 25 samples each."""
    lines = []
    for name, value in FIELDS:
        lines += [f"# HELP {name} synthetic", f"# TYPE {name} gauge"]
        for gpu in range(ACCELERATORS):
            labels = (
                f'gpu="{gpu}",UUID="GPU-{host}-{gpu}",pci_bus_id="00000000:{gpu:02X}:00.0",'
                f'device="nvidia{gpu}",modelName="synthetic",Hostname="{host}"'
            )
            lines.append(f"{name}{{{labels}}} {value}")
    return "\n".join(lines) + "\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1 with keep-alive; every path is a host's."""
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            host = request.split(b" ", 2)[1].strip(b"/").decode()
            body = metrics_text(host).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}"
            writer.write(f"{head}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve() -> None:
    http = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=4096)
    numbers = [(7 * n) % 1000 for n in range(REGISTERS)]
    words = [SimData(0, values=numbers, datatype=DataType.REGISTERS)]
    modbus = ModbusTcpServer(
        [SimDevice(unit, simdata=words) for unit in range(1, UNITS + 1)], address=("127.0.0.1", 0)
    )
    await modbus.serve_forever(background=True)
    listening = cast(asyncio.Server, modbus.transport)
    ports = {
        "http": http.sockets[0].getsockname()[1],
        "modbus": listening.sockets[0].getsockname()[1],
    }
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await modbus.shutdown()  # type: ignore[no-untyped-call]
    http.close()


if __name__ == "__main__":
    asyncio.run(_serve())
