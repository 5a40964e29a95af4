r"""Paths of a gNMI tree: ``/interfaces/interface[name=Ethernet1/1]/state/oper-status``.

Rules of openconfig/reference, rpc/gnmi/gnmi-path-strings.md: in a key's value ``]`` and ``\`` are
escaped by a backslash, and a slash is no separator there. Module names before an element
(``openconfig-interfaces:``) and an origin say where the schema is from, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_PATH = 8192
"""Longest path that is read; the longest of OpenConfig's own are a few hundred."""
_MODULE = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*:")


class Elem(NamedTuple):
    """One element: its name, and its keys in order."""

    name: str
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The value of the first key, or ``""``: OpenConfig's lists here have one each."""
        return self.keys[0][1] if self.keys else ""


Path = tuple[Elem, ...]


@lru_cache(maxsize=4096)
def without_module(name: str) -> str:
    """The name without the module that defines it."""
    return _MODULE.sub("", name, count=1)


@lru_cache(maxsize=65_536)
def schema_of(path: Path) -> str:
    """The names alone: ``interfaces/interface/state/oper-status``."""
    return "/".join(elem.name for elem in path)


def parse_path(text: str) -> Path:
    """The elements of a path as people and tools write it; what is broken in it is left out."""
    return tuple(_elem(part) for part in _parts(_MODULE.sub("", text[:MAX_PATH], count=1)) if part)


def _parts(text: str) -> Iterator[str]:
    """Splits at slashes outside of brackets."""
    start, inside, escaped = 0, False, False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "[":
            inside = True
        elif char == "]":
            inside = False
        elif char == "/" and not inside:
            yield text[start:at]
            start = at + 1
    yield text[start:]


_KEY = re.compile(r"\[([^=\[\]]+)=((?:\\.|[^\]\\])*)\]")
_ESCAPED = re.compile(r"\\(.)")


def _elem(part: str) -> Elem:
    name = part.partition("[")[0]
    keys = tuple(
        (without_module(key.strip()), _unquoted(_ESCAPED.sub(r"\1", value)))
        for key, value in _KEY.findall(part[len(name) :])
    )
    return Elem(without_module(_ESCAPED.sub(r"\1", name)), keys)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
