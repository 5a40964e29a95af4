"""What pieces of hardware a service names: serial, part number, model, firmware."""

from __future__ import annotations

from datetime import datetime

from fleetops_collectors.redfish.cells import Subject
from fleetops_collectors.redfish.legacy import supplies_of
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.tree import Tree, links, type_of
from fleetops_collectors.redfish.values import Json, state_of, text_of
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.topology import host_of

_KINDS = (
    "ComputerSystem",
    "CoolingUnit",
    "PowerDistribution",
    "Processor",
    "PowerSupply",
    "Battery",
    "Pump",
    "LeakDetector",
    "Chassis",
)
"""Types that are a device, the more exact first: a tray's chassis names a host that has no system,
and a module's chassis the accelerator whose processor gives no serial number."""
_BLANK = frozenset({"", "n/a", "na", "none", "null", "unknown", "to be filled by o.e.m."})
"""What controllers write where nothing was burnt in."""
_FIRMWARE = ("FirmwareVersion", "BiosVersion")


def read_identities(tree: Tree, names: Names, observed_at: datetime) -> list[DeviceIdentity]:
    """One identity a device, in the order in which the devices came."""
    found: dict[Subject, dict[str, str]] = {}
    for kind, resources in _by_kind(tree, names).items():
        taken: set[Subject] = set()  # of several systems of one host, the first is the host's own
        for uri, resource in resources:
            subject = _subject(kind, uri, resource, names)
            if subject is not None and subject not in taken:
                taken.add(subject)
                _fill(found.setdefault(subject, {}), _said(uri, resource))
    hosts = {subject.device for subject in found if subject.device_class == "host"}
    return [
        DeviceIdentity(
            device=subject.device,
            device_class=subject.device_class,
            host=host if (host := host_of(subject.device)) in hosts else "",
            source="redfish",
            observed_at=observed_at,
            **said,
        )
        for subject, said in found.items()
        if any(said.get(key) for key in ("serial", "uuid", "part_number", "model"))
    ]


def _by_kind(tree: Tree, names: Names) -> dict[str, list[tuple[str, Json]]]:
    found: dict[str, list[tuple[str, Json]]] = {kind: [] for kind in _KINDS}
    for uri, resource in tree.items():
        if (kind := type_of(resource, uri)) in found:
            found[kind].append((uri, resource))
    for uri, power in tree.each_of_type("Power"):  # after the resources that took its place
        found["PowerSupply"] += supplies_of(uri, power, names)
    for kind, resources in found.items():
        found[kind] = [item for item in resources if state_of(item[1]) != "Absent"]
    # An accelerator board is a system of its own, beside the one that boots.
    found["ComputerSystem"].sort(key=lambda item: not _text(item[1], "BiosVersion"))
    return found


def _subject(kind: str, uri: str, resource: Json, names: Names) -> Subject | None:
    subject = names.subject(uri)
    if subject is None:
        return None
    if kind == "Processor" and subject.device_class != "accelerator":
        return None  # a CPU is no device of its own, and its serial not the host's
    if kind == "Chassis":
        if links(resource, "ContainedBy") and subject.device_class != "accelerator":
            return None  # a board in a tray
        processors = [link for link in links(resource, "Processors") if link]
        return names.subject(processors[0]) if len(processors) == 1 else subject
    return subject


def _said(uri: str, resource: Json) -> dict[str, str]:
    return {
        "serial": _text(resource, "SerialNumber"),
        "uuid": _text(resource, "UUID"),
        "model": _text(resource, "Model"),
        "manufacturer": _text(resource, "Manufacturer"),
        "part_number": _text(resource, "PartNumber"),
        "firmware": next((text for key in _FIRMWARE if (text := _text(resource, key))), ""),
        "address": uri,
    }


def _fill(said: dict[str, str], more: dict[str, str]) -> None:
    """Takes what a more exact type did not say."""
    for key, text in more.items():
        if text and not said.get(key):
            said[key] = text


def _text(resource: Json, key: str) -> str:
    text = text_of(resource.get(key)).strip()
    return "" if text.casefold() in _BLANK else text
