"""Reads interfaces from sysfs and their statistics from the drivers."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from fleetops.core.errors import InputError
from fleetops_collectors.ethernet.interfaces import Interface, kernel_columns
from fleetops_collectors.ethernet.ioctl import DriverInfo, EthtoolSocket
from fleetops_collectors.sysfs import (
    module_temperature,
    names,
    pci_address,
    read_present,
    read_text,
)

CLASS_FOLDER = "class/net"
MAX_INTERFACES = 1024
_ABOUT = ("type", "flags", "carrier", "address", "ifindex")
_ETHERNET = "1"
"""ARPHRD_ETHER of linux/if_arp.h; IPoIB is 32, and its port is read by ``infiniband``."""


def read_interfaces(
    path: Path, patterns: Sequence[str] = (), *, statistics: bool = True
) -> tuple[list[Interface], list[str]]:
    """The interfaces of a host, and what could not be read of them.

    Args:
        path: ``/sys`` or ``/sys/class/net``.
        patterns: Names to read (``eth*``); without any, every Ethernet interface that is hardware.
        statistics: Whether the drivers are asked for their own counters.

    Raises:
        FileNotFoundError: there is nothing at that path.
        InputError: there is something, that is not sysfs.
    """
    if not path.exists():
        raise FileNotFoundError(str(path))
    folder = path / CLASS_FOLDER if (path / CLASS_FOLDER).is_dir() else path
    found = [name for name in names(folder) if (folder / name / "operstate").exists()]
    if not found:
        raise InputError(
            f"{path}: no network interface in it; name /sys or /sys/class/net as they are "
            "in the network namespace to be read"
        )
    chosen = [name for name in found if _wanted(folder / name, patterns)][:MAX_INTERFACES]
    problems: list[str] = []
    with EthtoolSocket() as ethtool:
        asked = ethtool if statistics else None
        return [_read(folder / name, asked, problems) for name in chosen], problems


def _wanted(folder: Path, patterns: Sequence[str]) -> bool:
    if patterns:
        return any(fnmatchcase(folder.name, pattern) for pattern in patterns)
    return (folder / "device").exists() and read_present(folder / "type") == _ETHERNET


def _read(folder: Path, ethtool: EthtoolSocket | None, problems: list[str]) -> Interface:
    name = folder.name
    values = {
        file: read_text(folder / file)
        for file in (*_ABOUT, *kernel_columns())
        if (folder / file).exists()
    }
    driver = DriverInfo(bus_address=pci_address(folder / "device"))
    counters: dict[str, int] = {}
    if ethtool is not None and _is_ours(name, values, problems):
        try:
            driver, counters = ethtool.driver(name), ethtool.statistics(name)
        except OSError as error:
            problems.append(f"{name}: the driver's statistics: {error.strerror or error}")
    rdma = names(folder / "device" / "infiniband")
    vendor, device = (read_present(folder / "device" / part) for part in ("vendor", "device"))
    return Interface(
        name=name,
        values=values,
        statistics=counters,
        driver=driver,
        board=f"{vendor}:{device}" if vendor and device else "",
        rdma_device=rdma[0] if len(rdma) == 1 else "",
        module_temperature=module_temperature(folder / "device"),
    )


def _is_ours(name: str, values: Mapping[str, str | None], problems: list[str]) -> bool:
    """Whether the kernel, asked for that name, would speak of this interface.

    In a container that has the host's ``/sys`` but a network of its own, ``eth0`` is another.
    """
    try:
        index = str(socket.if_nametoindex(name))
    except OSError:
        index = ""
    if index and index == values.get("ifindex"):
        return True
    problems.append(f"{name}: of another network namespace, so its driver cannot be asked")
    return False
