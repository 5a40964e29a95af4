"""Reads adapters from a sysfs tree: only the files that have a column, for each costs a command.

On mlx5 every file of ``counters`` is one query to the adapter's firmware; ``hw_counters`` are kept
for their ``lifespan`` (10 ms by default) after a query of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleetops.core.errors import InputError
from fleetops_collectors.infiniband.adapters import Adapter, Port
from fleetops_collectors.infiniband.counters import columns
from fleetops_collectors.sysfs import (
    module_temperature,
    names,
    pci_address,
    read_present,
    read_text,
)

CLASS_FOLDER = "class/infiniband"
MAX_ADAPTERS = 256
"""A host with virtual functions has many; a folder with more is none of sysfs'."""
MAX_PORTS = 128
"""Per adapter; a switch chip that Linux runs on has the most (80 and its own)."""
_ABOUT = ("node_desc", "node_guid", "hca_type", "board_id", "fw_ver", "serial")
_STATE = ("state", "phys_state", "rate", "link_layer")


def read_adapters(path: Path) -> list[Adapter]:
    """The adapters below a folder; none where it is sysfs, and the driver shows none.

    Args:
        path: ``/sys``, ``/sys/class/infiniband``, one adapter's folder in it, or a copy of one of
            these, with one folder around it at most.

    Raises:
        FileNotFoundError: there is nothing at that path.
        InputError: there is something, without an adapter in it.
    """
    if not path.exists():
        raise FileNotFoundError(str(path))
    folders = _adapter_folders(path)
    if not folders and not (path.name == "infiniband" or (path / "class").is_dir()):
        raise InputError(
            f"{path}: no InfiniBand adapter in it (no folder with 'ports'); name /sys, "
            "/sys/class/infiniband, or a copy of one of its folders"
        )
    if len(folders) > MAX_ADAPTERS:
        raise InputError(f"{path}: {len(folders)} adapters; at most {MAX_ADAPTERS} are read")
    return [_read_adapter(folder) for folder in folders]


def _adapter_folders(path: Path) -> list[Path]:
    if (path / "ports").is_dir():
        return [path]
    parents = [path / CLASS_FOLDER, path / "sys" / CLASS_FOLDER, path]
    if not (path / "class").is_dir():
        parents += [path / name for name in names(path)[:MAX_ADAPTERS]]
    for parent in parents:
        found = [parent / name for name in names(parent) if (parent / name / "ports").is_dir()]
        if found:
            return found
    return []


def _read_adapter(folder: Path) -> Adapter:
    ports = [name for name in names(folder / "ports") if name.isdecimal()]
    return Adapter(
        name=folder.resolve().name if folder.name in {"", "."} else folder.name,
        values={name: read_present(folder / name) for name in _ABOUT},
        ports=[
            _read_port(folder / "ports" / number) for number in sorted(ports[:MAX_PORTS], key=int)
        ],
        address=pci_address(folder / "device"),
        module_temperature=module_temperature(folder / "device"),
    )


def _read_port(folder: Path) -> Port:
    values = {name: read_present(folder / name) for name in _STATE}
    unread = []
    for name in _counter_names(folder):
        if name.rpartition("/")[2] not in columns():
            unread.append(name)
            continue
        try:
            values[name] = read_text(folder / name)
        except FileNotFoundError:
            continue  # the adapter is being unplugged
    return Port(folder.name, values, unread)


def _counter_names(folder: Path) -> Iterator[str]:
    for kind in ("counters_ext", "counters", "hw_counters"):
        for name in names(folder / kind):
            if name != "lifespan":
                yield f"{kind}/{name}"
