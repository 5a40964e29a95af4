"""Several processes on one local log, and what survives one that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig

PRODUCE = """
import sys
from pathlib import Path
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops_schemas.topics import Topic
path, name, rounds = sys.argv[1:]
with open_bus(BusConfig(path=Path(path)), SystemClock()) as bus:
    bus.ensure_topics([Topic("test", 4, "key", "bytes")])
    producer = bus.producer()
    for start in range(int(rounds)):
        for number in range(start * 10, start * 10 + 10):
            producer.send("test", name, str(number).encode())
        producer.flush(30)
        print(start * 10 + 10, flush=True)
"""


def numbers_by_key(path: Path) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    with (
        open_bus(BusConfig(path=path), SystemClock()) as bus,
        bus.reader(["test"]) as reader,
    ):
        for message in reader.catch_up(10):
            found[message.key].append(int(message.value))
    return found


def test_processes_that_open_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PRODUCE, path, f"writer{number}", "20"],
            stdout=subprocess.DEVNULL,
        )
        for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 3
    assert numbers_by_key(path) == {f"writer{number}": list(range(200)) for number in range(3)}


def test_a_killed_writer_leaves_what_it_was_told_is_there(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    command = [sys.executable, "-c", PRODUCE, str(path), "writer", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(30):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = [int(line) for line in writer.stdout if line.endswith("\n")] or [300]
    numbers = numbers_by_key(path)["writer"]
    assert numbers == list(range(len(numbers)))
    assert acknowledged[-1] <= len(numbers) <= acknowledged[-1] + 10
