"""Decodes lines of a kernel log into findings: only the lines that mean something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo

from fleetops_collectors.kernel_log.finding import UNKNOWN_HOST, KernelFinding
from fleetops_collectors.kernel_log.journal_entry import hides_its_text, is_entry
from fleetops_collectors.kernel_log.judge import meaning_of
from fleetops_collectors.kernel_log.lines import LineReader
from fleetops_collectors.kernel_log.links import FLAP_DOWNS
from fleetops_collectors.kernel_log.meaning import Meaning
from fleetops_collectors.kernel_log.memory import (
    HostMemory,
    LogMemory,
    normalise_pci,
    tells_something,
)
from fleetops_collectors.kernel_log.patterns import Match, PatternMatcher, load_patterns
from fleetops_collectors.kernel_log.record import KernelLine, as_text
from fleetops_schemas.faults import FaultCatalog, load_faults
from fleetops_schemas.records import JsonScalar

MAX_TEXT = 1024
FLAPPING = "link_flapping"


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
        memory: LogMemory | None = None,
    ) -> None:
        """A decoder of one log.

        Args:
            reader: Takes the lines apart.
            host: The host the log is of; None takes the one that each line names.
            devices: By PCI address, the device's name below its host (``gpu3``, ``nic0``).
            faults: The fault tables; those of this version by default.
            patterns: Which lines mean something; those of this version by default.
            memory: What was read of this log before; it is added to.
        """
        self._reader = reader
        self._host = host
        self._devices = {normalise_pci(pci): name for pci, name in (devices or {}).items()}
        self._faults = faults or load_faults()
        self._patterns = patterns or load_patterns()
        self._memory = memory or LogMemory()
        self._head = ""

    def decode(self, number: int, raw: str | bytes) -> KernelFinding | None:
        """What the line means, or None."""
        text = as_text(raw)
        if not text[:1].isspace():
            self._head = text
        if not self._worth_parsing(text):
            return None
        line = self._parsed(text)
        if line is None:
            return None
        host = self._host or line.host or UNKNOWN_HOST
        memory = self._memory.of(host)
        memory.learn(line.text)
        match = self._patterns.match(line.text)
        return self._finding(number, line, match, host, memory) if match else None

    def _parsed(self, text: str) -> KernelLine | None:
        """The line; an indented one is of the message whose first line names host and program."""
        line = self._reader.parse(text)
        if line is None or text is self._head or line.host is not None or line.moment is not None:
            return line
        head = self._reader.parse(self._head)
        return head and line._replace(host=head.host, time=head.time, uptime=head.uptime)

    def _worth_parsing(self, text: str) -> bool:
        """Most lines of a kernel are not: they hold none of the texts that are looked for."""
        if self._patterns.may_match(text) or tells_something(text):
            return True
        return is_entry(text) and hides_its_text(text)

    def _finding(
        self, number: int, line: KernelLine, match: Match, host: str, memory: HostMemory
    ) -> KernelFinding:
        pci = _address(line, match, memory)
        device = self._device(host, match, pci)
        meaning = meaning_of(match, self._faults)
        if match.pattern.link == "down":
            meaning = self._link_lost(
                meaning, f"{device} {meaning.attributes.get('interface', '')}", line, memory
            )
        return KernelFinding(
            line=number,
            time=line.time,
            host=host,
            device=device,
            device_class=match.pattern.device_class,
            source=match.pattern.source,
            code=meaning.code,
            kind=meaning.kind,
            severity=meaning.severity,
            recommended_action=meaning.action,
            text=line.text[:MAX_TEXT],
            attributes={**meaning.attributes, **_known(pci, line, match, memory)},
        )

    def _device(self, host: str, match: Match, pci: str) -> str:
        place = match.pattern.device
        if not place or ("{pci}" in place and not pci):
            return host
        name = self._devices.get(pci, f"pci-{pci}") if pci else ""
        return f"{host}/{place.format(**{**match.groups, 'pci': name})}"

    def _link_lost(
        self, meaning: Meaning, link: str, line: KernelLine, memory: HostMemory
    ) -> Meaning:
        """One loss is told; a link that comes and goes is a fault."""
        if line.moment is None:
            return meaning
        downs = memory.links.went_down(link, line.moment)
        if downs < FLAP_DOWNS:
            return meaning
        kind = self._faults.kind(FLAPPING)
        return replace(
            meaning.judged(kind.severity, kind.action).saying(downs=downs), kind=kind.name
        )


def _address(line: KernelLine, match: Match, memory: HostMemory) -> str:
    """The PCI address that the line names, else an earlier line of its message, else the kernel."""
    told = match.groups.get("pci", "")
    if not told and "{pci}" in match.pattern.device and match.pattern.source == "nvrm":
        told = memory.announced
    return normalise_pci(told or line.pci)


def _known(pci: str, line: KernelLine, match: Match, memory: HostMemory) -> dict[str, JsonScalar]:
    known: dict[str, JsonScalar] = {}
    if pci:
        known["pci"] = pci
        if uuid := memory.uuids.get(pci):
            known["gpu_uuid"] = uuid
        if serial := memory.serials.get(pci):
            known["board_serial"] = serial
    if memory.driver and match.pattern.table == "xid":
        known["driver_version"] = memory.driver
    if line.repeats > 1:
        known["repeats"] = line.repeats
    return known


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
