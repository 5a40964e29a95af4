"""Devices by number: the rows of every array the detectors keep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rows = npt.NDArray[np.int64]


class DeviceIndex:
    """Numbers device names in order of appearance; a look-up costs no Python per row."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.hosts: list[str] = []
        self._rows: dict[str, int] = {}
        self._known = pa.array([], pa.string())

    def __len__(self) -> int:
        return len(self.names)

    def row(self, device: str) -> int | None:
        """The row of a device, None for one never seen."""
        return self._rows.get(device)

    def rows(self, batch: pa.RecordBatch) -> Rows:
        """The row of each of the batch's devices, new ones added at the end."""
        device = _dictionary(batch.column("device"))
        names = device.dictionary
        found = pc.index_in(names, value_set=self._known)
        if found.null_count:
            self._add(batch, device, found)
            found = pc.index_in(names, value_set=self._known)
        of_name = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = device.indices.to_numpy(zero_copy_only=False)
        rows: Rows = of_name[codes]
        return rows

    def _add(self, batch: pa.RecordBatch, device: pa.DictionaryArray, found: pa.Array) -> None:
        codes = device.indices.to_numpy(zero_copy_only=False)
        used, first = np.unique(codes, return_index=True)
        unknown = pc.is_null(found).to_numpy(zero_copy_only=False)
        host = batch.column("host")
        order = np.argsort(first, kind="stable")
        for code, row in zip(used[order].tolist(), first[order].tolist(), strict=True):
            if unknown[code]:
                name = device.dictionary[code].as_py()
                self._rows[name] = len(self.names)
                self.names.append(name)
                self.hosts.append(host[row].as_py())
        self._known = pa.array(self.names, pa.string())


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
