"""Trees of small files, as sysfs has them, that a reader never finds half written.

Each host has two copies of a class, and a link to the one that is shown. A tick writes into the
other, only what changed, and then turns the link: an open file is not written to for a tick.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.tables import Rows, Table

COPIES = 2
DEVICES = "devices"
Text = Callable[[float], str]


class Leaf(NamedTuple):
    """A file that shows a metric."""

    path: str
    """Below the device's folder."""
    metric: str
    text: Text
    """Of a reading; it is NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Device:
    """One folder of a class."""

    host: str
    name: str
    address: str
    """On PCI; the folder that its ``device`` link leads to."""
    constants: Mapping[str, str]
    """Files that never change, by path."""


class SysfsTree:
    """One class (``infiniband``, ``net``) of all hosts, below ``FOLDER/HOST/class``."""

    def __init__(
        self, folder: Path, kind: str, devices: Sequence[Device], rows: Rows, leaves: Sequence[Leaf]
    ) -> None:
        """Writes nothing yet.

        Args:
            folder: of all hosts.
            kind: the class.
            devices: in any order.
            rows: of the table, one a device.
            leaves: of every device; a file without a reading at first is not made, unless it has
                words for that.
        """
        self._folder = folder
        self._kind = kind
        self._devices = tuple(devices)
        self._rows = rows
        self._leaves = tuple(leaves)
        self._hosts = tuple(dict.fromkeys(one.host for one in devices))
        self._written: list[Floats] = []
        self._made: NDArray[np.bool_] = np.zeros((0, 0), dtype=np.bool_)
        self._shared = self._made
        """Files that both copies still have in common."""
        self._present: list[NDArray[np.bool_]] = []
        self._places: list[list[str]] = []
        """By copy and device: its folder."""
        self._next = 0

    def start(self, table: Table) -> None:
        """Makes both copies; nothing is shown yet.

        Raises:
            OSError: the folder cannot be written to.
        """
        values = self._values(table)
        self._made = np.array(
            [
                [bool(leaf.text(value)) for value in row]
                for leaf, row in zip(self._leaves, values.tolist(), strict=True)
            ],
            dtype=np.bool_,
        ).reshape(values.shape)
        for host in self._hosts:
            for name in (f"{self._kind}.{copy}" for copy in range(COPIES)):
                shutil.rmtree(self._folder / host / name, ignore_errors=True)
            (self._folder / host / "class").mkdir(parents=True, exist_ok=True)
            self._turn(host, None)
        for copy in range(COPIES):
            self._places.append([str(self._place(one, copy)) for one in self._devices])
            self._written.append(values)
            self._present.append(np.ones(len(self._devices), dtype=np.bool_))
            for number, device in enumerate(self._devices):
                self._make(number, device, copy, values)
        self._shared = self._made.copy()

    def refresh(self, table: Table, present: NDArray[np.bool_], hosts: Mapping[str, bool]) -> None:
        """Shows the table's readings.

        Args:
            table: the class as of the last tick.
            present: by device; one that is not is taken off the bus.
            hosts: whether the host shows anything at all.
        """
        copy, self._next = self._next, (self._next + 1) % COPIES
        values, before = self._values(table), self._written[copy]
        same = (values == before) | (np.isnan(values) & np.isnan(before))
        self._fill(copy, values, self._made & ~same)
        for at in np.flatnonzero(present != self._present[copy]).tolist():
            self._plug(at, copy, into=bool(present[at]))
        self._present[copy] = present.copy()
        for host in self._hosts:
            self._turn(host, copy if hosts[host] else None)

    def _values(self, table: Table) -> Floats:
        """What is shown now, (leaves, devices)."""
        return np.array([table[leaf.metric][self._rows] for leaf in self._leaves]).reshape(
            len(self._leaves), len(self._devices)
        )

    def _make(self, number: int, device: Device, copy: int, values: Floats) -> None:
        """The folder of a device; files of the second copy are the first's until they change."""
        folder = self._places[copy][number]
        bus = self._folder / device.host / f"{self._kind}.{copy}" / DEVICES / device.address
        bus.mkdir(parents=True)
        os.makedirs(folder)
        os.symlink(f"../../{DEVICES}/{device.address}", f"{folder}/device")
        texts = dict(device.constants)
        for leaf, reading, made in zip(
            self._leaves, values[:, number].tolist(), self._made[:, number], strict=True
        ):
            if made:
                texts[leaf.path] = leaf.text(reading)
        for parent in {os.path.dirname(path) for path in texts}:
            os.makedirs(f"{folder}/{parent}", exist_ok=True)
        for path, text in texts.items():
            if copy:
                os.link(f"{self._places[0][number]}/{path}", f"{folder}/{path}")
            else:
                _write(f"{folder}/{path}", f"{text}\n")

    def _fill(self, copy: int, values: Floats, wanted: NDArray[np.bool_]) -> None:
        """Writes files of a copy that nobody is shown."""
        places = self._places[copy]
        for at, leaf in enumerate(self._leaves):
            chosen = np.flatnonzero(wanted[at])
            shared = self._shared[at, chosen].tolist()
            readings = values[at, chosen].tolist()
            for number, reading, both in zip(chosen.tolist(), readings, shared, strict=True):
                path = f"{places[number]}/{leaf.path}"
                if both:
                    os.unlink(path)
                _write(path, f"{leaf.text(reading)}\n")
            self._shared[at, chosen] = False
        self._written[copy] = values

    def _place(self, device: Device, copy: int, *, plugged: bool = True) -> Path:
        shelf = "shown" if plugged else "absent"
        return self._folder / device.host / f"{self._kind}.{copy}" / shelf / device.name

    def _plug(self, number: int, copy: int, *, into: bool) -> None:
        """Puts a device into its class, or takes it out."""
        target = self._place(self._devices[number], copy, plugged=into)
        target.parent.mkdir(exist_ok=True)
        Path(self._places[copy][number]).rename(target)
        self._places[copy][number] = str(target)

    def _turn(self, host: str, copy: int | None) -> None:
        """Shows a copy of a host's class; None shows nothing."""
        link = self._folder / host / "class" / self._kind
        draft = link.with_name(f".{self._kind}")
        if copy is None:
            link.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)
            return
        draft.symlink_to(Path("..", f"{self._kind}.{copy}", "shown"))
        draft.replace(link)


def _write(path: str, text: str) -> None:
    """Writes over a file in place; it is cut where it became shorter."""
    data = text.encode()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(file, data)
        if os.fstat(file).st_size > len(data):
            os.ftruncate(file, len(data))
    finally:
        os.close(file)
