"""How far each event log has been read, over restarts."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.redfish.values import Json, text_of, time_of


class Cursor(BaseModel):
    """The newest entry read, and its contemporaries: several entries may share one second."""

    model_config = ConfigDict(frozen=True)

    created: AwareDatetime
    ids: frozenset[str]


class _File(BaseModel):
    logs: dict[str, Cursor] = {}


class Cursors:
    """Cursors by log, kept in a file if one is named."""

    def __init__(self, path: Path | None) -> None:
        """Reads nothing yet."""
        self._path = path
        self._file: _File | None = None
        self._changed = False

    def unread(self, log: str, entries: list[Json], since: datetime) -> list[Json]:
        """The entries that were not read before, oldest first; all later calls take them as read.

        Of a log never read before, what is older than ``since`` counts as read: a controller keeps
        years of history, and an old leak is no leak today. If every entry is older than the last
        one read, the log was cleared or its clock was set, and all are new.

        Raises:
            InputError: the file is not a file of cursors.
        """
        dated = sorted(
            ((created, entry) for entry in entries if (created := _created(entry))),
            key=lambda item: item[0],
        )
        if not dated:
            return []
        known = self._logs().get(log)
        newest = dated[-1][0]
        if known is None:
            new = [entry for created, entry in dated if created >= since]
        elif newest < known.created:
            new = [entry for _, entry in dated]
        else:
            new = [
                entry
                for created, entry in dated
                if created > known.created
                or (created == known.created and _id(entry) not in known.ids)
            ]
        ids = frozenset(_id(entry) for created, entry in dated if created == newest)
        if known is None or new or known.created != newest:
            before = known.ids if known and known.created == newest else frozenset()
            self._logs()[log] = Cursor(created=newest, ids=ids | before)
            self._changed = True
        return new

    def save(self) -> None:
        """Writes the file if anything changed, whole or not at all."""
        if self._path is None or self._file is None or not self._changed:
            return
        self._changed = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(self._file.model_dump_json(), "utf-8")
        os.replace(fresh, self._path)

    def _logs(self) -> dict[str, Cursor]:
        if self._file is None:
            self._file = self._load()
        return self._file.logs

    def _load(self) -> _File:
        if self._path is None or not self._path.exists():
            return _File()
        try:
            return _File.model_validate_json(self._path.read_bytes())
        except ValidationError as error:
            raise InputError(
                f"{self._path}: no file of log cursors: {error.errors()[0]['msg']}; "
                "remove it to begin anew"
            ) from error


def _created(entry: Json) -> datetime | None:
    return time_of(entry.get("Created")) or time_of(entry.get("EventTimestamp"))


def _id(entry: Json) -> str:
    return text_of(entry.get("Id"))
