"""Several processes of a line open the new log at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from fleetops.bus.local.log import Log

OPENERS = 8
ROUNDS = 60
"""Without waiting for each other, one in thirty had an opener that was refused."""


def test_all_that_open_a_new_log_at_once_open_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(OPENERS) as pool:
        for number in range(ROUNDS):
            path, together = tmp_path / f"{number}.sqlite", Barrier(OPENERS)

            def open_it(path: Path = path, together: Barrier = together) -> None:
                together.wait()
                Log(path, 2**30, 5.0).close()

            for opening in [pool.submit(open_it) for _ in range(OPENERS)]:
                opening.result()
