"""Prometheus text of many hosts: laid out once, its numbers converted once a tick.

A page is joined from pieces that never change and the text of its numbers, so that a page of some
hundred lines costs some ten microseconds; what stands on it follows from the tables alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.tables import Rows, Table
from fleetops_schemas.catalog import Metric, MetricKind, Source

WHOLE = "%d"
"""How a number is written that is whole; other formats are taken as they are."""


@dataclass(frozen=True, slots=True)
class Series:
    """One name of an exporter, and the metric that it shows."""

    name: str
    metric: str
    kind: str
    """gauge or counter"""
    about: str
    scale: float = 1.0
    offset: float = 0.0
    """The exporter's value is (metric - offset) / scale."""
    style: str = WHOLE
    labels: str = ""
    """Beside those of the device."""

    @classmethod
    def of(cls, metric: Metric, source: Source, *, name: str = "", style: str = WHOLE) -> Series:
        """A series under one of the names that the catalogue knows for a metric."""
        kind = "counter" if metric.kind is MetricKind.COUNTER else "gauge"
        return cls(
            name=name or source.name,
            metric=metric.name,
            kind=kind,
            about=metric.description,
            scale=source.scale,
            offset=source.offset,
            style=style,
        )


class Lines(NamedTuple):
    """The devices of a class on one host's page."""

    rows: Rows
    labels: tuple[str, ...]
    """``gpu="0",Hostname="node001"``, one text a row."""


class _Layout(NamedTuple):
    """One host's lines where certain numbers are shown."""

    key: bytes
    pieces: list[str]
    """Three a line: name, labels, number."""
    style: str
    """Formats all numbers at once, one a line."""


class Sheet:
    """The numbers of one class of devices on the pages of all hosts."""

    def __init__(
        self,
        table: Callable[[], Table],
        series: Sequence[Series],
        hosts: Mapping[str, Lines],
        blanks: Mapping[str, str] | None = None,
    ) -> None:
        """Lays nothing out yet.

        Args:
            table: the class as of the last tick.
            series: in the order of the page; those whose metric the table lacks are left out.
            hosts: by name.
            blanks: what is written for a metric that a device here has no reading of; its line is
                left out without.
        """
        self._table = table
        columns = table().columns
        self.series = tuple(one for one in series if one.metric in columns)
        self._blanks = [(blanks or {}).get(one.metric, "") for one in self.series]
        self._whole = np.array([one.style == WHOLE for one in self.series], dtype=np.bool_)
        self._lines = dict(hosts)
        self._rows = np.concatenate([one.rows for one in hosts.values()] or [_NO_ROWS])
        ends = np.cumsum([len(one.rows) for one in hosts.values()])
        starts = ends - [len(one.rows) for one in hosts.values()]
        self._slices = {
            host: slice(int(start), int(end))
            for host, start, end in zip(hosts, starts, ends, strict=True)
        }
        self._layouts: dict[str, _Layout] = {}
        self._read: Table | None = None
        self._values: Floats = np.zeros((0, 0))
        self._shown: NDArray[np.bool_] = np.zeros((0, 0), dtype=np.bool_)

    def text(self, host: str) -> str:
        """The lines of a host; empty where nothing on it answers."""
        place = self._slices.get(host)
        if place is None:
            return ""
        self._convert()
        shown = self._shown[:, place]
        layout = self._layout(host, shown)
        if not layout.pieces:
            return ""
        numbers = self._values[:, place][shown]
        blank = np.flatnonzero(np.isnan(numbers))
        if len(blank):
            numbers = np.where(np.isnan(numbers), 0.0, numbers)
        texts = (layout.style % tuple(numbers.tolist())).split("\n")
        if len(blank):
            of_line = np.nonzero(shown)[0]
            for at in blank:
                texts[at] = self._blanks[of_line[at]]
        layout.pieces[2::3] = texts
        return "".join(layout.pieces)

    def _convert(self) -> None:
        """All numbers of this tick in the exporter's units, (series, rows)."""
        table = self._table()
        if table is self._read:
            return
        values = np.array(
            [(table[one.metric][self._rows] - one.offset) / one.scale for one in self.series]
        ).reshape(len(self.series), len(self._rows))
        values[self._whole] = np.rint(values[self._whole])
        self._shown = ~np.isnan(values)
        self._shown[[bool(blank) for blank in self._blanks]] = True
        self._shown &= table.present[self._rows]
        self._values, self._read = values, table

    def _layout(self, host: str, shown: NDArray[np.bool_]) -> _Layout:
        known, key = self._layouts.get(host), shown.tobytes()
        if known is None or known.key != key:
            known = self._layouts[host] = self._lay_out(key, self._lines[host].labels, shown)
        return known

    def _lay_out(self, key: bytes, labels: Sequence[str], shown: NDArray[np.bool_]) -> _Layout:
        pieces: list[str] = []
        styles: list[str] = []
        family = ""
        for one, devices in zip(self.series, shown, strict=True):
            for at in np.flatnonzero(devices).tolist():
                head = f"# HELP {one.name} {one.about}\n# TYPE {one.name} {one.kind}\n"
                begin = head if one.name != family else ""
                family = one.name
                every = ",".join(text for text in (one.labels, labels[at]) if text)
                pieces += [f"\n{begin}{one.name}", f"{{{every}}} ", ""]
                styles.append(one.style)
        return _Layout(key, pieces, "\n".join(styles))


_NO_ROWS: Rows = np.zeros(0, dtype=np.intp)


def page(*parts: str) -> str:
    """A page of several sheets' lines; empty where none has any."""
    text = "".join(parts)
    return text.removeprefix("\n") + "\n" if text else ""
