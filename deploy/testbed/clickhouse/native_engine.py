"""One client's connection to the chDB engine, with the errors and blocks of a ClickHouse server."""

import contextlib
import json
import os
import re
from collections.abc import Generator, Iterable
from typing import Any

from chdb.state.sqlitelike import Connection
from native_blocks import Buffer, Column, header, retype, skip_block, split_args

UNKNOWN_SETTING = 115
UNSET = {"send_logs_level"}  # the engine would write its log to this process's stderr
SKIP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
NAME = r"(?:`[^`]+`|\"[^\"]+\"|[\w$]+)"
READS = re.compile(SKIP + r"(?:\(|SELECT\b|WITH\b|FROM\b)", re.I | re.S)
SHOWS = re.compile(SKIP + r"(?:SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK)\b", re.I | re.S)
ZONED = re.compile(r"\bDateTime\(")  # FORMAT Native alone would drop the zone
TAIL = re.compile(r"(?:\bFORMAT\s+\w+)?[\s;]*$", re.I)
INSERT = re.compile(
    SKIP + r"(?P<into>INSERT\s+INTO\s+(?:TABLE\s+)?"
    rf"(?P<target>FUNCTION\s+\w+\s*\(.*?\)|{NAME}(?:\.{NAME})?)"
    r"\s*(?P<columns>\((?:`[^`]*`|[^`])*?\))?)\s*(?P<settings>\bSETTINGS\s.*?)?"
    r"\s*\b(?:VALUES|FORMAT\s+\w+)[\s;]*$",
    re.I | re.S,
)


class EngineError(Exception):
    """A ClickHouse exception: its code, and its message as the server words it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @classmethod
    def of(cls, error: BaseException) -> "EngineError":
        """The exception behind an error of chDB."""
        found = re.search(r"Code: (\d+)\. (.*)", str(error), re.S)
        return cls(int(found[1]), found[2]) if found else cls(1002, f"DB::Exception: {error}")


class Engine:
    """One client's engine connection."""

    def __init__(self, path: str) -> None:
        self._db = Connection(path)
        self._set: dict[str, str] = {}

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()

    def run(self, sql: str, fmt: str = "Native") -> bytes:
        """A statement's whole result."""
        try:
            return bytes(self._db.query(sql, fmt).bytes())
        except Exception as error:
            raise EngineError.of(error) from error

    def rows(self, sql: str) -> list[Any]:
        """A statement's rows as lists."""
        return [json.loads(line) for line in self.run(sql, "JSONCompactEachRow").splitlines()]

    def configure(self, settings: dict[str, tuple[int, str]]) -> None:
        """Make this query's settings, and no earlier query's, the ones in force."""
        for name in [n for n in self._set if n not in settings]:
            self.run(f"SET {name} = DEFAULT")
            del self._set[name]
        for name, (flags, value) in settings.items():
            if self._set.get(name) == value or name in UNSET or not re.fullmatch(r"\w+", name):
                continue
            try:
                self.run(f"SET {name} = {quote(value)}")
                self._set[name] = value
            except EngineError as error:
                if (
                    error.code != UNKNOWN_SETTING or flags & 1
                ):  # an unknown one is refused only if important
                    raise

    def blocks(self, sql: str) -> Generator[bytes, None, None]:
        """A statement's result as Native blocks, an empty one with the columns first."""
        sql = TAIL.sub("", sql)
        if not READS.match(sql):
            yield from self._shown(sql)
            return
        columns = self._described(sql)
        zoned = any(ZONED.search(type_) for _, type_ in columns)
        stream = None
        try:
            stream = self._db.send_query(sql, "Native")
            yield header(columns)
            for chunk in stream:  # one chunk is one block
                block = bytes(chunk.bytes())
                yield retype(block, columns) if zoned else block
        except Exception as error:
            if "Streaming query is not supported" not in str(error):
                raise EngineError.of(error) from error
            yield from self._shown(sql)
            return
        finally:
            if stream is not None:
                with contextlib.suppress(Exception):
                    stream.close()  # type: ignore[no-untyped-call]

    def _described(self, sql: str) -> list[Column]:
        """A query's columns; none where it is wrong: then running it says why."""
        try:
            return [(row[0], row[1]) for row in self.rows(f"DESCRIBE TABLE (\n{sql}\n)")]
        except EngineError:
            return []

    def _shown(self, sql: str) -> Generator[bytes, None, None]:
        data = self.run(sql)
        if not data and SHOWS.match(sql):
            meta = json.loads(self.run(sql, "JSONCompact"))["meta"]
            yield header([(c["name"], c["type"]) for c in meta])
        buffer = Buffer(lambda: b"", data)
        while buffer.pos < len(data):
            start = not buffer.pos
            block, columns, _ = skip_block(buffer)
            if start:
                yield header(columns)
            yield block

    def columns_for(self, target: str, listed: str | None) -> list[Column]:
        """The columns that an INSERT's data must bring."""
        described = self.rows("DESCRIBE TABLE " + re.sub(r"^FUNCTION\s+", "", target, flags=re.I))
        if listed is None:
            return [
                (r[0], r[1])
                for r in described
                if r[2] not in ("MATERIALIZED", "ALIAS", "EPHEMERAL")
            ]
        types = {r[0]: r[1] for r in described}
        names = [re.sub(r"^([`\"])(.*)\1$", r"\2", part) for part in split_args(listed[1:-1])]
        names = [n.replace("`", "") if n.replace("`", "") in types else n for n in names]
        if all(name in types for name in names):
            return [(name, types[name]) for name in names]
        chosen = f"SELECT {listed[1:-1]} FROM {target}"  # noqa: S608  the client's own SQL
        return [(r[0], r[1]) for r in self.rows(f"DESCRIBE TABLE ({chosen})")]

    def insert(self, into: str, settings: str, blocks: Iterable[bytes]) -> None:
        """Insert Native blocks: one statement, run once they have all come.

        Not by chDB's own `send_insert`: up to 26.9 that one reports success where the
        engine refused the rows (a constraint, a full disk).
        """
        with open(os.memfd_create("insert"), "wb") as file:
            file.writelines(blocks)
            file.flush()
            if file.tell():
                self.run(
                    f"{into} FROM INFILE '/proc/self/fd/{file.fileno()}' {settings} FORMAT Native"
                )

    def external(self, name: str, columns: list[Column], data: bytes) -> None:
        """A client's external table, as a temporary one."""
        spec = ", ".join(f"`{column}` {type_}" for column, type_ in columns)
        self.run(f"CREATE TEMPORARY TABLE IF NOT EXISTS `{name}` ({spec}) ENGINE = Memory")
        self.insert(f"INSERT INTO `{name}`", "", [data])


def quote(value: str) -> str:
    """The text as an SQL literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
