"""Workloads: what a kind of job asks of the hardware, and in which phases.

``compute``, ``memory`` and ``network`` are shares of what the accelerator or adapter can do at its
best, while the phase lasts. A decode job with a compute share of 0.1 is healthy: it is bound by
memory, and its low compute utilisation is no fault.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from fleetops_schemas.profiles import Figure, Profile, Section


class Demand(Section):
    """What accelerators are asked for; each 0 to 1."""

    compute: Figure
    memory: Figure
    network: Figure
    scale_up: Figure
    power: Figure
    """Share of the span from idle to rated power."""
    kernels: Figure | None = None
    """Share of time that a kernel runs; without it all of it where the accelerator computes, or
    spins in a collective, and none where it rests."""


class Phase(Section):
    """A phase that comes back: a checkpoint, an evaluation."""

    name: Literal["checkpoint", "evaluation", "compile", "restore"]
    every_steps: Figure
    """0 for once, at the start."""
    seconds: Figure
    demand: Demand
    storage_bytes_per_second: Figure
    """Of one host, written (checkpoint) or read (restore)."""


class Parallel(Section):
    """How a training job is laid out; ranks = tensor * pipeline * data."""

    tensor: Figure
    pipeline: Figure
    last_stage_factor: Figure
    """Compute of the last pipeline stage against the others: its loss and embedding layers."""


class Step(Section):
    """One step of a training job, or one round of a serving job."""

    compute_seconds: Figure
    communication_seconds: Figure
    data_wait_seconds: Figure
    noise_ratio: Figure
    """Standard deviation of ln(compute), from step to step."""
    rank_spread_ratio: Figure
    """The same, from rank to rank, for good."""
    long_batch_probability: Figure
    """That a data-parallel replica draws a long batch in a step."""
    long_batch_factor: Figure


class Workload(Profile):
    """One kind of job."""

    folder: ClassVar[str] = "workloads"

    kind: Literal["training", "serving"]
    bound_by: Literal["compute", "memory", "network", "host"]
    computing: Demand
    """While a rank computes."""
    waiting: Demand
    """While it waits for its peers in a collective, or for requests."""
    step: Step
    parallel: Parallel
    phases: tuple[Phase, ...] = ()
    memory_ratio: Figure
    """Of the accelerator's memory, held."""
    processor_load: Figure
    """Of the host's processors, 0 to 1."""
