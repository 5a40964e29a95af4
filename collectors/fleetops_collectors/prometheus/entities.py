"""Whom a sample's labels speak of: the device, and what they say of the part itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleetops_collectors.device_names import part_name
from fleetops_collectors.prometheus.columns import AMD, DCGM, NODE, Column

MAX_INDEX_DIGITS = 9
"""Of the number of an accelerator, a port or a rank."""
_NO_PARTITION = frozenset({"", "0", "na", "none"})
_UNSAID = frozenset({"", "n/a", "na", "unknown", "none"})
_IDENTITY_LABELS = {
    DCGM: {
        "uuid": ("UUID",),
        "serial": ("DCGM_FI_DEV_SERIAL", "DCGM_FI_DEV_BOARD_SERIAL"),
        "model": ("modelName",),
        "firmware": ("DCGM_FI_DEV_VBIOS_VERSION",),
        "address": ("pci_bus_id",),
    },
    AMD: {
        "uuid": ("gpu_uuid",),
        "serial": ("serial_number",),
        "model": ("card_model", "card_series"),
        "firmware": ("vbios_version",),
        "address": ("pcie_bus_id",),
    },
}
"""By exporter and field of an identity: the labels that say it."""
_MANUFACTURERS = {DCGM: "NVIDIA", AMD: "AMD"}


class Entity(NamedTuple):
    """Whom a set of labels speaks of."""

    device: str
    reason: str = ""
    """Why there is no device, if there is none."""
    part: bool = False
    """It speaks of a part that has no columns of its own (one link)."""
    whole: bool = True
    """False for a slice of a device, whose physical sensors belong to the whole."""
    board: str = ""
    """Of a slice: the whole device, where the exporter gives the whole's values for each slice."""
    labels: dict[str, str] | None = None
    identity: dict[str, str] | None = None
    """What the labels say of the hardware, by field of an identity."""


def entity_of(column: Column, labels: Mapping[str, str], host: str | None) -> Entity:
    """Whom a sample speaks of.

    Args:
        column: what the sample fills; its exporter decides which labels count.
        labels: of the sample.
        host: the host that was scraped; without it the sample's own label is taken.
    """
    if column.device_class == "training_rank":
        return _rank(labels, host)
    if column.exporter == NODE:
        return _port(labels, host)
    host = host or labels.get("Hostname") or labels.get("hostname")
    if column.device_class == "host":
        if not host:
            return Entity("", "it has no Hostname label and the target names no host")
        return Entity(part_name(host))
    return _amd(labels, host) if column.exporter == AMD else _nvidia(labels, host)


def _is_number(label: str) -> bool:
    return label.isdecimal() and len(label) <= MAX_INDEX_DIGITS


def _nvidia(labels: Mapping[str, str], host: str | None) -> Entity:
    gpu = labels.get("gpu", "")
    if not _is_number(gpu):
        return Entity("", "it has no gpu label; it speaks of no single accelerator")
    if not host:
        return Entity("", "it has no Hostname label and the target names no host")
    if "nvlink" in labels:
        return Entity("", "it speaks of one link", part=True)
    device, identity = f"{part_name(host)}/gpu{int(gpu)}", _identity(DCGM, labels)
    if instance := labels.get("GPU_I_ID"):
        slice_name = f"{device}/mig{part_name(instance)}"
        return Entity(slice_name, whole=False, board=device, identity=identity)
    return Entity(device, identity=identity)


def _amd(labels: Mapping[str, str], host: str | None) -> Entity:
    gpu = labels.get("gpu_id", "")
    if not _is_number(gpu):
        return Entity("", "it has no gpu_id label; it speaks of no single accelerator")
    if not host:
        return Entity("", "it has no hostname label and the target names no host")
    device = f"{part_name(host)}/gpu{int(gpu)}"
    partition = labels.get("gpu_partition_id", "").lower()
    if partition not in _NO_PARTITION:
        return Entity(f"{device}/partition{part_name(partition)}", whole=False)
    return Entity(device, identity=_identity(AMD, labels))


def _port(labels: Mapping[str, str], host: str | None) -> Entity:
    adapter, port = labels.get("device", ""), labels.get("port", "")
    if not adapter or not _is_number(port):
        return Entity("", "a port's sample needs the labels device and port")
    if not host:
        return Entity("", "the target names no host, and there is no node_uname_info")
    device = f"{part_name(host)}/{part_name(adapter)}"
    return Entity(device if int(port) == 1 else f"{device}/{int(port)}")


def _rank(labels: Mapping[str, str], host: str | None) -> Entity:
    host = host or labels.get("host")
    job, rank = labels.get("job"), labels.get("rank", "")
    if not host or not job or not _is_number(rank):
        return Entity("", "a training sample needs the labels job, host and rank")
    return Entity(f"{part_name(host)}/job{part_name(job)}/rank{int(rank)}", labels={"job": job})


def _identity(exporter: str, labels: Mapping[str, str]) -> dict[str, str] | None:
    said = {
        field: next((text for name in names if _said(text := labels.get(name, ""))), "")
        for field, names in _IDENTITY_LABELS[exporter].items()
    }
    if not any(said.values()):
        return None
    return {**said, "manufacturer": _MANUFACTURERS[exporter]}


def _said(text: str) -> bool:
    return text.lower() not in _UNSAID
