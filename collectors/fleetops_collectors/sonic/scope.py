"""What the decoders of all tables share: whose tables they are, and where the values go."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from fleetops_collectors.columns import Columns, Raw
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.device_names import part_name
from fleetops_collectors.number_text import NO_VALUE, number_of
from fleetops_collectors.sonic.tables import Fields
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality

PROTOCOL = "sonic"
_DIGITS = re.compile(r"\d+")
_TIMES = (("last_update_time", "%a %b %d %H:%M:%S %Y"), ("timestamp", "%Y%m%d %H:%M:%S"))
"""Fields that say when a row was written: xcvrd's, which is UTC, and thermalctld's and psud's,
which is the switch's local time."""


@dataclass(slots=True)
class Scope:
    """One decoding of one switch."""

    switch: str
    """Its device name; every other name begins with it."""
    host: str
    """Its name as a host, or empty where it stands beside hosts."""
    now: datetime
    stale_after: timedelta | None = None
    """Rows that were written longer ago are stale; None, as in a dump, takes them as they are."""
    zone: tzinfo = UTC
    columns: Columns = field(default_factory=lambda: Columns(PROTOCOL))
    decoded: Decoded = field(default_factory=Decoded)

    def part(self, own: str) -> str:
        """The device name of a port or another part of the switch."""
        return f"{self.switch}/{part_name(own)}"

    def row(
        self,
        device_class: str,
        device: str,
        table: str,
        fields: Fields,
        read: Callable[[str, str], Raw] = lambda _, value: number_of(value),
    ) -> None:
        """All fields of a row, each into its column or among those without one.

        ``read`` makes a number of a field's name and text.
        """
        time = self.time_of(fields)
        for name, text in fields.items():
            if any(name == known for known, _ in _TIMES):
                continue
            source = self.source(device_class, table, name)
            if source is None:
                self.unmapped(table, name)
            else:
                self.columns.add(
                    device_class, device, source, self.fresh(read(name, text), time), time
                )

    def source(self, device_class: str, table: str, name: str) -> str | None:
        """The catalog's name for a field; numbers of lanes and priorities are ``*`` there."""
        for source in (f"{table}.{name}", f"{table}.{_DIGITS.sub('*', name)}"):
            if self.columns.has(device_class, source):
                return source
        return None

    def unmapped(self, table: str, name: str, count: int = 1) -> None:
        """Counts values without a column."""
        self.decoded.unmapped[f"{table}.{_DIGITS.sub('*', name)}"] += count

    def time_of(self, fields: Fields) -> datetime | None:
        """When the row was written, where it says so; a time to come says nothing."""
        for name, pattern in _TIMES:
            zone = UTC if name == "last_update_time" else self.zone
            try:
                written = datetime.strptime(fields.get(name, ""), pattern)  # noqa: DTZ007 (below)
                time = written.replace(tzinfo=zone).astimezone(UTC)
            except (ValueError, OverflowError):  # no time, or one before the year 1 in UTC
                continue
            return time if time <= self.now + timedelta(minutes=5) else None
        return None

    def fresh(self, raw: Raw, time: datetime | None) -> Raw:
        """The value, or ``stale`` where its row is too old."""
        if time and self.stale_after and time < self.now - self.stale_after:
            return Quality.STALE
        return raw

    def identify(self, device_class: str, device: str, own: str, **said: str) -> None:
        """What a row says of the piece of hardware itself, where it says anything."""
        known = {
            key: value.strip()
            for key, value in said.items()
            if value.strip().lower() not in NO_VALUE
        }
        if known:
            self.decoded.identities.append(
                DeviceIdentity(
                    device=device,
                    device_class=device_class,
                    host=self.host,
                    source=PROTOCOL,
                    address=own,
                    observed_at=self.now,
                    **known,
                )
            )
