"""What the decoders of all structures share: whose they are, and where the values go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fleetops_collectors.columns import Columns, Raw
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.device_names import part_name
from fleetops_collectors.json_input import Json
from fleetops_collectors.number_text import number_of
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality

PROTOCOL = "fboss"
UNINITIALIZED = -1
"""STAT_UNINITIALIZED of hardware_stats.thrift: the chip does not count it."""
_LAST_SECOND = 4_102_444_800
"""2100-01-01; beyond it there is no time, but milliseconds or noise."""


@dataclass(slots=True)
class Scope:
    """One decoding of one switch."""

    switch: str
    """Its device name; every other name begins with it."""
    host: str
    """Its name as a host, or empty where it stands beside hosts."""
    now: datetime
    stale_after: timedelta | None = None
    """Values that are older are stale; None, as in a recording, takes them as they are."""
    columns: Columns = field(default_factory=lambda: Columns(PROTOCOL))
    decoded: Decoded = field(default_factory=Decoded)

    def part(self, own: str) -> str:
        """The device name of a port or another part of the switch."""
        return f"{self.switch}/{part_name(own)}"

    def fields(self, device: str, struct: str, fields: Json, stamp: object = None) -> None:
        """The fields of a port's structure; maps by queue or priority are added up."""
        for name, value in fields.items():
            source = f"{struct}.{name}"
            if not self.columns.has("fabric_port", source):
                if value not in ({}, [], None, ""):
                    self.decoded.unmapped[source] += 1
                continue
            for one in value.values() if isinstance(value, dict) else (value,):
                self.add(device, source, counter_of(one), stamp)

    def add(self, device: str, source: str, raw: Raw, stamp: object = None) -> None:
        """One value of a port, with the source's own second."""
        fresh, time = self.dated(raw, stamp)
        self.columns.add("fabric_port", device, source, fresh, time)

    def dated(self, raw: Raw, stamp: object) -> tuple[Raw, datetime | None]:
        """The value and its time; ``stale`` where the time is too long ago, or was never set."""
        if not isinstance(stamp, int) or isinstance(stamp, bool) or stamp == UNINITIALIZED:
            return raw, None
        if stamp == 0:
            return (raw if isinstance(raw, Quality) else Quality.STALE), None
        if not 0 < stamp < _LAST_SECOND:
            return raw, None
        time = datetime.fromtimestamp(stamp, UTC)
        if time > self.now + timedelta(minutes=5):
            return raw, None
        if self.stale_after and time < self.now - self.stale_after:
            return Quality.STALE, time
        return raw, time

    def identify(self, device: str, own: str, said: dict[str, str]) -> None:
        """What a module says of itself, where it says anything."""
        known = {key: value.strip() for key, value in said.items() if value.strip()}
        if known:
            self.decoded.identities.append(
                DeviceIdentity(
                    device=device,
                    device_class="fabric_port",
                    host=self.host,
                    source=PROTOCOL,
                    address=own,
                    observed_at=self.now,
                    **known,
                )
            )


def counter_of(value: object) -> Raw:
    """A statistic; -1 is one that the hardware does not have."""
    raw = number_of(value)
    return Quality.SENTINEL if raw == UNINITIALIZED else raw
