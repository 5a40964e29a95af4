"""Accelerators among extended resources."""

from __future__ import annotations

from fleetops_collectors.kubernetes.objects import Json, quantity, text

RESOURCES = frozenset(
    {
        "nvidia.com/gpu",
        "amd.com/gpu",
        "habana.ai/gaudi",
        "google.com/tpu",
        "aws.amazon.com/neuron",
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
    }
)
"""Whole accelerators, by the names of their device plug-ins. Slices (MIG) are left out."""


def count(resources: Json) -> int | None:
    """How many accelerators a list of resources has; None where it names none."""
    found = [quantity(value) for name, value in resources.items() if name in RESOURCES]
    numbers = [one for one in found if one is not None and one < 2**31]
    return int(sum(numbers)) if numbers else None


def are_shares(labels: Json) -> bool:
    """Whether a node counts shares as ``nvidia.com/gpu``: time slicing, or MIG alone.

    By the labels of NVIDIA's GPU feature discovery.
    """
    shares = quantity(labels.get("nvidia.com/gpu.replicas")) or 1
    return shares > 1 or "-MIG-" in text(labels.get("nvidia.com/gpu.product"))
