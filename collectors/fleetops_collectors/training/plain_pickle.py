"""A pickle read as plain data: dicts, lists, tuples, texts, numbers, truth values and None.

A pickle is a program, and unpickling an untrusted one runs it. This reader knows none of the
instructions that name, import, call or build anything, so there is nothing to run; PyTorch's dumps
(``c10d::pickle_str``: plain containers, protocol 2) have no need of them.
"""

from __future__ import annotations

import io
import pickletools
from typing import Any

from fleetops.core.errors import InputError

_CONSTANTS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    )
)
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_MARK = object()
_EMPTY: dict[str, type[list[Any]] | type[dict[Any, Any]]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_WORDS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MEMORY = frozenset(
    ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
)
_GATHERING = frozenset(
    ("MARK", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "TUPLE", "LIST", "DICT"),
)
_KNOWN = frozenset(
    (*_CONSTANTS, *_WORDS, *_EMPTY, *_TUPLES, *_MEMORY, *_GATHERING, "PROTO", "FRAME")
)


def read_pickle(data: bytes) -> Any:  # noqa: ANN401 (whatever plain data it holds)
    """The data in a pickle.

    Raises:
        InputError: it is none, is cut off, or holds more than plain data.
    """
    reader = _Reader()
    stream = io.BytesIO(data)
    try:
        while code := stream.read(1):
            opcode = _OPCODES.get(code)
            name = opcode.name if opcode else f"opcode {code!r}"
            if name == "STOP":
                return reader.stack[-1]
            if name not in _KNOWN or opcode is None:
                raise InputError(
                    f"byte {stream.tell() - 1}: the pickle asks for {name}; only plain data is read"
                )
            reader.take(name, opcode.arg.reader(stream) if opcode.arg else None)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"no complete pickle: {error}") from error
    raise InputError("no complete pickle: it has no end")


class _Reader:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def take(self, name: str, argument: Any) -> None:  # noqa: ANN401
        """Carries out one instruction of those that are known."""
        if name in _CONSTANTS:
            self.stack.append(argument)
        elif name in _WORDS:
            self.stack.append(_WORDS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self._join(_TUPLES[name])
        elif name in _MEMORY:
            self._remember(name, argument)
        elif name in _GATHERING:
            self._gather(name)

    def _remember(self, name: str, argument: int) -> None:
        if name == "MEMOIZE":
            self._memory[len(self._memory)] = self.stack[-1]
        elif name.endswith("PUT"):
            self._memory[argument] = self.stack[-1]
        else:
            self.stack.append(self._memory[argument])

    def _gather(self, name: str) -> None:
        """Instructions about what stands above the last mark, or on top."""
        if name == "MARK":
            self.stack.append(_MARK)
        elif name == "APPEND":
            self._extend([self.stack.pop()])
        elif name == "APPENDS":
            self._extend(self._above_mark())
        elif name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            self._update([key, value])
        elif name == "SETITEMS":
            self._update(self._above_mark())
        elif name == "TUPLE":
            self.stack.append(tuple(self._above_mark()))
        elif name == "LIST":
            self.stack.append(self._above_mark())
        else:
            items = self._above_mark()
            self.stack.append({})
            self._update(items)

    def _above_mark(self) -> list[Any]:
        for position in range(len(self.stack) - 1, -1, -1):
            if self.stack[position] is _MARK:
                items = self.stack[position + 1 :]
                del self.stack[position:]
                return items
        raise ValueError("a mark is missing")

    def _join(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("too few values for a tuple")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("values for a list stand on none")
        self.stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("values for a dict stand on none")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int, float)):  # hashing a deep tuple has no bottom
                raise TypeError(f"{type(key).__name__} as a key")
            self.stack[-1][key] = value
