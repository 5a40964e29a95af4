"""Rows on their way: what is lost, late, repeated, overtaken or stamped wrongly.

Faults of telemetry change nothing in the fleet and its tables; they act where rows leave. Two paths
honour them:

* compressed runs pass their batches through :class:`Delivery`, which honours all of them;
* over the protocols, hosts whose exporter is down or whose round is lost do not answer
  (:func:`hosts_in_band`), on the shared HTTP server. A collector that is down is for whoever runs
  it to end; late, repeated and overtaken rows are a matter of the bus and happen there alone.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fleetops.emulator.model.effects import COLLECTORS
from fleetops.emulator.model.fleet import Fleet

IN_BAND = frozenset({"accelerator", "fabric_port", "training_rank"})
"""Classes that are read through the host's own operating system."""
OF_HOSTS = ("exporter_down", "rows_lost", "clock_skew_seconds")
OF_COLLECTORS = ("collector_down", "late_seconds", "duplicated", "reordered")
MICROSECONDS = 1_000_000


class Travels(Protocol):
    """What a batch goes under."""

    @property
    def device_class(self) -> str:
        """Class of the rows."""
        ...


Key = TypeVar("Key", bound=Travels)


def hosts_in_band(fleet: Fleet) -> NDArray[np.bool_]:
    """(hosts,) whether each answers in band at this tick: the same for every protocol."""
    effects = fleet.effects
    answers: NDArray[np.bool_] = effects["exporter_down"] < 1.0
    if effects.touches("rows_lost"):
        draw = _rng(fleet, 0).random(len(answers))
        answers = answers & (draw >= effects["rows_lost"])
    return answers


class Delivery(Generic[Key]):
    """Passes a fleet's batches on, as faults of telemetry let them through."""

    def __init__(self, fleet: Fleet) -> None:
        """Nothing is under way."""
        self._fleet = fleet
        self._under_way: list[tuple[int, int, Key, pa.RecordBatch]] = []
        self._count = 0

    def pass_on(
        self, taken: Iterable[tuple[Key, pa.RecordBatch]]
    ) -> Iterator[tuple[Key, pa.RecordBatch]]:
        """What arrives at this tick: of what was taken at it, and of what was under way."""
        effects = self._fleet.effects
        if any(effects.touches(name) for name in (*OF_HOSTS, *OF_COLLECTORS)):
            taken = self._disturbed(taken)
        yield from taken
        while self._under_way and self._under_way[0][0] <= self._fleet.ticks:
            _, _, key, batch = heapq.heappop(self._under_way)
            yield key, batch

    def _disturbed(
        self, taken: Iterable[tuple[Key, pa.RecordBatch]]
    ) -> Iterator[tuple[Key, pa.RecordBatch]]:
        effects, rng = self._fleet.effects, _rng(self._fleet, 1)
        for key, whole in taken:
            repeats, falls_behind = rng.random(2)
            collector = COLLECTORS.index(key.device_class)
            batch = self._by_hosts(whole) if key.device_class in IN_BAND else whole
            if effects["collector_down"][collector] > 0.0 or not batch.num_rows:
                continue
            ticks = math.ceil(effects["late_seconds"][collector] / self._fleet.tick_seconds)
            ticks += int(falls_behind < effects["reordered"][collector])
            copies = 1 + int(repeats < effects["duplicated"][collector])
            for _ in range(copies):
                if not ticks:
                    yield key, batch
                    continue
                self._count += 1
                due = self._fleet.ticks + ticks
                heapq.heappush(self._under_way, (due, self._count, key, batch))

    def _by_hosts(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Without rows of hosts that do not answer; with the time that each host believes it is."""
        hosts, effects = self._fleet.site.hosts, self._fleet.effects
        silent = [hosts[host] for host in np.flatnonzero(~hosts_in_band(self._fleet))]
        column = batch.column("host").cast(pa.string())
        if silent:
            answers = pc.invert(pc.is_in(column, value_set=pa.array(silent, pa.string())))
            batch, column = batch.filter(answers), column.filter(answers)
        for host in np.flatnonzero(effects["clock_skew_seconds"]):
            skew = timedelta(seconds=float(effects["clock_skew_seconds"][host]))
            stamps = batch.column("ts")
            wrong = pc.add(stamps, pa.scalar(skew, pa.duration(stamps.type.unit)))
            own = pc.equal(column, hosts[host])
            at = batch.schema.get_field_index("ts")
            stamped = pc.if_else(own, wrong, stamps)
            batch = batch.set_column(at, batch.schema.field(at), stamped)
        return batch


def _rng(fleet: Fleet, stream: int) -> np.random.Generator:
    """Of a tick, apart from the model's own chance."""
    return np.random.default_rng([fleet.options.seed, fleet.ticks, stream])
