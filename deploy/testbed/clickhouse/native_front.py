"""A real ClickHouse engine behind the native TCP protocol, for tests without a server.

The engine is chDB (ClickHouse in this process); the protocol spoken is ClickHouse's own
native one at revision 54453, as clickhouse-driver speaks it. Blocks are never decoded
into Python values: the engine's Native bytes go out as they are, and a client's block is
only measured (native_blocks.py) so that its bytes can be handed to the engine unchanged.

Each client gets its own engine connection: own database, settings, temporary tables.
"""

# ruff: noqa: PLR2004  the numbers are the protocol's revisions

import argparse
import contextlib
import hmac
import logging
import os
import re
import select
import signal
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from io import BytesIO

from clickhouse_driver.compression import get_decompressor_cls
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.reader import read_binary_uint128
from native_blocks import Buffer, Column, UnknownType, header, skip_block, text, varint
from native_engine import INSERT, Engine, EngineError
from typing_extensions import override

log = logging.getLogger("native_front")

REVISION = 54453  # the newest whose blocks are byte for byte FORMAT Native
OLDEST_CLIENT = 54429  # settings as strings
HELLO, QUERY, DATA, CANCEL, PING = 0, 1, 2, 3, 4  # from the client
S_HELLO, S_DATA, S_EXCEPTION, S_PROGRESS, S_PONG, S_END, S_PROFILE = 0, 1, 2, 3, 4, 5, 6
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # no overflow rows, no bucket
LZ4 = 0x82


class UnreadableBlock(EngineError):
    """The client's data cannot be followed: the connection ends."""


