"""``fleetops analyze``: judge a recording in a file, by the detectors' own rules."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from fleetops.cli.output import Format, FormatOption, fields
from fleetops.core.errors import InputError
from fleetops.detect.job_trace import analyze_job_trace
from fleetops.evaluate.replay import read_meta

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Judge a recording."""


@app.command("job-trace")
def job_trace(
    trace: Annotated[str, typer.Argument(help="Parquet file; - is standard input.")],
    meta: Annotated[Path | None, typer.Option(help="The trace's meta-*.yaml.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Is it the hardware or the job? Names the slow workers, or the stage that is too long."""
    source = _standard_input() if trace == "-" else Path(trace)
    verdict = analyze_job_trace(source, read_meta(meta))
    if output is Format.JSON:
        sys.stdout.write(json.dumps(verdict.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return
    found = verdict.to_dict()
    found["workers"] = [worker.name for worker in verdict.workers]
    fields(found.items())


def _standard_input() -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(sys.stdin.buffer.read()))
    except pa.ArrowException as error:
        raise InputError(f"standard input: not a Parquet file: {error}") from error
