"""Devices by number: the rows of every array the detectors keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Rows = npt.NDArray[np.int64]
FIRST_CAPACITY = 64


class DeviceIndex:
    """Numbers device names in order of appearance: one look-up a row, none a sample."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.hosts: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def row(self, device: str) -> int | None:
        """The row of a device, None for one never seen."""
        return self._rows.get(device)

    def rows(self, batch: pa.RecordBatch) -> Rows:
        """The row of each of the batch's devices, new ones added at the end."""
        device = _dictionary(batch.column("device"))
        names = device.dictionary.to_pylist()
        codes = device.indices.to_numpy(zero_copy_only=False)
        found = [self._rows.get(name, -1) for name in names]
        if -1 in found:
            self._add(batch, names, codes)
            found = [self._rows.get(name, -1) for name in names]
        rows: Rows = np.array(found, np.int64)[codes]
        return rows

    def _add(self, batch: pa.RecordBatch, names: list[str], codes: npt.NDArray[np.int32]) -> None:
        """Adds the names that rows use; a dictionary may hold more."""
        host = batch.column("host")
        used, first = np.unique(codes, return_index=True)
        order = np.argsort(first, kind="stable")
        for code, row in zip(used[order].tolist(), first[order].tolist(), strict=True):
            name = names[code]
            if name not in self._rows:
                self._rows[name] = len(self.names)
                self.names.append(name)
                self.hosts.append(host[row].as_py())


def grown(values: npt.NDArray[Any], count: int, fill: float | bool) -> npt.NDArray[Any]:
    """The array with room for ``count``, doubled so that adding devices one by one stays cheap."""
    if count <= len(values):
        return values
    larger = np.full(max(count, 2 * len(values), FIRST_CAPACITY), fill, values.dtype)
    larger[: len(values)] = values
    return larger


def rounds(rows: Rows, times: npt.NDArray[np.float64]) -> Iterator[Rows]:
    """Positions in a batch, in time order, each device once a round.

    Nearly always one round: a batch holds several only where it brings several ticks at once.
    """
    order = np.argsort(times, kind="stable")
    while len(order):
        _, first = np.unique(rows[order], return_index=True)
        yield order[np.sort(first)]
        order = np.delete(order, first)


def column_values(batch: pa.RecordBatch, metric: str) -> npt.NDArray[np.float64]:
    """A metric of a batch as float64, NaN for null: absence is not zero."""
    values: npt.NDArray[np.float64] = np.asarray(
        batch.column(metric).to_numpy(zero_copy_only=False), dtype=np.float64
    )
    return values


def times_seconds(batch: pa.RecordBatch) -> npt.NDArray[np.float64]:
    """``ts`` of each row, seconds since 1970 UTC."""
    milliseconds = batch.column("ts").cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds: npt.NDArray[np.float64] = milliseconds / 1000.0
    return seconds


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    if isinstance(column, pa.DictionaryArray):
        return column
    return column.dictionary_encode()
