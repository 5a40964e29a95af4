"""What a host's own system tells beside its controller: adapters, congestion of RDMA, throttling.

Temperatures above the air inside a host are assumed: makers state limits only.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.groups import NONE, Indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.heat import REASON_HARDWARE_THERMAL, REASON_SOFTWARE_THERMAL
from fleetops.emulator.model.parameters import by_host
from fleetops.emulator.model.state import State
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Interface, Platform

LINK_UP, POLLING = 5.0, 2.0
"""Of the physical state."""
ADAPTER_KELVIN, ADAPTER_BUSY_KELVIN = 14.0, 10.0
"""Of an adapter's chip above the air behind it: without work, and by how much more at full load."""
MARKS_PER_NOTIFICATION = 8.0
"""A receiver answers a burst of marked packets of one sender once (assumed)."""


class InBandSensors:
    """Completes the tables with what is read on the hosts themselves; draws nothing."""

    def __init__(self, site: Site, state: State) -> None:
        """Finds who has adapters of RDMA, and who counts what it was throttled by."""
        self._state = state
        ports = site.ports
        self._rdma = np.flatnonzero(ports.is_backend & (ports.host_of != NONE))
        self._hosts = np.unique(ports.host_of[self._rdma])
        ethernet = by_host(site, lambda one: float(_has_ethernet(one))) > 0.0
        roce = ethernet[ports.host_of[self._rdma]] & (ports.peer[self._rdma] != NONE)
        self._roce = self._rdma[roce]
        self._peer = ports.peer[self._roce]
        in_host = np.flatnonzero(ports.host_of != NONE)

        def read_from(*interfaces: Interface) -> Indices:
            speak = by_host(site, lambda one: float(any(map(one.speaks, interfaces)))) > 0.0
            return in_host[speak[ports.host_of[in_host]]]

        self._in_sysfs = read_from(Interface.INFINIBAND, Interface.ETHERNET)
        self._nominal = ports.gigabits_per_second[self._in_sysfs]
        self._infiniband = read_from(Interface.INFINIBAND)
        self._accelerators = by_host(site, lambda one: float(one.accelerators))
        self._memory = by_host(site, lambda one: float(one.board.memory_bytes))
        self._host_of_accelerator = site.host_of_accelerator
        self._scheduled = np.flatnonzero(
            (self._accelerators > 0.0) & (site.cluster.scheduler is not None)
        )
        self._amd = np.concatenate(
            [
                np.arange(group.accelerators.start, group.accelerators.stop)
                for group in site.groups
                if group.platform.accelerator is not None
                and group.platform.accelerator.vendor == "amd"
            ]
            or [np.zeros(0, dtype=np.intp)]
        )

    def accelerators(self, table: Table, effects: Effects) -> None:
        """The share of the last moment that AMD's parts were held down; others count time."""
        if not len(self._amd):
            return
        heat = self._state.heat
        thermal = heat.throttle_reasons & (REASON_SOFTWARE_THERMAL | REASON_HARDWARE_THERMAL)
        capped = effects["power_cap"] * effects["clock_cap"] < 1.0
        table.lay("thermal_throttle_ratio", self._amd, (thermal > 0)[self._amd].astype(np.float64))
        table.lay("power_throttle_ratio", self._amd, capped[self._amd].astype(np.float64))

    def hosts(self, table: Table) -> None:
        """The hottest adapter's chip, and what a scheduler has of the hosts that take jobs."""
        if len(self._hosts):
            load = self._state.jobs.load[self._hosts]
            rise = ADAPTER_KELVIN + ADAPTER_BUSY_KELVIN * load
            celsius = self._state.heat.outlet_celsius[self._hosts] + rise
            table.lay("nic_temperature_celsius", self._hosts, celsius)
        if len(self._scheduled):
            scheduled = self._scheduled
            for metric, values in (
                ("memory_bytes", self._memory),
                ("accelerators", self._accelerators),
                ("allocated_accelerators", self._allocated()),
            ):
                table.lay(metric, scheduled, values[scheduled])

    def _allocated(self) -> Floats:
        """(hosts,) accelerators that jobs hold."""
        jobs, owner = self._state.jobs, self._host_of_accelerator
        held = jobs.memory_ratio > 0.0
        return np.bincount(owner[held], minlength=len(jobs.load)).astype(np.float64)

    def ports(self, table: Table) -> None:
        """What sysfs has of ports, and congestion as RoCE adapters count it.

        Marks arrive, and notifications go both ways: each adapter handles those for what it sent
        itself, so that an idle one handles none.
        """
        if len(self._in_sysfs):
            table.lay("expected_rate_gigabits_per_second", self._in_sysfs, self._nominal)
        if len(self._infiniband):
            up = self._state.links.up[self._infiniband] > 0.0
            table.lay("physical_state", self._infiniband, np.where(up, LINK_UP, POLLING))
        if not len(self._roce):
            return
        marked = np.floor(self._state.links.marked[self._peer])
        sent: Floats = np.floor(marked / MARKS_PER_NOTIFICATION)
        table.lay("ecn_marked_total", self._roce, marked)
        table.lay("cnp_sent_total", self._roce, sent)
        own = self._state.links.marked[self._roce]
        table.lay("cnp_handled_total", self._roce, np.floor(own / MARKS_PER_NOTIFICATION))


def _has_ethernet(platform: Platform) -> bool:
    return any(one.role == "backend" and one.kind == "ethernet" for one in platform.adapters)
