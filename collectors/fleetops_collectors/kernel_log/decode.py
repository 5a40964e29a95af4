"""Decodes lines of a kernel log into findings: only the lines that mean something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from hashlib import sha256

from fleetops_collectors.kernel_log.lines import KernelLine, LineReader, as_text
from fleetops_collectors.kernel_log.meaning import meaning_of
from fleetops_collectors.kernel_log.patterns import Match, PatternMatcher, load_patterns
from fleetops_schemas.faults import FaultCatalog, load_faults
from fleetops_schemas.records import Event, JsonScalar, RecommendedAction, Severity

PROTOCOL = "kernel_log"
UNKNOWN_HOST = "unknown"
MAX_TEXT = 1024
_GPU_AT = re.compile(
    r"NVRM: GPU at PCI:(?P<pci>[0-9A-Fa-f:.]{7,16}): (?P<uuid>GPU-[0-9a-f-]{8,40})"
)
_PCI = re.compile(r"(?:[0-9a-f]*?([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2})(?:\.([0-9a-f]))?")


@dataclass(frozen=True, slots=True)
class KernelFinding:
    """One line that means something."""

    line: int
    """Number of the line, from 1."""
    time: datetime | None
    """Aware, UTC; None where the line has no stamp that can be dated."""
    host: str
    device: str
    device_class: str
    source: str
    """What wrote it: xid, sxid, nvrm, amdgpu, mce, edac, aer, mlx5, nvme, oom, kernel ..."""
    code: int | None
    kind: str
    severity: Severity
    recommended_action: RecommendedAction
    text: str
    attributes: dict[str, JsonScalar] = field(default_factory=dict)

    def as_dict(self) -> dict[str, JsonScalar]:
        """The columns for people and JSON."""
        return {
            "line": self.line,
            "time": self.time.isoformat() if self.time else None,
            "device": self.device,
            "source": self.source,
            "code": self.code,
            "kind": self.kind,
            "severity": self.severity.value,
            "recommended_action": self.recommended_action.value,
            "text": self.text,
        }

    def as_event(self, identity: str, host: str, now: datetime) -> Event:
        """The line as it travels on the bus.

        Args:
            identity: Names this occurrence: the same line read twice has the same one.
            host: The host of a line that names none.
            now: When it was read, aware; also when it happened where the line has no time.
        """
        device = self.device
        if self.host == UNKNOWN_HOST:
            device = device.replace(UNKNOWN_HOST, host, 1)
        else:
            host = self.host
        return Event(
            id=sha256(f"{host}\0{identity}\0{self.text}".encode()).hexdigest()[:32],
            time=self.time or now,
            observed_at=now,
            host=host,
            device=device,
            device_class=self.device_class,
            source=PROTOCOL,
            kind=self.kind,
            code=self.code,
            severity=self.severity,
            text=self.text,
            attributes={
                **self.attributes,
                "log_source": self.source,
                "recommended_action": self.recommended_action.value,
            },
        )


def normalise_pci(address: str) -> str:
    """``0000:9b:00.0`` of any spelling of a PCI address; the text itself where it is none."""
    lowered = address.lower().strip()
    match = _PCI.fullmatch(lowered)
    if match is None:
        return lowered
    return f"{match[1] or '0000'}:{match[2]}.{match[3] or '0'}"


class KernelLogDecoder:
    """Decodes the lines of one log, in order. Never raises on what a line holds."""

    def __init__(
        self,
        reader: LineReader,
        *,
        host: str | None,
        devices: Mapping[str, str] | None = None,
        faults: FaultCatalog | None = None,
        patterns: PatternMatcher | None = None,
    ) -> None:
        """A decoder of one log.

        Args:
            reader: Takes the lines apart.
            host: The host the log is of; None takes the one that each line names.
            devices: By PCI address, the device's name below its host (``gpu3``, ``nic0``).
            faults: The fault tables; those of this version by default.
            patterns: Which lines mean something; those of this version by default.
        """
        self._reader = reader
        self._host = host
        self._devices = {normalise_pci(pci): name for pci, name in (devices or {}).items()}
        self._faults = faults or load_faults()
        self._patterns = patterns or load_patterns()
        self._uuids: dict[str, str] = {}

    def decode(self, number: int, raw: str | bytes) -> KernelFinding | None:
        """What the line means, or None."""
        text = as_text(raw)
        interesting = self._patterns.may_match(text) or "GPU at PCI" in text
        if not interesting and not text.startswith("{"):
            return None
        line = self._reader.parse(text)
        if line is None or self._learn_uuid(line.text):
            return None
        match = self._patterns.match(line.text)
        return self._finding(number, line, match) if match else None

    def _finding(self, number: int, line: KernelLine, match: Match) -> KernelFinding:
        meaning = meaning_of(match, self._faults)
        host = self._host or line.host or UNKNOWN_HOST
        attributes = dict(meaning.attributes)
        if pci := match.groups.get("pci"):
            attributes["pci"] = normalise_pci(pci)
            if uuid := self._uuids.get(normalise_pci(pci)):
                attributes["gpu_uuid"] = uuid
        if line.repeats > 1:
            attributes["repeats"] = line.repeats
        return KernelFinding(
            line=number,
            time=line.time,
            host=host,
            device=self._device(host, match),
            device_class=match.pattern.device_class,
            source=match.pattern.source,
            code=meaning.code,
            kind=meaning.kind,
            severity=meaning.severity,
            recommended_action=meaning.action,
            text=line.text[:MAX_TEXT],
            attributes=attributes,
        )

    def _device(self, host: str, match: Match) -> str:
        groups = dict(match.groups)
        if "pci" in groups:
            address = normalise_pci(groups["pci"])
            groups["pci"] = self._devices.get(address, f"pci-{address}")
        part = match.pattern.device.format(**groups)
        return f"{host}/{part}" if part else host

    def _learn_uuid(self, text: str) -> bool:
        """The driver names each GPU's UUID before its first error."""
        found = _GPU_AT.search(text)
        if found is None:
            return False
        self._uuids[normalise_pci(found["pci"])] = found["uuid"]
        return True


def decode_kernel_log(  # noqa: PLR0913  keywords of one call, each with a default
    lines: Iterable[str | bytes],
    *,
    host: str | None = None,
    boot_time: datetime | None = None,
    now: datetime | None = None,
    timezone: tzinfo = UTC,
    devices: Mapping[str, str] | None = None,
    faults: FaultCatalog | None = None,
) -> Iterator[KernelFinding]:
    """The lines that mean something, in order.

    Args:
        lines: Lines of one log in any format of :mod:`~fleetops_collectors.kernel_log.lines`.
        host: The host the log is of; None takes the one that each line names.
        boot_time: What uptimes count from, aware; without it such lines have no time.
        now: The current time, for stamps without a year; the machine's by default.
        timezone: Zone of stamps that name none.
        devices: By PCI address, the device's name below its host.
        faults: The fault tables; those of this version by default.
    """
    reader = LineReader(now=now or datetime.now(UTC), boot_time=boot_time, timezone=timezone)
    decoder = KernelLogDecoder(reader, host=host, devices=devices, faults=faults)
    for number, raw in enumerate(lines, start=1):
        if finding := decoder.decode(number, raw):
            yield finding
