"""``fleetops dead-letter``: messages that were put aside. Works on the bus itself, not the API."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from fleetops.bus.base import Bus
from fleetops.bus.dead_letter import (
    DeadLetter,
    get_dead_letter,
    list_dead_letters,
    replay_dead_letters,
)
from fleetops.cli import output as out
from fleetops.cli.context import CliContext
from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View
from fleetops.cli.request import YesOption, confirmed
from fleetops_schemas.topics import DEAD_LETTER

app = typer.Typer(no_args_is_help=True)
SHOWN_BYTES = 64 * 1024
T = TypeVar("T")

LETTERS: View[DeadLetter] = View(
    "dead_letter",
    lambda letter: letter.id,
    (
        Column("id", lambda letter: letter.id),
        Column("time", lambda letter: letter.time),
        Column("topic", lambda letter: letter.topic),
        Column("partition", lambda letter: letter.partition, wide=True),
        Column("offset", lambda letter: letter.offset, wide=True),
        Column("key", lambda letter: letter.key),
        Column("bytes", lambda letter: letter.size_bytes),
        Column("reason", lambda letter: letter.reason),
    ),
)


@app.command("list")
def list_letters(
    context: typer.Context,
    topic: Annotated[str | None, typer.Option(help="Only those from this topic.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most to show.")] = 100,
    output: FormatOption = Format.TABLE,
) -> None:
    """List dead letters, newest first, each with why and from where."""
    nothing: list[DeadLetter] = []
    letters = _on_bus(context, lambda bus: list_dead_letters(bus, limit, topic), nothing)
    LETTERS.show(letters, output)


@app.command()
def show(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a dead letter.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the message's bytes alone.")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show one dead letter with its content."""
    cli: CliContext = context.obj
    with cli.bus() as bus:
        letter = get_dead_letter(bus, letter_id)
    if raw:
        sys.stdout.buffer.write(letter.value)
    elif output in {Format.JSON, Format.YAML}:
        encoded = base64.b64encode(letter.value).decode()
        item = {**letter.model_dump(mode="json"), "value_base64": encoded}
        out.document(LETTERS.kind, {"item": item}, output)
    else:
        LETTERS.show_one(letter, output, _tell)


@app.command()
def replay(
    context: typer.Context,
    letter_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of dead letters.")],
    yes: YesOption = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Send dead letters back to the topics they came from, once what was wrong is mended."""
    cli: CliContext = context.obj
    with cli.bus() as bus:
        for letter_id in letter_ids:
            letter = get_dead_letter(bus, letter_id)
            out.say(f"{letter.id}: {letter.size_bytes} bytes to {letter.topic}")
        if not (yes or confirmed("send them?")):
            raise typer.Exit(ExitCode.FAILED)
        sent = replay_dead_letters(bus, letter_ids)
    LETTERS.show(sent, output)


def _on_bus(context: typer.Context, read: Callable[[Bus], T], nothing: T) -> T:
    """What ``read`` finds; ``nothing`` on a bus that never had a dead letter."""
    cli: CliContext = context.obj
    with cli.bus() as bus:
        return read(bus) if DEAD_LETTER.name in bus.topics() else nothing


def _tell(letter: DeadLetter) -> None:
    out.fields(
        (
            ("dead letter", letter.id),
            ("time", letter.time),
            ("reason", letter.reason),
            ("from", f"{letter.topic} partition {letter.partition} offset {letter.offset}"),
            ("key", letter.key),
            ("headers", [f"{name}={value}" for name, value in letter.headers.items()]),
            ("bytes", letter.size_bytes),
        )
    )
    out.heading("content")
    try:
        lines = letter.value[:SHOWN_BYTES].decode().splitlines()
    except UnicodeDecodeError:
        lines = ["not text; --raw writes the bytes, -o json gives them in base64"]
    out.write_lines(lines)
