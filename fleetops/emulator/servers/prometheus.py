"""Prometheus text of each host: accelerators as dcgm-exporter shows them, ranks as the job does.

``GET /nodes/HOST/metrics`` and ``GET /nodes/HOST/training``. Names are the exporter's older ones
(``DCGM_FI_DEV_GPU_TEMP``), units its own: Cel, W, mJ, MHz, MiB, ns, percent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fleetops.emulator import physics
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.kernel import pci_address
from fleetops.emulator.sensors import (
    FRAMEBUFFER_MEBIBYTES,
    MEMORY_MEGAHERTZ,
    RESERVED_MEBIBYTES,
    AcceleratorReadings,
)
from fleetops.emulator.topology import ACCELERATORS_PER_HOST

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MODEL_NAME = "NVIDIA H100 80GB HBM3"
DRIVER_VERSION = "580.95.05"

Column = Callable[[AcceleratorReadings, int], list[int] | list[float]]


def _constant(value: int) -> Column:
    return lambda _readings, _host: [value] * ACCELERATORS_PER_HOST


DCGM: tuple[tuple[str, str, str, Column], ...] = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).",
     lambda r, h: r.sm_clock_megahertz[h].tolist()),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).",
     _constant(MEMORY_MEGAHERTZ)),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).",
     lambda r, h: r.memory_temperature_celsius[h].tolist()),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).",
     lambda r, h: r.temperature_celsius[h].tolist()),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).",
     lambda r, h: r.power_watts[h].round(3).tolist()),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gauge", "Power limit (in W).",
     _constant(int(physics.TDP_WATTS))),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since boot (in mJ).",
     lambda r, h: r.energy_millijoules[h].tolist()),
    ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "gauge", "Clock event reasons (bitmask).",
     lambda r, h: r.throttle_reasons[h].tolist()),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", "counter", "Time throttled for heat (in ns).",
     lambda r, h: r.thermal_violation_nanoseconds[h].tolist()),
    ("DCGM_FI_DEV_POWER_VIOLATION", "counter", "Time throttled for power (in ns).", _constant(0)),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).",
     lambda r, h: r.utilization_percent[h].tolist()),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %).",
     lambda r, h: r.memory_utilization_percent[h].tolist()),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).",
     lambda r, h: (FRAMEBUFFER_MEBIBYTES - RESERVED_MEBIBYTES
                   - r.framebuffer_used_mebibytes[h]).tolist()),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).",
     lambda r, h: r.framebuffer_used_mebibytes[h].tolist()),
    ("DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB).",
     _constant(RESERVED_MEBIBYTES)),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Corrected memory errors since driver load.",
     lambda r, h: r.corrected_errors[h].tolist()),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Uncorrected memory errors since driver load.",
     _constant(0)),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped, uncorrectable errors.",
     _constant(0)),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped, correctable errors.",
     _constant(0)),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed.",
     _constant(0)),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.", _constant(0)),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.",
     lambda r, h: r.last_xid[h].tolist()),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active.",
     lambda r, h: r.engine_active[h].round(6).tolist()),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Ratio of cycles the tensor pipe is active.",
     lambda r, h: r.tensor_active[h].round(6).tolist()),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Ratio of cycles the memory interface is active.",
     lambda r, h: r.memory_active[h].round(6).tolist()),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", "Rate of PCIe bytes sent (in B/s).",
     lambda r, h: r.pcie_bytes_per_second[h].tolist()),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", "Rate of PCIe bytes received (in B/s).",
     lambda r, h: r.pcie_bytes_per_second[h].tolist()),
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", "gauge", "Rate of NVLink bytes sent (in B/s).",
     lambda r, h: r.nvlink_bytes_per_second[h].tolist()),
    ("DCGM_FI_PROF_NVLINK_RX_BYTES", "gauge", "Rate of NVLink bytes received (in B/s).",
     lambda r, h: r.nvlink_bytes_per_second[h].tolist()),
)  # fmt: skip


class HostText:
    """Renders the text of the fleet's hosts on demand."""

    def __init__(self, fleet: Fleet) -> None:
        """Prepares the label sets once: they never change."""
        self._fleet = fleet
        self._labels = [
            [_labels(host, gpu) for gpu in range(ACCELERATORS_PER_HOST)]
            for host in fleet.layout.hosts
        ]

    def accelerators(self, host: int) -> str:
        """The exporter's page of a host. A lost accelerator is simply not on it."""
        readings = self._fleet.readings.accelerators
        present = readings.present[host].tolist()
        labels = self._labels[host]
        lines: list[str] = []
        for name, kind, text, column in DCGM:
            lines += (f"# HELP {name} {text}", f"# TYPE {name} {kind}")
            lines += [
                f"{name}{labels[gpu]} {value}"
                for gpu, value in enumerate(column(readings, host))
                if present[gpu]
            ]
        return "\n".join(lines) + "\n"

    def training(self, host: int) -> str:
        """The page of a host's ranks; empty where the job does not run."""
        job = self._fleet.job
        if host >= job.hosts:
            return ""
        present = self._fleet.readings.accelerators.present[host].tolist()
        ranks = [job.rank_of(host, gpu) for gpu in range(ACCELERATORS_PER_HOST) if present[gpu]]
        name = self._fleet.layout.hosts[host]
        lines: list[str] = []
        for metric, kind, values in self._training_columns(ranks):
            lines.append(f"# TYPE fleetops_training_{metric} {kind}")
            lines += [
                f'fleetops_training_{metric}{{job="{job.id}",host="{name}",rank="{rank}"}} {value}'
                for rank, value in zip(ranks, values, strict=True)
            ]
        return "\n".join(lines) + "\n"

    def _training_columns(self, ranks: list[int]) -> Iterator[tuple[str, str, list[float]]]:
        job = self._fleet.job
        step, count = job.last, len(ranks)
        yield "rank", "gauge", list(ranks)
        yield "data_rank", "gauge", job.data_rank_of[ranks].tolist()
        yield "pipeline_stage", "gauge", job.stage_of[ranks].tolist()
        yield "pipeline_stages", "gauge", [job.stages] * count
        yield "step_total", "counter", [step.number] * count
        yield "step_seconds", "gauge", [round(step.step_seconds, 6)] * count
        yield "compute_seconds", "gauge", step.compute_seconds[ranks].round(6).tolist()
        yield "communication_seconds", "gauge", step.communication_seconds[ranks].round(6).tolist()
        yield "data_wait_seconds", "gauge", step.data_wait_seconds[ranks].round(6).tolist()
        yield "expected_step_seconds", "gauge", [round(job.expected_step_seconds, 6)] * count


def routes(fleet: Fleet) -> list[Route]:
    """The text endpoints of all hosts."""
    text = HostText(fleet)
    index = {host: position for position, host in enumerate(fleet.layout.hosts)}

    def answer(request: Request, render: Callable[[int], str]) -> Response:
        host = request.path_params["host"]
        if host not in index:
            return PlainTextResponse(f"no host {host}\n", status_code=404)
        return Response(render(index[host]), media_type=CONTENT_TYPE)

    async def metrics(request: Request) -> Response:
        return answer(request, text.accelerators)

    async def training(request: Request) -> Response:
        return answer(request, text.training)

    return [Route("/nodes/{host}/metrics", metrics), Route("/nodes/{host}/training", training)]


def _labels(host: str, gpu: int) -> str:
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.gpu{gpu}.emulated")
    domain, bus, device = pci_address(gpu).upper().split(":")
    return (
        f'{{gpu="{gpu}",UUID="GPU-{identity}",pci_bus_id="0000{domain}:{bus}:{device}.0",'
        f'device="nvidia{gpu}",modelName="{MODEL_NAME}",Hostname="{host}",'
        f'DCGM_FI_DRIVER_VERSION="{DRIVER_VERSION}"}}'
    )
