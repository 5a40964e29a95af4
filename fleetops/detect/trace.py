"""Reading recorded traces of training jobs: one row an operation, made arrays by step and worker.

The shape is that of the traces published with ByteDance's what-if study (OSDI 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fleetops.core.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
REQUIRED = ("dp_rank", "stage", "step", "optype", "start_ts", "duration")
MAX_ROWS = 200_000_000
PIPELINE_OPERATIONS = ("send", "recv")


@dataclass(frozen=True, slots=True)
class TraceSteps:
    """A trace by step and worker. Workers are sorted by stage, then data-parallel rank."""

    numbers: Ints
    """(steps,) the steps' own numbers, ascending."""
    stage: Ints
    """(workers,)"""
    dp_rank: Ints
    """(workers,)"""
    ranks: tuple[tuple[int, ...], ...]
    """By worker, the global ranks recorded."""
    compute_seconds: Floats
    """(steps, workers) time in forward and backward computing; NaN where nothing was recorded."""
    step_seconds: Floats
    """(steps,) from the first operation's start to the last one's end."""
    passes: int
    """Forward computations of a worker in a step: microbatches times virtual stages."""
    overhead_seconds: float
    """Operations once a step beside the pipeline: each at its shortest worker's time, since the
    last to arrive at a collective waits for nobody."""


def read_trace(trace: Path | str | pa.Table) -> TraceSteps:
    """A trace as arrays by step and worker.

    Raises:
        InputError: it cannot be read, lacks a column, or holds no computing.
    """
    table = trace if isinstance(trace, pa.Table) else _load(Path(trace))
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise InputError(
            f"no column {', '.join(missing)}; a job trace has {', '.join(REQUIRED)}, one row an "
            "operation"
        )
    if table.num_rows > MAX_ROWS:
        raise InputError(f"{table.num_rows} rows; the limit is {MAX_ROWS}: cut the trace by step")
    columns = {name: _numbers(table, name) for name in REQUIRED if name != "optype"}
    optype = table.column("optype").cast(pa.string()).to_numpy(zero_copy_only=False)
    good = np.all([np.isfinite(values) for values in columns.values()], axis=0)
    good &= columns["duration"] >= 0
    kinds = np.asarray(optype, dtype=str)[good]
    columns = {name: values[good] for name, values in columns.items()}
    is_compute = np.char.endswith(kinds, "compute")
    if not is_compute.any():
        raise InputError(
            "no operation is computing; optype should hold forward-compute and backward-compute"
        )
    return _arrange(columns, kinds, is_compute, _rank_column(table, good))


def _load(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            wanted = [*REQUIRED, "rank", "mb_id"]
            there = [name for name in wanted if name in file.schema_arrow.names]
            if file.metadata.num_rows > MAX_ROWS:
                raise InputError(f"{path}: more than {MAX_ROWS} rows; cut the trace by step")
            return file.read(columns=there)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: no Parquet file that can be read: {error}") from error


def _numbers(table: pa.Table, name: str) -> Floats:
    try:
        return np.asarray(
            table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"column {name} holds no numbers: {error}") from error


def _rank_column(table: pa.Table, good: npt.NDArray[np.bool_]) -> Floats | None:
    return _numbers(table, "rank")[good] if "rank" in table.column_names else None


def _arrange(
    columns: Mapping[str, Floats],
    kinds: npt.NDArray[np.str_],
    is_compute: npt.NDArray[np.bool_],
    rank: Floats | None,
) -> TraceSteps:
    numbers, step = np.unique(columns["step"].astype(np.int64), return_inverse=True)
    pair = np.stack([columns["stage"], columns["dp_rank"]], axis=1).astype(np.int64)
    pairs, worker = np.unique(pair, axis=0, return_inverse=True)
    worker = worker.reshape(-1)
    shape = (len(numbers), len(pairs))
    cell = step * shape[1] + worker
    seconds = np.bincount(
        cell[is_compute], columns["duration"][is_compute], minlength=shape[0] * shape[1]
    ).reshape(shape)
    begin, end = np.full(len(numbers), np.inf), np.full(len(numbers), -np.inf)
    np.minimum.at(begin, step, columns["start_ts"])
    np.maximum.at(end, step, columns["start_ts"] + columns["duration"])
    forward = is_compute & np.char.startswith(kinds, "forward")
    passes = np.bincount(cell[forward], minlength=shape[0] * shape[1])
    ranks = tuple(
        tuple(np.unique(rank[worker == w]).astype(int).tolist()) if rank is not None else (w,)
        for w in range(len(pairs))
    )
    return TraceSteps(
        numbers=numbers,
        stage=pairs[:, 0],
        dp_rank=pairs[:, 1],
        ranks=ranks,
        compute_seconds=np.where(seconds > 0, seconds, np.nan),
        step_seconds=end - begin,
        passes=int(np.median(passes[passes > 0])) if (passes > 0).any() else 1,
        overhead_seconds=_overhead(columns["duration"], kinds, is_compute, step, len(numbers)),
    )


def _overhead(
    duration: Floats,
    kinds: npt.NDArray[np.str_],
    is_compute: npt.NDArray[np.bool_],
    step: Ints,
    steps: int,
) -> float:
    """Mean over steps of the once-a-step operations, each at its shortest worker's time."""
    total = 0.0
    for kind in np.unique(kinds[~is_compute]).tolist():
        if kind.endswith(PIPELINE_OPERATIONS):
            continue
        chosen = kinds == kind
        shortest = np.full(steps, np.inf)
        np.minimum.at(shortest, step[chosen], duration[chosen])
        total += float(np.where(np.isfinite(shortest), shortest, 0.0).mean())
    return total
