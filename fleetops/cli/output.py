"""What commands print: data alone on stdout, everything else on stderr; and their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Generic, TypeVar

import typer
import yaml
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

VERSION = 1
"""Of the documents that ``-o json|yaml`` prints; raised when a key is renamed or removed."""
UNBOUNDED = 100_000
"""Width where nobody looks: a file or a pipe gets whole lines."""
STYLES: Mapping[str, str] = {
    "critical": "bold red",
    "warning": "yellow",
    "failed": "bold red",
    "refused": "red",
    "refuse": "red",
    "ask": "yellow",
    "down": "bold red",
    "draining": "yellow",
    "drained": "yellow",
    "pending_approval": "yellow",
    "done": "green",
    "allow": "green",
}
T = TypeVar("T")


class ExitCode(IntEnum):
    """Of every command (docs/cli.md)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    """Done for some nodes only."""
    REFUSED = 4
    """By the policy, by ownership, or for want of rights."""
    TIMED_OUT = 5
    """Still running."""


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="How to print.", show_choices=True)
]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table."""

    title: str
    value: Callable[[T], object]
    wide: bool = False
    """Shown with ``-o wide`` only."""


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """How things of one kind are printed."""

    kind: str
    """Names the kind in documents: ``node``, ``incident`` ..."""
    name: Callable[[T], str]
    columns: Sequence[Column[T]]

    def show(
        self, items: Sequence[T], output: Format, extra: Mapping[str, object] | None = None
    ) -> None:
        """Prints a list; ``extra`` goes into documents only."""
        if output in {Format.JSON, Format.YAML}:
            document(f"{self.kind}_list", {**(extra or {}), "items": [*map(plain, items)]}, output)
        elif output is Format.NAME:
            write_lines(self.name(item) for item in items)
        else:
            shown = [c for c in self.columns if output is Format.WIDE or not c.wide]
            rows = [[column.value(item) for column in shown] for item in items]
            table([column.title for column in shown], rows)

    def show_one(self, item: T, output: Format, tell: Callable[[T], None]) -> None:
        """Prints one thing; ``tell`` prints it for people."""
        if output in {Format.JSON, Format.YAML}:
            document(self.kind, {"item": plain(item)}, output)
        elif output is Format.NAME:
            write_lines([self.name(item)])
        else:
            tell(item)


def document(kind: str, content: Mapping[str, object], output: Format) -> None:
    """Prints one JSON or YAML document."""
    whole = {"version": VERSION, "kind": kind, **content}
    if output is Format.JSON:
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table: plain columns, coloured on a terminal only."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        made.add_column(title.upper(), overflow="fold")
    for row in rows:
        made.add_row(*map(cell, row))
    _print(made)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Prints named values below each other, without the empty ones."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", ()):
            made.add_row(f"{name}:", cell(value))
    _print(made)


def _print(made: Table) -> None:
    """Prints a table; off a terminal without the blanks that fill its last column."""
    out = console()
    with out.capture() as captured:
        out.print(made)
    text = captured.get()
    if not sys.stdout.isatty():
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    sys.stdout.write(text)


def part(title: str, titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table under a heading; nothing where there are no rows."""
    if rows:
        heading(title)
        table(titles, rows)


def heading(text: str) -> None:
    """Prints a heading between parts."""
    console().print(Text(f"\n{text}", style="bold"))


def write_lines(lines: Iterable[str]) -> None:
    """Prints one a line."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def say(text: str) -> None:
    """Tells people something, on stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def console() -> Console:
    """Rich on stdout: no colour off a terminal or under NO_COLOR, and there no line is cut."""
    return Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else UNBOUNDED,
        highlight=False,
        markup=False,
        soft_wrap=False,
    )


def cell(value: object) -> Text:
    """A value as people read it."""
    text = words(value)
    return Text(text, style=STYLES.get(text, ""))


def words(value: object) -> str:
    """A value in one printable line; "-" stands for nothing."""
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ",".join(map(words, value))
    return printable(str(value))


def printable(text: str) -> str:
    """The text without what could steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def plain(item: object) -> Any:  # noqa: ANN401 - whatever JSON takes
    """A model as JSON's types."""
    return item.model_dump(mode="json") if isinstance(item, BaseModel) else item
