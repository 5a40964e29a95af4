"""The one inventory: what all sources say of each device, which parts were swapped, who disagrees.

Pure: claims in, merged devices and events out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from fleetops_schemas.faults import load_faults
from fleetops_schemas.identity import PART_FIELDS, DeviceIdentity, InventoryDevice
from fleetops_schemas.records import Event
from fleetops_schemas.topology import host_of

SOURCE = "inventory"
SWAPPED = "part_swapped"


class InventoryBook:
    """Every claim by device and source."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._claims: dict[str, dict[str, DeviceIdentity]] = defaultdict(dict)
        self._first_seen: dict[tuple[str, str], datetime] = {}
        """By device and source: since when the present part is there."""
        self._by_uuid: dict[str, set[str]] = defaultdict(set)
        self._changed: dict[str, None] = {}
        self._events: list[Event] = []

    def restore(self, known: Iterable[InventoryDevice]) -> None:
        """Takes over what was published before a restart."""
        for device in known:
            for claim in device.claims:
                self._keep(claim, device.since)

    def take(self, claim: DeviceIdentity) -> None:
        """Takes one source's word; an older word than the known one is nothing new."""
        before = self._claims[claim.device].get(claim.source)
        if before is not None and claim.observed_at <= before.observed_at:
            return
        swapped = before is not None and is_other_part(before, claim)
        if before is not None and swapped and not claim.is_configured:
            self._events.append(_swap(before, claim))
        twins = {*self._twins(claim), *(self._twins(before) if before is not None else ())}
        since = self._first_seen.get((claim.device, claim.source), claim.observed_at)
        self._keep(claim, claim.observed_at if swapped else since)
        same = before is not None and before == claim.model_copy(
            update={"observed_at": before.observed_at}
        )
        if twins or not same:
            self._changed |= dict.fromkeys((claim.device, *sorted(twins)))

    def events(self) -> list[Event]:
        """Swaps since the last call."""
        events, self._events = self._events, []
        return events

    def changes(self) -> list[InventoryDevice]:
        """Devices of which something changed since the last call."""
        changed, self._changed = self._changed, {}
        return [self.device(name) for name in changed]

    def device(self, name: str) -> InventoryDevice:
        """All that is known of one device."""
        claims = sorted(self._claims[name].values(), key=_trust, reverse=True)
        found = [claim for claim in claims if not claim.is_configured] or claims
        words = {
            key: next((text for claim in found if (text := getattr(claim, key))), "")
            for key in (*PART_FIELDS, "device_class", "host")
        }
        placement: dict[str, str] = {}
        for claim in reversed(claims):  # the most trusted last: its word stays
            placement |= claim.placement
        return InventoryDevice(
            device=name,
            **words,
            placement=placement,
            since=min(self._first_seen[name, claim.source] for claim in found),
            conflicts=(*_conflicts(claims), *self._twice(name)),
            claims=tuple(claims),
        )

    def _keep(self, claim: DeviceIdentity, since: datetime) -> None:
        before = self._claims[claim.device].get(claim.source)
        if before is not None and before.uuid:
            self._by_uuid[plain_uuid(before.uuid)].discard(claim.device)
        self._claims[claim.device][claim.source] = claim
        self._first_seen[claim.device, claim.source] = since
        if claim.uuid and not claim.is_configured:
            self._by_uuid[plain_uuid(claim.uuid)].add(claim.device)

    def _twins(self, claim: DeviceIdentity) -> list[str]:
        """Other places where the same part was seen."""
        if not claim.uuid or claim.is_configured:
            return []
        return sorted(self._by_uuid.get(plain_uuid(claim.uuid), set()) - {claim.device})

    def _twice(self, name: str) -> list[str]:
        """The places where a part of this device is seen too, each after it came to the other.

        A part that was moved is seen at its old place no more, and so is not there twice.
        """
        found = []
        for claim in self._claims[name].values():
            for twin in self._twins(claim):
                other = self._claims[twin].get(claim.source)
                if other is None or plain_uuid(other.uuid) != plain_uuid(claim.uuid):
                    continue
                since = self._first_seen[name, claim.source]
                if (
                    other.observed_at > since
                    and claim.observed_at > self._first_seen[twin, claim.source]
                ):
                    found.append(f"uuid {claim.uuid} is also at {twin} ({claim.source})")
        return found


def plain_uuid(text: str) -> str:
    """A UUID as all sources write it: NVML begins it with ``GPU-``, Redfish does not."""
    return text.strip().lower().removeprefix("gpu-").replace("-", "")


def is_other_part(before: DeviceIdentity, after: DeviceIdentity) -> bool:
    """Whether one source names another part than before; a word that is missing is no change."""
    if before.uuid and after.uuid:
        return plain_uuid(before.uuid) != plain_uuid(after.uuid)
    return bool(before.serial and after.serial) and before.serial != after.serial


def _trust(claim: DeviceIdentity) -> tuple[bool, int, datetime]:
    """What was found goes before what is expected; the newest first, the first file first."""
    return not claim.is_configured, -claim.precedence, claim.observed_at


def _conflicts(claims: list[DeviceIdentity]) -> list[str]:
    """Where sources contradict each other.

    Serials of two protocols are not compared: a board's and its chip's are different numbers, and
    both are right. What a site's file expects is compared with every source that numbers at all.
    """
    found = [claim for claim in claims if not claim.is_configured]
    conflicts = _differences("uuid", [(c.source, c.uuid, plain_uuid(c.uuid)) for c in claims])
    for expected in (claim for claim in claims if claim.is_configured and claim.serial):
        serials = {claim.serial for claim in found if claim.serial}
        if serials and expected.serial not in serials:
            seen = ", ".join(f"{c.source} {c.serial}" for c in found if c.serial)
            conflicts.append(f"serial: {expected.source} {expected.serial}, {seen}")
    for place in dict.fromkeys(key for claim in claims for key in claim.placement):
        said = [(c.source, c.placement[place]) for c in claims if place in c.placement]
        conflicts += _differences(place, [(source, text, text.lower()) for source, text in said])
    return conflicts


def _differences(what: str, said: list[tuple[str, str, str]]) -> list[str]:
    known = [(source, text, plain) for source, text, plain in said if text]
    if len({plain for _, _, plain in known}) < 2:  # noqa: PLR2004
        return []
    return [f"{what}: " + ", ".join(f"{source} {text}" for source, text, _ in known)]


def _swap(before: DeviceIdentity, after: DeviceIdentity) -> Event:
    kind = load_faults().kind(SWAPPED)
    key = "serial" if before.serial and before.serial != after.serial else "uuid"
    old, new = getattr(before, key), getattr(after, key)
    return Event(
        id=f"swap:{after.source}:{after.device}:{old}:{new}",
        time=after.observed_at,
        observed_at=after.observed_at,
        host=after.host or host_of(after.device),
        device=after.device,
        device_class=after.device_class or "host",
        source=SOURCE,
        kind=SWAPPED,
        severity=kind.severity,
        text=f"{after.device}: {key} {old} is now {new} ({after.source})",
        attributes={"old_serial": before.serial, "new_serial": after.serial},
    )
