"""What accelerators of a model cannot tell, so that their tables have no such reading."""

from __future__ import annotations

from typing import NamedTuple

from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Platform

REMAPPING = frozenset(
    {
        "remapped_rows_correctable_total",
        "remapped_rows_uncorrectable_total",
        "row_remap_failed",
        "row_remap_pending",
    }
)
"""Of parts that remap bad rows; older ones retire pages."""
NVLINK = frozenset(
    {
        "nvlink_transmit_bytes_per_second",
        "nvlink_receive_bytes_per_second",
        "nvlink_crc_flit_errors_total",
        "nvlink_replay_errors_total",
    }
)


class Missing(NamedTuple):
    """Metrics that a run of accelerators does not have."""

    accelerators: slice
    metrics: frozenset[str]


def missing_metrics(site: Site) -> tuple[Missing, ...]:
    """What each group's accelerators cannot tell; groups that can tell everything are left out."""
    found = (
        Missing(group.accelerators, _missing(group.platform))
        for group in site.groups
        if group.platform.accelerator is not None
    )
    return tuple(one for one in found if one.metrics)


def _missing(platform: Platform) -> frozenset[str]:
    accelerator, scale_up = platform.accelerator, platform.scale_up
    if accelerator is None:
        return frozenset()
    metrics = frozenset(accelerator.lacks)
    if not accelerator.remap_rows:
        metrics |= REMAPPING
    if scale_up is None or scale_up.kind != "nvlink":
        metrics |= NVLINK
    return metrics
