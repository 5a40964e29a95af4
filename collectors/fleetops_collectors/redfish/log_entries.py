"""Log entries become events, their message ids become fault kinds."""

from __future__ import annotations

import re
from datetime import datetime

from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.tree import links, segments, uri_of
from fleetops_collectors.redfish.values import Json, object_of, text_of, time_of
from fleetops_schemas.records import Event, JsonScalar, Severity
from fleetops_schemas.topology import host_of

OTHER = "redfish_log_entry"

_KINDS: tuple[tuple[str, str], ...] = (
    # The words are those of DMTF's registries Environmental 1.4, Power 1.2 and Platform 1.3.
    (r"LeakDetected(Warning|Critical)", "coolant_leak"),
    (r"LeakDetector(Failure|Disconnected)", "coolant_leak_detector_fault"),
    (r"FlowRate(Below\w*|Warning|Critical|Fatal)", "coolant_flow_low"),
    (r"Pump(Failed|SubsystemHealth)", "coolant_pump_degraded"),
    (r"PowerSupply(Failed|PredictiveFailure|Warning)", "power_supply_fault"),
    (r"(LossOfInputPower|LineInputPowerFault|BreakerTripped|BreakerFault)", "power_supply_fault"),
    (r"PowerSupplyGroup(Critical|Warning)", "power_redundancy_lost"),
    (r"Voltage\w*(Caution|Critical|Fatal|Warning)\w*", "power_voltage_out_of_range"),
    (r"MemoryRowRemapping\w*", "accelerator_row_remap"),
    (r"Memory(Uncorrectable|Contained)Error", "accelerator_memory_uncorrectable"),
    (r"PCIe\w*(Error|Down|Change|Incorrect\w*)", "pcie_error"),
    (r"DeviceMissing", "device_absent"),
)
_KIND = [(re.compile(pattern), kind) for pattern, kind in _KINDS]
_SEVERITIES = {
    "ok": Severity.INFO,
    "warning": Severity.WARNING,
    "critical": Severity.CRITICAL,
}
_GETTING_BETTER = re.compile(r"NoLonger|Normal|Restored|Connected|Inserted")
_ARGUMENT = re.compile(r"%(\d+)")


def read_log_entry(uri: str, entry: Json, names: Names, observed_at: datetime) -> Event:
    """The event that a ``LogEntry`` tells of.

    An entry of severity OK, and one that says that something gets better, is informational and of
    no fault kind: it must not open anything.
    """
    message_id = text_of(entry.get("MessageId"))
    origin = next(iter(links(entry, "OriginOfCondition")), "")
    subject = (names.subject(origin) if origin else None) or names.subject(uri) or names.main
    severity = _severity(entry)
    kind = kind_of_message(message_id, severity, subject.device_class)
    created = time_of(entry.get("Created")) or time_of(entry.get("EventTimestamp"))
    if kind == OTHER and _GETTING_BETTER.search(message_id.rpartition(".")[2]):
        severity = Severity.INFO
    attributes: dict[str, JsonScalar] = {"message_id": message_id, "entry": uri, "origin": origin}
    return Event(
        id=event_id(uri, entry, names),
        time=created or observed_at,
        observed_at=observed_at,
        host=host_of(subject.device),
        device=subject.device,
        device_class=subject.device_class,
        source="redfish",
        kind=kind,
        severity=severity,
        text=message_of(entry)[:4096],
        attributes=attributes,
    )


def event_id(uri: str, entry: Json, names: Names) -> str:
    """Stable over reads; entry ids return after a log is cleared, so the time is part of it."""
    return f"redfish:{names.main.device}:{uri}:{text_of(entry.get('Created'))}"


def kind_of_message(message_id: str, severity: Severity, device_class: str) -> str:
    """The fault kind of ``Registry.Major.Minor.MessageKey``."""
    key = message_id.rpartition(".")[2]
    if severity is Severity.INFO or _GETTING_BETTER.search(key):
        return OTHER
    for pattern, kind in _KIND:
        if pattern.fullmatch(key):
            is_host_memory = key.startswith("MemoryUn") and device_class != "accelerator"
            return "machine_check" if is_host_memory else kind
    return OTHER


def message_of(entry: Json) -> str:
    """The message with its arguments in place."""
    arguments = entry.get("MessageArgs")
    values = [str(value) for value in arguments] if isinstance(arguments, list) else []

    def argument(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        return values[place] if 0 <= place < len(values) else match[0]

    text = _ARGUMENT.sub(argument, text_of(entry.get("Message")))
    return text or text_of(entry.get("MessageId")) or text_of(entry.get("Name")) or "(no message)"


def log_service_of(uri: str) -> str:
    """The log that an entry stands in."""
    parts = segments(uri_of(uri))
    return "/".join(parts[: parts.index("Entries")]) if "Entries" in parts else ""


def _severity(entry: Json) -> Severity:
    nested = object_of(entry.get("DiagnosticData"))  # some controllers nest the event record
    for holder in (entry, nested):
        word = text_of(holder.get("Severity") or holder.get("MessageSeverity")).lower()
        if word in _SEVERITIES:
            return _SEVERITIES[word]
    return Severity.INFO
