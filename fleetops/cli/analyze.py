"""``fleetops analyze``: judge a recording in a file, by the detectors' own rules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetops.cli.output import Format, FormatOption, fields
from fleetops.detect.job_trace import analyze_job_trace
from fleetops.evaluate.recordings import naming, read_job_trace, read_meta

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
    said = read_meta(meta)
    with naming(trace):
        verdict = analyze_job_trace(read_job_trace(trace), said)
    if output is Format.JSON:
        sys.stdout.write(json.dumps(verdict.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return
    found = verdict.to_dict()
    found["workers"] = tuple(worker.name for worker in verdict.workers)
    fields(found.items())
