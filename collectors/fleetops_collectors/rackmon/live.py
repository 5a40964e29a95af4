"""Every register of one device, read once, for ``fleetops decode rackmon``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fleetops.core.errors import TemporaryError
from fleetops_collectors.rackmon.address import BusAddress, Transport
from fleetops_collectors.rackmon.device_reader import DeviceReader
from fleetops_collectors.rackmon.discovery import is_there, line_of
from fleetops_collectors.rackmon.modbus import ReadOnlyBus
from fleetops_collectors.rackmon.readings import Device
from fleetops_collectors.rackmon.rows import RegisterRow, Rows
from fleetops_schemas.register_maps import RegisterMap

SINGLE_DEVICE = (255, 1, 0)
"""Unit numbers that a server of one device answers to (Modbus TCP implementation guide)."""
PROBE_SECONDS = 0.3
MIN_DELAY_SECONDS = 0.005


async def read_live(
    address: BusAddress, one: RegisterMap, device: int | None, timeout_seconds: float
) -> Rows:
    """The registers of the device at ``device``, else of the first that answers.

    Raises:
        TemporaryError: nobody answers.
        InputError: what answers is no Modbus.
    """
    bus = ReadOnlyBus(address, timeout_seconds=timeout_seconds, min_delay_seconds=MIN_DELAY_SECONDS)
    line = line_of(one, address)
    try:
        at = await _first(bus, address, one) if device is None else device
        reader = DeviceReader(Device(f"device {at}", one, address.port_name), at, line)
        result = await reader.read(bus, asyncio.get_running_loop().time())
    finally:
        await bus.close()
    rows = [
        RegisterRow(register.address, register.name, value, register.unit)
        for register, value, _ in result.samples
    ]
    problems = list(result.problems)
    if device is None:
        problems.insert(0, f"device {at} answered; name another by --address")
    return Rows(rows, problems)


async def _first(bus: ReadOnlyBus, address: BusAddress, one: RegisterMap) -> int:
    """The first address at which the map's kind of device answers."""
    line = line_of(one, address)
    tried = 0
    for at in _addresses(address, one):
        tried += 1
        if await is_there(bus, (one, at), line, PROBE_SECONDS):
            return at
    raise TemporaryError(
        f"{address.port_name}: no device of {one.name} answers at {tried} addresses; check the "
        "connection, or name the device by --address"
    )


def _addresses(address: BusAddress, one: RegisterMap) -> Iterator[int]:
    yield from one.device_addresses()
    if address.transport is Transport.TCP or not one.addresses:
        yield from SINGLE_DEVICE
