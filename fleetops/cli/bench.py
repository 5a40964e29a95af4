"""``fleetops bench``: what this machine does, as ratios against a baseline in the same run."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer
from pydantic import BaseModel

app = typer.Typer(no_args_is_help=True)
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o")]

INGEST_TEXT = """\
ingest, from the bus to queryable, embedded line
  data        synthetic, DCGM-shaped (seeded): {rows:,} rows of {metrics} metrics,
              {samples:,} samples
  messages    {messages:,}, Arrow with zstd, {rows_per_message} accelerators each, a tick every 10 s
  counted     poll, decode, validate by mask, insert, roll up ({rollup_rows:,} one-minute rows),
              commit, and chDB's own merges meanwhile: CPU time of the whole process until a
              query counts every row
  ours        {samples_per_second_per_core:,.0f} samples/s/core
              ({cpu_seconds:.2f} CPU-s, {wall_seconds:.2f} s)
  wire, disk  {wire_bytes_per_sample:.2f} and {disk_bytes_per_sample:.2f} bytes a sample
  baseline    {baseline_samples_per_second_per_core:,.0f} samples/s/core
              on {baseline_samples:,} samples: a JSON message and a pydantic model a sample, one
              long table
  wire, disk  {baseline_wire_bytes_per_sample:.1f} and {baseline_disk_bytes_per_sample:.2f} bytes
  ratio       {ratio_to_baseline:,.0f} times the baseline
"""
PEERS_TEXT = """\
peers, every accelerator against its job
  data        synthetic (seeded): {accelerators:,} accelerators x {metrics} metrics
              x {ticks} ticks of 10 s
  counted     five-minute mean of each ({mean_seconds:.3f} s), robust z among 1,024 peers
              ({score_seconds:.3f} s)
  ours        {seconds:.3f} s, {cpu_seconds:.3f} CPU-s, fastest of three
  baseline    {baseline_seconds:.2f} s for {baseline_accelerators:,} accelerators with pandas over
              a long table, same scores
  ratio       {ratio_to_baseline:,.0f} times faster a sample
"""
COLLECT_HEAD = """\
collect, one core of the collecting process; targets answer from a process of their own
  counted     CPU time of this process; published figures were measured elsewhere: a scale, no race
"""
RATE_TEXT = """\
  {name}
    ours      {per_second_per_core:,.0f} {unit}/s/core
    baseline  {baseline_per_second_per_core:,.0f} ({baseline}); {ratio_to_baseline:.1f} times
    published {published}
"""
STEP_TEXT = """\
  StepReporter, of the training job's own time; the listener is another process
    ours      report: {burst_p50_us:.1f} us back to back, {report_p50_us:.1f} us with cold caches,
              {absent_p50_us:.1f} us where nobody listens
              (medians of {calls:,}; with cold caches p99 {report_p99_us:.0f} us)
              step with three phases: {step_p50_us:.1f} us
    published Greyhound (ATC 2025) slows a job by 0.39 % on average; 30 us of a step of 4 s are
              0.0008 %
"""
EMULATOR_TEXT = """\
emulator, compressed time, one core
  data        {hosts:,} hosts of {cluster} at a cadence of 60 s, {ticks} ticks:
              {rows:,} rows, {samples:,} samples
  topology    {accelerators_of_cluster:,} accelerators with hosts, racks and links laid out in
              {topology_seconds:.2f} s
  ours        {node_days_per_minute:,.0f} node-days a minute as record batches,
              {node_days_per_minute_on_bus:,.0f} onto the local bus
              ({bytes_per_sample:.2f} bytes a sample, {megabytes:,.0f} MiB at most)
"""
SERVED_TEXT = """\
emulator, real time, over the protocols
  data        {hosts:,} hosts of {cluster} every {tick_seconds:g} s: {interfaces} collectors,
              {targets:,} targets, for {measured_seconds:.0f} s
  ours        {cpu_cores:.2f} cores and {megabytes:,.0f} MiB of the emulating process for
              {rows_per_second:,.0f} rows/s; {failed_targets} targets down
              (the collecting process: {collector_cores:.2f} cores)
