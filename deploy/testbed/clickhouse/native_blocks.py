"""Native blocks as bytes: parse the protocol's scalars, step over a block without decoding it."""

# ruff: noqa: PLR2004  the numbers are those of the format

import re
from collections.abc import Callable
from functools import lru_cache

Column = tuple[str, str]  # name, type
Prefix = Callable[["Buffer"], None]
Body = Callable[["Buffer", int], None]


class UnknownType(ValueError):
    """A column type whose width this module cannot tell."""


class Buffer:
    """Bytes to parse; `more` fetches the next ones (empty: the stream has ended)."""

    def __init__(self, more: Callable[[], bytes], data: bytes = b"") -> None:
        self.more, self.data, self.pos = more, bytearray(data), 0

    def reach(self, end: int) -> None:
        """Fetches until there are so many bytes."""
        while len(self.data) < end:
            piece = self.more()
            if not piece:
                raise EOFError("connection closed")
            self.data += piece

    def skip(self, size: int) -> None:
        """Steps over bytes."""
        self.pos += size
        self.reach(self.pos)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        self.skip(size)
        return bytes(memoryview(self.data)[self.pos - size : self.pos])

    def varint(self) -> int:
        """The next whole number, seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def u64(self) -> int:
        """The next whole number of eight bytes."""
        return int.from_bytes(self.take(8), "little")

    def text(self) -> str:
        """The next text, its length before it."""
        return self.take(self.varint()).decode("utf-8", "surrogateescape")

    def forget(self) -> None:
        """Drops what was read."""
        del self.data[: self.pos]
        self.pos = 0


def varint(value: int) -> bytes:
    """A whole number as :meth:`Buffer.varint` reads it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def text(value: str) -> bytes:
    """A text as :meth:`Buffer.text` reads it."""
    raw = value.encode("utf-8", "surrogateescape")
    return varint(len(raw)) + raw


WIDTHS = {
    1: "Int8 UInt8 Bool Enum8 Nothing",
    2: "Int16 UInt16 Enum16 Date BFloat16",
    4: "Int32 UInt32 Float32 Date32 DateTime IPv4 Decimal32 Time",
    8: "Int64 UInt64 Float64 DateTime64 Decimal64 Time64",
    16: "Int128 UInt128 UUID IPv6 Decimal128",
    32: "Int256 UInt256 Decimal256",
}
WIDTH = {name: width for width, names in WIDTHS.items() for name in names.split()}
ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}


def split_args(inside: str) -> list[str]:
    """Top-level comma-separated parts, quotes and parentheses respected."""
    parts: list[str] = []
    depth = start = 0
    for found in re.finditer(r"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[(),]", inside):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == "," and depth == 0:
            parts.append(inside[start : found.start()].strip())
            start = found.end()
    return [*parts, inside[start:].strip()]


@lru_cache(maxsize=4096)
def measure(type_: str) -> tuple[Prefix, Body]:  # noqa: PLR0911  one return a kind of type
    """How to step over a column of this type: its state prefix, then n values."""
    name, _, inside = ALIASES.get(type_, type_).partition("(")
    args = split_args(inside[:-1]) if inside else []
    if name == "String":
        return _no_prefix, _strings
    if name == "Nullable":
        prefix, body = measure(args[0])
        return prefix, _both(lambda b, n: b.skip(n), body)
    if name == "LowCardinality":
        bare = re.sub(r"^Nullable\((.*)\)$", r"\1", args[0])
        return lambda b: b.skip(8), _low_cardinality(measure(bare)[1])
    if name in ("Array", "Map", "Nested"):
        prefix, body = measure(args[0] if name == "Array" else f"Tuple({inside}")
        return prefix, _array(body)
    if name == "Tuple":
        return _tuple([measure(_unnamed(arg)) for arg in args if arg])
    if name == "SimpleAggregateFunction":
        return measure(args[1])
    width = _width(name, args)
    if not width:
        raise UnknownType(type_)
    return _no_prefix, lambda b, n: b.skip(width * n)


def _width(name: str, args: list[str]) -> int:
    if name == "FixedString":
        return int(args[0])
    if name == "Decimal":
        return next(
            width
            for digits, width in ((9, 4), (18, 8), (38, 16), (76, 32))
            if int(args[0]) <= digits
        )
    return 8 if name.startswith("Interval") else WIDTH.get(name, 0)


def _no_prefix(_: Buffer) -> None:
    """Most types have no state prefix."""


def _both(first: Body, second: Body) -> Body:
    def body(b: Buffer, n: int) -> None:
        first(b, n)
        second(b, n)

    return body


def _array(items: Body) -> Body:
    def body(b: Buffer, n: int) -> None:
        if n:  # n offsets; the last one is the number of items
            b.skip(8 * (n - 1))
            items(b, b.u64())

    return body


def _tuple(parts: list[tuple[Prefix, Body]]) -> tuple[Prefix, Body]:
    def prefix(b: Buffer) -> None:
        for part, _ in parts:
            part(b)

    def body(b: Buffer, n: int) -> None:
        for _, part in parts:
            part(b, n)
        if not parts:
            b.skip(n)

    return prefix, body


def _low_cardinality(keys: Body) -> Body:
    def body(b: Buffer, n: int) -> None:
        while n > 0:
            flags = b.u64()
            if flags & 0x200:  # has its own keys
                keys(b, b.u64())
            rows = b.u64()
            b.skip(rows << (flags & 0xFF))
            n -= rows

    return body


def _unnamed(element: str) -> str:
    """A Tuple element's type, without its name if it has one."""
    named = re.match(r"(?:`(?:\\.|[^`\\])*`|\w+)\s+(?=[A-Za-z])", element)
    return element[named.end() :] if named else element


def _strings(b: Buffer, n: int) -> None:
    data, pos, done = b.data, b.pos, 0
    while done < n:
        try:
            for done in range(done, n):  # noqa: B007, B020
                size = data[pos]
                head = 1
                if size > 127:
                    size &= 127
                    while True:
                        byte = data[pos + head]
                        size |= (byte & 127) << 7 * head
                        head += 1
                        if byte < 128:
                            break
                pos += head + size
            done = n
        except IndexError:
            b.reach(max(pos, len(data)) + 1)
    b.pos = pos
    b.reach(pos)


def _skip_column(b: Buffer, type_: str, rows: int) -> None:
    if rows:
        prefix, body = measure(type_)
        prefix(b)
        body(b, rows)


def skip_block(b: Buffer) -> tuple[bytes, list[Column], int]:
    """The next FORMAT Native block: its bytes, its columns, its number of rows."""
    start = b.pos
    columns: list[Column] = []
    width, rows = b.varint(), b.varint()
    for _ in range(width):
        columns.append((b.text(), b.text()))
        _skip_column(b, columns[-1][1], rows)
    return bytes(memoryview(b.data)[start : b.pos]), columns, rows


def retype(block: bytes, columns: list[Column]) -> bytes:
    """The block with these column types written in place of its own, of the same layout."""
    b = Buffer(lambda: b"", block)
    width, rows = b.varint(), b.varint()
    out = [varint(width), varint(rows)]
    for name, type_ in columns:
        b.text(), b.text()
        start = b.pos
        _skip_column(b, type_, rows)
        out += [text(name), text(type_), block[start : b.pos]]
    return b"".join(out)


def header(columns: list[Column]) -> bytes:
    """A block of these columns with no rows."""
    return varint(len(columns)) + varint(0) + b"".join(text(n) + text(t) for n, t in columns)
