"""All interfaces that the emulator serves: one line each."""

from __future__ import annotations

from collections.abc import Collection

from fleetops.emulator.interfaces.amd_exporter import AmdExporterInterface
from fleetops.emulator.interfaces.base import ServedInterface, Surroundings, select
from fleetops.emulator.interfaces.dcgm import DcgmInterface
from fleetops.emulator.interfaces.ethernet import EthernetInterface
from fleetops.emulator.interfaces.facility import FacilityInterface
from fleetops.emulator.interfaces.fboss import FbossInterface
from fleetops.emulator.interfaces.gnmi import GnmiInterface
from fleetops.emulator.interfaces.infiniband import InfinibandInterface
from fleetops.emulator.interfaces.kernel_log import KernelLogInterface
from fleetops.emulator.interfaces.node_exporter import NodeExporterInterface
from fleetops.emulator.interfaces.rackmon import RackmonInterface
from fleetops.emulator.interfaces.redfish import RedfishInterface
from fleetops.emulator.interfaces.slurm import SlurmInterface
from fleetops.emulator.interfaces.sonic import SonicInterface
from fleetops.emulator.interfaces.training import TrainingInterface
from fleetops_schemas.platforms import Interface

SERVED: tuple[type[ServedInterface], ...] = (
    DcgmInterface,
    AmdExporterInterface,
    NodeExporterInterface,
    InfinibandInterface,
    EthernetInterface,
    TrainingInterface,
    SlurmInterface,
    KernelLogInterface,
    RedfishInterface,
    RackmonInterface,
    FacilityInterface,
    FbossInterface,
    SonicInterface,
    GnmiInterface,
)


def build_interfaces(
    surroundings: Surroundings, only: Collection[Interface] | None = None
) -> list[ServedInterface]:
    """The interfaces that something of the site speaks; nothing is opened yet."""
    site = surroundings.fleet.site
    return [
        served(surroundings, selection)
        for served in SERVED
        if (only is None or served.interface in only)
        and (selection := select(site, served.interface))
    ]