"""
FLEET_TEXT = """\
  one process, {hosts:,} hosts of 8 accelerators over HTTP every {interval_seconds:g} s
    ours      {samples_per_second:,.0f} samples/s with {cpu_cores:.2f} cores and
              {megabytes:,.0f} MiB at most, the bus included;
              {rounds:,} rounds, {late_rounds} late, {failed} failed
    wire      {bytes_per_sample:.2f} bytes a sample on the bus
    published {published}
"""


@app.command()
def ingest(
    devices: Annotated[int, typer.Option(min=512, help="Accelerators.")] = 32_768,
    ticks: Annotated[int, typer.Option(min=6, help="Scrapes of each.")] = 15,
    output: Output = "text",
) -> None:
    """Samples a second a core from the bus to queryable, and bytes a sample."""
    from fleetops.evaluate.bench_ingest import bench_ingest  # noqa: PLC0415  imports chDB

    result = bench_ingest(devices=devices, ticks=ticks)
    _print(result, INGEST_TEXT, output, metrics=result.samples // result.rows)


@app.command()
def peers(
    accelerators: Annotated[int, typer.Option(min=2048)] = 100_000, output: Output = "text"
) -> None:
    """Time to compare every accelerator with its peers over five minutes."""
    from fleetops.evaluate.bench_peers import bench_peers  # noqa: PLC0415  imports pandas

    _print(bench_peers(accelerators), PEERS_TEXT, output)


@app.command()
def collect(
    seconds: Annotated[float, typer.Option(min=0.1, help="CPU seconds a protocol.")] = 2.0,
    hosts: Annotated[int, typer.Option(min=1, help="Hosts of the fleet.")] = 3000,
    interval: Annotated[float, typer.Option(min=1, help="Seconds between scrapes.")] = 30.0,
    output: Output = "text",
) -> None:
    """What one core reads and decodes of each protocol, and what a large fleet costs."""
    from fleetops.evaluate.bench_collect import bench_collect  # noqa: PLC0415

    result = bench_collect(seconds, hosts, interval)
    if output == "json":
        sys.stdout.write(result.model_dump_json(indent=2) + "\n")
        return
    sys.stdout.write(COLLECT_HEAD)
    for one in result.rates:
        sys.stdout.write(RATE_TEXT.format(**one.model_dump()))
    sys.stdout.write(STEP_TEXT.format(**result.reporter.model_dump()))
    fleet = result.fleet
    megabytes = fleet.peak_memory_bytes / 2**20
    sys.stdout.write(FLEET_TEXT.format(**fleet.model_dump(), megabytes=megabytes))


@app.command()
def emulator(
    hosts: Annotated[int, typer.Option(min=1)] = 500,
    ticks: Annotated[int, typer.Option(min=1, help="Of compressed time.")] = 60,
    seconds: Annotated[float, typer.Option(min=0, help="Of real time; 0 leaves it out.")] = 60.0,
    cluster: Annotated[str, typer.Option(help="See `fleetops emulate --list`.")] = "llm_roce_32k",
    output: Output = "text",
) -> None:
    """Node-days a minute in compressed time, and cores for a fleet over its protocols."""
    from fleetops.evaluate.bench_emulator import bench_emulator  # noqa: PLC0415
    from fleetops.evaluate.bench_served import bench_served  # noqa: PLC0415

    fast = bench_emulator(hosts, ticks, cluster)
    _print(fast, EMULATOR_TEXT, output, megabytes=fast.peak_memory_bytes / 2**20)
    if seconds > 0.0:
        served = bench_served(cluster, hosts, seconds=seconds)
        _print(served, SERVED_TEXT, output, megabytes=served.memory_bytes / 2**20)


def _print(result: BaseModel, text: str, output: str, **more: object) -> None:
    if output == "json":
        sys.stdout.write(result.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.write(text.format(**result.model_dump(), **more))
