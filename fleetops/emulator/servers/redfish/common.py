"""What every management controller has: service root, sensors, manager, log."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from fleetops.core.clock import Clock
from fleetops.emulator.management_log import LogEntry, ManagementLogs
from fleetops.emulator.servers.redfish.tree import OK, ROOT, Resource, Tree, link

SENSOR_UNITS = {
    "Temperature": "Cel",
    "Power": "W",
    "EnergyJoules": "J",
    "EnergykWh": "kW.h",
    "LiquidFlowLPM": "L/min",
    "PressurekPa": "kPa",
    "Heat": "kW",
    "Percent": "%",
    "Voltage": "V",
    "Current": "A",
    "Frequency": "Hz",
}


class SensorFolder:
    """The sensors of a chassis, added one by one."""

    def __init__(self, tree: Tree, chassis: str, clock: Clock) -> None:
        """Sensors of ``Chassis/<chassis>``."""
        self._tree = tree
        self._chassis = chassis
        self._clock = clock
        self._names: list[str] = []

    def path(self, name: str) -> str:
        """Path of a sensor below the service root."""
        return f"Chassis/{self._chassis}/Sensors/{name}"

    def add(
        self, name: str, title: str, reading_type: str, context: str, read: Callable[[], float]
    ) -> None:
        """One sensor; its reading time is now."""
        self._names.append(name)

        def make() -> Resource:
            return {
                "Id": name,
                "Name": title,
                "ReadingType": reading_type,
                "PhysicalContext": context,
                "Status": OK,
                "Reading": round(float(read()), 3),
                "ReadingUnits": SENSOR_UNITS[reading_type],
                "ReadingTime": self._clock.now().isoformat(timespec="milliseconds"),
            }

        self._tree.add(self.path(name), "Sensor.v1_12_0.Sensor", make)

    def close(self) -> None:
        """Adds the collection, when all sensors are there."""
        self._tree.add_collection(f"Chassis/{self._chassis}/Sensors", "Sensor", self._names)


def add_service(tree: Tree, device: str, services: tuple[str, ...]) -> None:
    """The service root with the collections named."""
    tree.add(
        "",
        "ServiceRoot.v1_20_0.ServiceRoot",
        {
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": "1.15.0",
            "UUID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{device}.emulated")),
            "Vendor": "FleetOps Emulator",
            "ProtocolFeaturesSupported": {
                "ExpandQuery": {
                    "ExpandAll": True,
                    "Levels": True,
                    "MaxLevels": 6,
                    "Links": False,
                    "NoLinks": True,
                },
                "SelectQuery": False,
                "FilterQuery": False,
                "OnlyMemberQuery": False,
                "ExcerptQuery": False,
            },
            **{service: link(service) for service in services},
            "SessionService": link("SessionService"),
            "Links": {"Sessions": link("SessionService/Sessions")},
        },
    )


def add_manager(tree: Tree, device: str, name: str, logs: ManagementLogs, clock: Clock) -> None:
    """The controller itself, with its event log (entries inline, newest last)."""
    base = f"Managers/{name}"
    entries_path = f"{base}/LogServices/Log/Entries"
    tree.add_collection("Managers", "Manager", [name])
    tree.add(
        base,
        "Manager.v1_24_0.Manager",
        lambda: {
            "Id": name,
            "Name": "Manager",
            "ManagerType": "BMC",
            "Model": "Emulated controller",
            "FirmwareVersion": "1.0.0",
            "DateTime": clock.now().isoformat(timespec="seconds"),
            "DateTimeLocalOffset": "+00:00",
            "Status": OK,
            "PowerState": "On",
            "LogServices": link(f"{base}/LogServices"),
        },
    )
    tree.add_collection(f"{base}/LogServices", "LogService", ["Log"])
    tree.add(
        f"{base}/LogServices/Log",
        "LogService.v1_9_0.LogService",
        lambda: {
            "Id": "Log",
            "Name": "Event Log",
            "MaxNumberOfRecords": 1000,
            "OverWritePolicy": "WrapsWhenFull",
            "DateTime": clock.now().isoformat(timespec="seconds"),
            "ServiceEnabled": True,
            "Status": OK,
            "Entries": link(entries_path),
        },
    )

    def entries() -> Resource:
        members = [_entry(entry, entries_path) for entry in logs.entries(device)]
        return {
            "Name": "Log Entry Collection",
            "Members@odata.count": len(members),
            "Members": members,
        }

    tree.add(entries_path, "LogEntryCollection.LogEntryCollection", entries)


def _entry(entry: LogEntry, entries_path: str) -> Resource:
    return {
        "@odata.id": f"{ROOT}/{entries_path}/{entry.id}",
        "@odata.type": "#LogEntry.v1_21_0.LogEntry",
        "Id": str(entry.id),
        "Name": f"Log Entry {entry.id}",
        "EntryType": "Event",
        "Severity": entry.severity,
        "Created": entry.created.isoformat(timespec="milliseconds"),
        "Message": entry.message,
        "MessageArgs": [entry.argument],
        "MessageId": entry.message_id,
        "Links": {"OriginOfCondition": {"@odata.id": entry.origin}},
    }
