"""``fleetops collect once``: read the configured targets once and show what they gave."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any

import typer

from fleetops.cli.context import CliContext
from fleetops.cli.decode import READINGS, reading_dict
from fleetops.cli.output import ExitCode, Format, FormatOption, say
from fleetops.core.clock import SystemClock
from fleetops.core.errors import ConfigError, FleetOpsError
from fleetops_collectors.base import Collector, Scrape, Target
from fleetops_collectors.collector_config import ConfiguredCollector, parse_collectors

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Read targets."""


@app.command()
def once(
    context: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(help="Collectors to run, by name; all by default.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Targets to read, by name; all by default.")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Read the configured targets once, send nothing anywhere. 3: some failed; 1: all did."""
    cli: CliContext = context.obj
    configured = [
        one
        for one in parse_collectors(cli.config.collectors)
        if not only or one.config.name in only
    ]
    if not configured:
        raise ConfigError("no collector to run; the configuration's `collectors` names them")
    results = asyncio.run(_read_all(configured, set(target or ())))
    scrapes = [result for result in results if isinstance(result, Scrape)]
    _show(scrapes, output)
    failed = len(results) - len(scrapes)
    say(f"{len(scrapes)} targets read, {failed} failed")
    if failed:
        raise SystemExit(ExitCode.PARTIAL if scrapes else ExitCode.FAILED)


async def _read_all(
    configured: list[ConfiguredCollector], wanted: set[str]
) -> list[Scrape | FleetOpsError]:
    results: list[Scrape | FleetOpsError] = []
    for one in configured:
        collector = one.collector_class.create(one.config, SystemClock())
        slots = asyncio.Semaphore(one.config.concurrency)
        targets = [target for target in one.config.targets if not wanted or target.name in wanted]
        try:
            results += await asyncio.gather(
                *(
                    _read(collector, target, slots, one.config.deadline_seconds)
                    for target in targets
                )
            )
        finally:
            await collector.close()
    return results


async def _read(
    collector: Collector, target: Target, slots: asyncio.Semaphore, deadline_seconds: float
) -> Scrape | FleetOpsError:
    async with slots:
        try:
            async with asyncio.timeout(deadline_seconds):
                scrape = await collector.collect(target)
        except FleetOpsError as error:
            say(f"fleetops: {collector.protocol} {target.name}: {error}")
            return error
        except TimeoutError:
            late = FleetOpsError(f"no answer within deadline_seconds = {deadline_seconds:g}")
            say(f"fleetops: {collector.protocol} {target.name}: {late}")
            return late
    for warning in scrape.warnings:
        say(f"{collector.protocol} {target.name}: {warning}")
    return scrape


def _show(scrapes: list[Scrape], output: Format) -> None:
    readings = [reading for scrape in scrapes for reading in scrape.readings]
    if output is not Format.JSON:
        READINGS.show(readings, output)
        for scrape in scrapes:
            for event in scrape.events:
                say(f"{scrape.target.name}: {event.time:%H:%M:%S} {event.kind}: {event.text}")
        return
    found: list[dict[str, Any]] = [
        {
            "target": scrape.target.name,
            "observed_at": scrape.observed_at.isoformat(),
            "readings": [reading_dict(one) for one in scrape.readings],
            "events": [event.model_dump(mode="json") for event in scrape.events],
            "nodes": [node.model_dump(mode="json") for node in scrape.nodes],
            "jobs": [job.model_dump(mode="json") for job in scrape.jobs],
            "warnings": scrape.warnings,
        }
        for scrape in scrapes
    ]
    sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
