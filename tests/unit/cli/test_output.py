from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pytest
import yaml

from fleetops.cli.output import Column, Format, View, fields, printable, say, words

VIEW: View[tuple[str, str]] = View(
    "thing",
    lambda item: item[0],
    (Column("name", lambda item: item[0]), Column("note", lambda item: item[1], wide=True)),
)
ITEMS = [("a", "[red]x[/red]"), ("b", "\x1b[31mred\x1b[0m"), ("ü" * 200, "long")]


def test_documents_are_one_document_with_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    VIEW.show(ITEMS, Format.JSON, {"intent_id": "x"})
    from_json = json.loads(capsys.readouterr().out)
    VIEW.show(ITEMS, Format.YAML, {"intent_id": "x"})
    from_yaml = yaml.safe_load(capsys.readouterr().out)
    assert [*from_json] == ["version", "kind", "intent_id", "items"]
    assert (from_json["version"], from_json["kind"]) == (1, "thing_list")
    assert from_json["items"][0] == ["a", "[red]x[/red]"]
    assert from_yaml["kind"] == "thing_list"


def test_an_empty_list_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    VIEW.show([], Format.JSON)
    assert json.loads(capsys.readouterr().out)["items"] == []


def test_a_table_off_a_terminal_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    VIEW.show(ITEMS, Format.WIDE)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line.rstrip() for line in lines][1].split() == ["a", "[red]x[/red]"]
    assert "\x1b" not in out  # neither colours of ours nor escapes of the data
    assert len(lines) == 4
    assert "ü" * 200 in out
    VIEW.show(ITEMS, Format.TABLE)
    assert "NOTE" not in capsys.readouterr().out


def test_no_color_is_respected_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    fields([("state", "critical")])
    assert "\x1b[1;31mcritical" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    fields([("state", "critical")])
    assert "31m" not in capsys.readouterr().out


def test_names_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    VIEW.show(ITEMS[:2], Format.NAME)
    assert capsys.readouterr().out == "a\nb\n"


def test_what_is_said_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("look\nhere\x07")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "look here \n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ((), "-"),
        (0, "0"),
        (False, "no"),
        (("a", "b"), "a,b"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05Z"),
    ],
)
def test_values_as_people_read_them(value: object, text: str) -> None:
    assert words(value) == text
    assert printable(text) == text
