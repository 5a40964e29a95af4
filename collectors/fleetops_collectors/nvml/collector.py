"""The ``nvml`` collector: NVIDIA GPUs of the host it runs on, read through the driver's library.

Nothing here calls the driver: a child process does (:mod:`fleetops_collectors.nvml.child`).
"""

from __future__ import annotations

import asyncio
import platform
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from fleetops.core.clock import Clock
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.nvml.fields import DEVICE_CLASS, PROTOCOL, decode_device, field_ids
from fleetops_collectors.nvml.process import ChildProcess
from fleetops_collectors.nvml.supervise import DeviceReader, Limits, Round, Suspect
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Event

ROUND_SHARE = 0.8
"""Of the deadline that a round may use, so that what was read is handed over before it."""
UNRESPONSIVE = "accelerator_unresponsive"
_KINDS = {
    8: "accelerator_power_lost",
    15: "accelerator_fallen_off_bus",
    16: "accelerator_reset_required",
    28: "accelerator_fallen_off_bus",
}
"""By NVML's return code (nvml.h): the fault that a device without a handle has."""
_NO_FAULT = frozenset({4})
"""No permission: the collector's own trouble."""


class NvmlTarget(Target):
    """The driver of this host. ``host`` defaults to this host's name."""

    library_folder: Path | None = None
    """Folder of ``libnvidia-ml.so.1`` where it is not on the system's path, as where the driver
    runs in a container (``/run/nvidia/driver/usr/lib/x86_64-linux-gnu``)."""


class NvmlConfig(CollectorConfig):
    """Reads the driver of the host that the collector runs on."""

    targets: tuple[NvmlTarget, ...] = ()
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Longer than elsewhere: opening a driver without persistence mode takes seconds."""
    device_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Longest that all calls of one device may take; then it is left out and the others go on."""
    start_seconds: Annotated[float, Field(gt=0, le=300)] = 6.0
    """Longest that the child may take to start and open the driver."""
    retry_seconds: Annotated[float, Field(ge=1, le=600)] = 30.0
    """First pause before a device that hung or was lost is tried again; doubled to ten minutes."""
    pcie_throughput: bool = False
    """Whether PCIe throughput is read: the driver samples it for 20 ms a direction and device."""

    @model_validator(mode="after")
    def _leaves_time_for_others(self) -> Self:
        if self.device_seconds > self.deadline_seconds / 2:
            raise ValueError(
                f"device_seconds {self.device_seconds:g} is more than half of deadline_seconds "
                f"{self.deadline_seconds:g}: a device that hangs would cost the others their round"
            )
        return self


class NvmlCollector:
    """Reads NVIDIA GPUs in band."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = NvmlConfig

    def __init__(self, config: NvmlConfig, clock: Clock) -> None:
        """Starts nothing; the first read does."""
        self._config = config
        self._clock = clock
        self._faults = load_faults()
        self._readers: dict[str, DeviceReader] = {}

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`NvmlConfig`."""
        assert isinstance(config, NvmlConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    async def collect(self, target: Target) -> Scrape:
        """Reads every device once; one that hangs or is lost is named in the warnings.

        Raises:
            TemporaryError: there is no driver, or it does not answer at all.
        """
        round_ = await self._reader(target).read(field_ids())
        now = self._clock.now()
        host = target.host or platform.node()
        scrape = Scrape(target=target, observed_at=now)
        for answer in round_.answers:
            decoded = decode_device(answer, host, now)
            scrape.readings += decoded.readings
            scrape.identities += decoded.identities
            scrape.warnings += decoded.warnings()
        scrape.warnings += _told(round_, host)
        scrape.events += [
            self._event(host, index, suspect, now)
            for index, suspect in round_.fresh.items()
            if suspect.code not in _NO_FAULT
        ]
        return scrape

    async def close(self) -> None:
        """Ends the children."""
        readers, self._readers = list(self._readers.values()), {}
        await asyncio.gather(*(reader.close() for reader in readers))

    def _event(self, host: str, index: int, suspect: Suspect, now: datetime) -> Event:
        """That a device went. Its id holds the time: each time is another happening."""
        device = f"{host}/gpu{index}"
        kind = UNRESPONSIVE if suspect.code is None else _KINDS.get(suspect.code, UNRESPONSIVE)
        return Event(
            id=f"{PROTOCOL}:{device}:{kind}:{now.isoformat()}",
            time=now,
            observed_at=now,
            host=host,
            device=device,
            device_class=DEVICE_CLASS,
            source=PROTOCOL,
            kind=kind,
            code=suspect.code,
            severity=self._faults.kind(kind).severity,
            text=suspect.why,
        )

    def _reader(self, target: Target) -> DeviceReader:
        reader = self._readers.get(target.name)
        if reader is None:
            assert isinstance(target, NvmlTarget)  # noqa: S101 (the configuration's model made it)
            config = self._config
            limits = Limits(
                device_seconds=config.device_seconds,
                start_seconds=config.start_seconds,
                round_seconds=config.deadline_seconds * ROUND_SHARE,
                retry_seconds=config.retry_seconds,
            )
            where = f"{target.name}: nvml"
            reader = self._readers[target.name] = DeviceReader(
                where,
                ChildProcess(where, target.library_folder),
                limits,
                self._clock,
                throughput=config.pcie_throughput,
            )
        return reader


def _told(round_: Round, host: str) -> list[str]:
    told = [
        f"{host}/gpu{index}: {suspect.why}; left out, next try after {suspect.pause_seconds:.0f} s"
        for index, suspect in sorted(round_.suspects.items())
    ]
    if round_.unread:
        names = ", ".join(f"gpu{index}" for index in round_.unread)
        told.append(f"{host}: {names} not read: {round_.why_unread}")
    return told
