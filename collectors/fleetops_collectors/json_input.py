"""JSON of other people: one document or one a line, bounded, with errors that say where."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

import orjson

from fleetops.core.errors import InputError

Json = dict[str, Any]
MAX_FILE_BYTES = 256 * 1024 * 1024
LONGEST_INTEGER = len("-18446744073709551615")
_GAP = re.compile(r"[ \t\r\n,]*")


def parse_json(data: bytes, where: str) -> object:
    """One JSON document; bare NaN and infinities, which some writers leave, pass as floats.

    Raises:
        InputError: it is none.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass  # the other parser takes what this one refuses: NaN, numbers of hundreds of digits
    try:
        return json.loads(data, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        what = f"{error}" if data.strip() else "it is empty"
        raise InputError(f"{where}: no JSON: {what}; check that it is the whole capture") from error


def parse_documents(data: bytes, where: str) -> list[object]:
    """The documents in a capture: a JSON array's members, one document, or one a line.

    Raises:
        InputError: it is no JSON.
    """
    try:
        found = parse_json(data, where)
    except InputError as whole:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2:  # noqa: PLR2004 (one line was the whole)
            raise
        try:
            return [parse_json(line, where) for line in lines]
        except InputError:
            return _concatenated(data, whole)
    return found if isinstance(found, list) else [found]


def _concatenated(data: bytes, whole: InputError) -> list[object]:
    """Documents that stand behind one another, each over several lines."""
    text = data.decode("utf-8", "replace")
    decoder, found, at = json.JSONDecoder(parse_int=_integer), [], _past_gap(text, 0)
    while at < len(text):
        try:
            document, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise whole from None
        found.append(document)
        at = _past_gap(text, end)
    return found


def _past_gap(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    return match.end() if match else at


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def read_file(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """A file's content.

    Raises:
        InputError: it cannot be read, or is longer than ``max_bytes``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; mend the path") from error
    if len(data) > max_bytes:
        raise InputError(f"{path}: longer than {max_bytes} bytes; cut it into parts")
    return data
