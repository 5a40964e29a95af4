"""Configuration of the ``rackmon`` collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fleetops_collectors.base import CollectorConfig, Target
from fleetops_collectors.rackmon.address import Transport, parse_address
from fleetops_collectors.rackmon.rackmond import NATIVE
from fleetops_schemas.register_maps import DeviceAddress


class RackmonDevice(BaseModel):
    """One device on a bus."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: DeviceAddress
    map: str
    """Name of its register map."""
    name: str
    """Device name: ``r012/shelf1/psu3``."""


class RackmonTarget(Target):
    """One bus, or one rackmond.

    ``url`` is ``tcp://HOST:PORT`` (Modbus TCP), ``rtu+tcp://HOST:PORT`` (serial frames through a
    socket), ``rtu:///dev/ttyS3`` (a serial line) or ``unix:///var/run/rackmond.sock``; with
    ``?baudrate=`` and ``&parity=`` for the line's setting where it is not the maps' own.
    """

    devices: tuple[RackmonDevice, ...] = ()
    """What is read. rackmond tells of every device it knows; here they are only named."""
    discover: tuple[str, ...] = ()
    """Register maps whose addresses are asked for devices; none by default."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parse_address(url)
        return url

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        is_bus = parse_address(self.url).transport is not Transport.UNIX
        if is_bus and not self.devices and not self.discover:
            raise ValueError(
                f"{self.name}: nothing to read; list devices, or name maps to discover"
            )
        names = [device.name for device in self.devices]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{self.name}: devices: named twice: {', '.join(twice)}")
        return self


class RackmonConfig(CollectorConfig):
    """How racks are read over Modbus."""

    targets: tuple[RackmonTarget, ...] = ()
    interval_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    """A full shelf needs seconds at 19,200 baud; rackmond itself reads every 180 s."""
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 25.0
    """Devices that are not reached in nine tenths of it wait for the next round."""
    map_files: tuple[Path, ...] = ()
    """The installation's own register maps, in the form of those that are shipped."""
    timeout_seconds: Annotated[float, Field(ge=0.02, le=60)] = 1.0
    """Longest wait for one answer."""
    min_delay_seconds: Annotated[float, Field(ge=0, le=10)] = 0.005
    """Silence between an answer and the next question; rackmond keeps 2 to 3 ms."""
    retries: Annotated[int, Field(ge=0, le=3)] = 1
    """Of a read that was not answered or came garbled."""
    probes_per_round: Annotated[int, Field(ge=1, le=256)] = 16
    """Addresses asked for new devices in a round at most, one word each, until all were asked once;
    then one a round."""
    probe_timeout_seconds: Annotated[float, Field(ge=0.02, le=10)] = 0.3
    """Longest wait for a device that may not be there; rackmond's own."""
    recheck_seconds: Annotated[float, Field(ge=1, le=604_800)] = 3600.0
    """After this a register that a device refused is asked for again."""
    stale_after_seconds: Annotated[float, Field(gt=0, le=604_800)] = 900.0
    """rackmond: readings older than this are stale; five of its rounds."""
    lookback_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """rackmond: alarms in its history that are older when it is first read are no events."""
    length_bytes: Literal[4, 8] = NATIVE
    """rackmond: size of the length before a message; 4 on 32 bit controllers."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """rackmond: longest answer; a full rack's is a few MiB."""

    @field_validator("targets")
    @classmethod
    def _one_reader_a_bus(cls, targets: tuple[RackmonTarget, ...]) -> tuple[RackmonTarget, ...]:
        seen: dict[str, str] = {}
        for target in targets:
            port = parse_address(target.url).port_name
            if port in seen:
                raise ValueError(
                    f"{target.name} and {seen[port]} are the same bus, {port}, which can have one "
                    "reader only; list all devices at one target"
                )
            seen[port] = target.name
        return targets
