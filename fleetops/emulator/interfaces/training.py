"""The jobs' own reports: Prometheus text of the ranks on a host, ``GET /nodes/HOST/training``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from typing_extensions import override

from fleetops.emulator.interfaces.base import Carried, Selection, Surroundings
from fleetops.emulator.interfaces.exporter import ExporterInterface
from fleetops.emulator.interfaces.exposition import WHOLE, Lines, Series, Sheet, page
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.platforms import Interface

DEVICE_CLASS = "training_rank"
MICROSECONDS = "%.6f"
"""How seconds are written: as exactly as the table has them."""


def _series() -> tuple[Series, ...]:
    return tuple(
        Series.of(metric, source, style=WHOLE if metric.type.is_integer else MICROSECONDS)
        for metric in load_catalog()[DEVICE_CLASS].metrics
        for source in metric.sources.get("training", ())
    )


class TrainingInterface(ExporterInterface):
    """What the jobs that train report, by the hosts that they run on.

    A job's port is open while one of its ranks runs on the host.
    """

    interface: ClassVar[Interface] = Interface.TRAINING
    path: ClassVar[str] = "training"
    name: ClassVar[str] = "training"

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Ranks never move: their labels are prepared once."""
        super().__init__(surroundings, selection)
        self._lines = self._lines_by_host()
        self._sheet = (
            Sheet(lambda: self.table(DEVICE_CLASS), _series(), self._lines) if self._lines else None
        )

    @override
    def carries(self) -> Mapping[str, Carried]:
        if self._sheet is None:
            return {}
        rows = np.sort(np.concatenate([one.rows for one in self._lines.values()]))
        return {DEVICE_CLASS: Carried(rows, tuple(one.metric for one in self._sheet.series))}

    @override
    def serves(self, host: str) -> bool:
        return host in self._lines

    @override
    def text(self, host: str) -> str:
        return page(self._sheet.text(host)) if self._sheet is not None else ""

    def _lines_by_host(self) -> dict[str, Lines]:
        tables = self.surroundings.fleet.tables
        if DEVICE_CLASS not in tables:
            return {}
        table = tables[DEVICE_CLASS]
        rows: dict[str, list[int]] = {}
        for row in self.rows_of_hosts(DEVICE_CLASS):
            rows.setdefault(table.roster.hosts[row], []).append(row)
        jobs, ranks = table.labels["job"], table["rank"]
        return {
            host: Lines(
                np.array(of_host, dtype=np.intp),
                tuple(
                    f'job="{jobs[row]}",host="{host}",rank="{int(ranks[row])}"' for row in of_host
                ),
            )
            for host, of_host in rows.items()
        }