class Client(socketserver.BaseRequestHandler):
    """One TCP client, from Hello to hang-up."""

    server: "Front"

    @override
    def handle(self) -> None:
        """Serves the client until it hangs up."""
        sock: socket.socket = self.request
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Buffer(lambda: sock.recv(1 << 20))
        self.compressed = False
        engine = Engine(self.server.path)
        try:
            self._hello(engine)
            while True:
                self.wire.forget()
                kind = self.wire.varint()
                if kind == PING:
                    sock.sendall(varint(S_PONG))
                elif kind == QUERY:
                    self._query(engine)
                elif kind != CANCEL:  # a late cancel has nothing left to cancel
                    raise EngineError(99, f"DB::Exception: Unknown packet {kind} from client")
        except EngineError as error:
            with contextlib.suppress(OSError):
                self._send_exception(error)
        except (EOFError, OSError, DriverError) as error:
            log.debug("client gone: %s", error)
        finally:
            engine.close()

    def _hello(self, engine: Engine) -> None:
        wire = self.wire
        if wire.varint() != HELLO:
            raise EngineError(101, "DB::NetException: Unexpected packet from client")
        wire.text(), wire.varint(), wire.varint()
        self.revision = min(REVISION, wire.varint())
        database, user, password = wire.text(), wire.text(), wire.text()
        given, wanted = (
            f"{len(u)}:{u}{p}".encode() for u, p in ((user, password), self.server.account)
        )
        if not hmac.compare_digest(given, wanted):
            raise EngineError(
                516,
                f"DB::Exception: {user}: Authentication failed: password is incorrect, "
                "or there is no user with such name.",
            )
        if self.revision < OLDEST_CLIENT:
            raise EngineError(
                48,
                f"DB::Exception: native_front needs a client revision of {OLDEST_CLIENT} or more",
            )
        if database:
            engine.run("USE `" + database.replace("`", "\\`") + "`")
        version, timezone = engine.rows("SELECT version(), timezone()")[0]
        major, minor, patch = (int(part) for part in version.split(".")[:3])
        self.request.sendall(
            b"".join(
                (
                    varint(S_HELLO),
                    text("ClickHouse"),
                    varint(major),
                    varint(minor),
                    varint(REVISION),
                    text(timezone),
                    text("native_front"),
                    varint(patch),
                )
            )
        )

    def _query(self, engine: Engine) -> None:
        sql, settings = self._read_query()
        tables: list[str] = []
        try:
            external = list(self._read_blocks())
            engine.configure(settings)
            for name, data, columns in external:
                tables.append(name)
                engine.external(name, columns, data)
            if insert := INSERT.match(sql):
                self._insert(engine, insert)
            else:
                self._select(engine, sql)
            self.request.sendall(varint(S_END))
        except UnreadableBlock:
            raise
        except EngineError as failed:
            self._send_exception(failed)
        finally:
            for name in tables:
                with contextlib.suppress(EngineError):
                    engine.run(f"DROP TEMPORARY TABLE IF EXISTS `{name}`")

    def _read_query(self) -> tuple[str, dict[str, tuple[int, str]]]:
        wire, revision = self.wire, self.revision
        wire.text()  # query id
        if wire.take(1) != b"\0":  # client info
            wire.text(), wire.text(), wire.text()
            if revision >= 54449:
                wire.skip(8)
            wire.skip(1)
            wire.text(), wire.text(), wire.text()
            wire.varint(), wire.varint(), wire.varint()
            wire.text()  # quota key
            if revision >= 54448:
                wire.varint()
            wire.varint()
            if revision >= 54442 and wire.take(1) != b"\0":  # OpenTelemetry
                wire.skip(24)
                wire.text()
                wire.skip(1)
            if revision >= 54453:
                wire.varint(), wire.varint(), wire.varint()
        settings: dict[str, tuple[int, str]] = {}
        while name := wire.text():
            settings[name] = (wire.take(1)[0], wire.text())
        if revision >= 54441:
            wire.text()  # interserver secret
        wire.varint()  # stage
        self.compressed = bool(wire.varint())
        return wire.text(), settings

    def _read_blocks(self) -> Iterator[tuple[str, bytes, list[Column]]]:
        """Data packets up to the empty one that closes them: table name, Native bytes, columns."""
        while True:
            self.wire.forget()
            if (kind := self.wire.varint()) != DATA:
                raise EOFError(f"client sent packet {kind} instead of data")
            name = self.wire.text()
            buffer = Buffer(self._read_frame) if self.compressed else self.wire
            while field := buffer.varint():  # block info
                buffer.skip(1 if field == 1 else 4)
            try:
                data, columns, _ = skip_block(buffer)
            except UnknownType as unknown:
                raise UnreadableBlock(
                    48, f"DB::Exception: native_front cannot measure a {unknown} column"
                ) from None
            if not columns:
                return
            yield name, data, columns

    def _read_frame(self) -> bytes:
        checksum, method = read_binary_uint128(BytesIO(self.wire.take(16))), self.wire.take(1)[0]
        size = self.wire.take(4)
        body = self.wire.take(int.from_bytes(size, "little") - 5)
        decompressor = get_decompressor_cls(method)(BytesIO(size + body))
        return bytes(decompressor.get_decompressed_data(method, checksum, 1))

    def _insert(self, engine: Engine, insert: re.Match[str]) -> None:
        self._send_block(header(engine.columns_for(insert["target"], insert["columns"])))
        engine.insert(
            insert["into"], insert["settings"] or "", (data for _, data, _ in self._read_blocks())
        )

    def _select(self, engine: Engine, sql: str) -> None:
        rows = size = count = 0
        with contextlib.closing(engine.blocks(sql)) as blocks:
            for block in blocks:
                if self._cancelled():
                    return
                lead = Buffer(lambda: b"", block[:20])
                lead.varint()
                rows, size, count = rows + lead.varint(), size + len(block), count + 1
                self._send_block(block)
        self.request.sendall(
            b"".join(
                (
                    varint(S_PROFILE),
                    varint(rows),
                    varint(count),
                    varint(size),
                    b"\0",
                    varint(0),
                    b"\0",
                    varint(S_PROGRESS),
                    varint(rows),
                    varint(size),
                    varint(0),
                    varint(0),
                    varint(0),
                )
            )
        )

    def _cancelled(self) -> bool:
        if self.wire.pos == len(self.wire.data) and not select.select([self.request], [], [], 0)[0]:
            return False
        return self.wire.varint() == CANCEL

    def _send_block(self, block: bytes) -> None:
        packet = varint(S_DATA) + text("")
        if not self.compressed:
            self.request.sendall(b"".join((packet, BLOCK_INFO, block)))
            return
        # only there with the driver's lz4 extra
        from clickhouse_cityhash.cityhash import (  # type: ignore[import-untyped]  # noqa: PLC0415
            CityHash128,
        )
        from clickhouse_driver.compression.lz4 import Compressor  # noqa: PLC0415

        compressor = Compressor()
        compressor.write(BLOCK_INFO + block)
        frame = bytes([LZ4]) + compressor.get_compressed_data(1)
        checksum = CityHash128(frame)
        self.request.sendall(
            b"".join((packet, struct.pack("<QQ", checksum >> 64, checksum & 2**64 - 1), frame))
        )

    def _send_exception(self, error: EngineError) -> None:
        self.request.sendall(
            varint(S_EXCEPTION)
            + struct.pack("<i", error.code)
            + text("DB::Exception")
            + text(str(error))
            + text("")
            + b"\0"
        )


class Front(socketserver.ThreadingTCPServer):
    """The listener; `path` is the engine's data folder, or :memory:."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], path: str, user: str = "default", password: str = ""
    ) -> None:
        self.path, self.account = path, (user, password)
        self.engine = Engine(path)  # held open: the folder stays locked by this process
        super().__init__(address, Client)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("path", help="data folder (one process at a time)")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=9000)
    options.add_argument(
        "--user", default="default", help="password: the CLICKHOUSE_PASSWORD variable, else none"
    )
    given = options.parse_args()
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"))
    front = Front(
        (given.host, given.port), given.path, given.user, os.environ.get("CLICKHOUSE_PASSWORD", "")
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(
            number, lambda *_: threading.Thread(target=front.shutdown, daemon=True).start()
        )
    log.info("listening on %s:%d, data in %s", given.host, front.server_address[1], given.path)
    with front:
        front.serve_forever(poll_interval=0.2)
    log.info("stopped")


if __name__ == "__main__":
    main()
