"""How far each event log of one service has been read."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from fleetops_collectors.redfish.values import Json, text_of, time_of


class Position(BaseModel):
    """The newest entry read, and its contemporaries: several entries may share one second."""

    model_config = ConfigDict(frozen=True)

    created: AwareDatetime
    ids: frozenset[str]


class LogPositions(BaseModel):
    """Positions by log."""

    logs: dict[str, Position] = {}

    def unread(self, log: str, entries: list[Json], since: datetime) -> list[Json]:
        """The entries that were not read before, oldest first; later calls take them as read.

        Of a log never read before, what is older than ``since`` counts as read: a controller keeps
        years of history, and an old leak is no leak today. If every entry is older than the last
        one read, the log was cleared or its clock was set, and all are new.
        """
        dated = sorted(
            ((created, entry) for entry in entries if (created := created_at(entry))),
            key=lambda item: item[0],
        )
        if not dated:
            return []
        known = self.logs.get(log)
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
        if known is None or new:
            ids = frozenset(_id(entry) for created, entry in dated if created == newest)
            self.logs[log] = Position(created=newest, ids=ids)
        return new


def created_at(entry: Json) -> datetime | None:
    """When a log entry was written."""
    return time_of(entry.get("Created")) or time_of(entry.get("EventTimestamp"))


def _id(entry: Json) -> str:
    return text_of(entry.get("Id"))
