"""Where resuming collectors have read up to, on disk: one small file a collector."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fleetops.core.logging import get_logger


class Cursors:
    """Cursors by collector and target. Saved only after what came with them is safe."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there; a file that cannot be read counts as none."""
        self._folder = folder
        self._by_collector: dict[str, dict[str, str]] = {}

    def of(self, collector: str) -> dict[str, str]:
        """The cursors of a collector, by target name."""
        if collector not in self._by_collector:
            self._by_collector[collector] = self._read(collector)
        return self._by_collector[collector]

    def save(self, changes: Mapping[tuple[str, str], str]) -> None:
        """Keeps cursors by (collector, target).

        Raises:
            OSError: the disk is full or failed; the older cursors stay.
        """
        for (collector, target), cursor in changes.items():
            self.of(collector)[target] = cursor
        for collector in {collector for collector, _ in changes}:
            self._write(collector)

    def _path(self, collector: str) -> Path:
        return self._folder / f"{quote(collector, safe='')}.json"

    def _read(self, collector: str) -> dict[str, str]:
        path = self._path(collector)
        try:
            data = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            get_logger("collect").error("cursors lost", path=str(path), error=str(error))
            return {}
        if not isinstance(data, dict):
            return {}
        return {str(target): str(cursor) for target, cursor in data.items()}

    def _write(self, collector: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(collector)
        temporary = path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(self._by_collector[collector], file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
