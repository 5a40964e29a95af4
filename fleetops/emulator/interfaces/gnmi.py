"""gNMI: a server for each switch that speaks it, over TLS, with a user name and a password.

A collector's subscription names no target, so that each switch has a port of its own. Values are
sampled at ticks: a subscriber that asks for more often gets them at each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from fleetops.core.errors import ConfigError
from fleetops.emulator.interfaces.base import (
    LOOPBACK,
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.interfaces.gnmi_tree import (
    BLOCKS,
    COUNTERS,
    MARKED,
    MODULE_METRICS,
    RATES,
    SENSORS,
    SUPPLY,
)
from fleetops.emulator.interfaces.secret_file import write_password
from fleetops.emulator.interfaces.switches import (
    HOST,
    PORT,
    POWER_UNIT,
    carried_of,
    switches_of,
)
from fleetops_schemas.platforms import Interface

USERNAME = "fleetops"
PASSWORD_FILE_NAME = "gnmi_password"  # noqa: S105  a file's name
CERTIFICATE_FILE_NAME = "gnmi_certificate.pem"
SAMPLE_SECONDS = (1.0, 3600.0)
"""What a collector may ask for."""
FIRST_DECIMAL, SECOND_DECIMAL = 0.05, 0.005
EIGHTEENTH_DECIMAL = 1e-18
TOLERANCES: Mapping[str, Mapping[str, float]] = {
    PORT: {
        "optics_temperature_celsius": FIRST_DECIMAL,
        "laser_temperature_celsius": FIRST_DECIMAL,
        "optics_supply_voltage_volts": SECOND_DECIMAL,
        "optics_bias_milliamperes": SECOND_DECIMAL,
        **dict.fromkeys(RATES.values(), EIGHTEENTH_DECIMAL),
    },
    HOST: {metric: FIRST_DECIMAL for _, metric in SENSORS.values()},
    POWER_UNIT: {"hotspot_temperature_celsius": FIRST_DECIMAL},
}


class GnmiInterface(ServedInterface):
    """The gNMI servers of all switches that have one."""

    interface: ClassVar[Interface] = Interface.GNMI
    settle_seconds: ClassVar[float] = 3.0

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Finds the switches; opens nothing."""
        super().__init__(surroundings, selection)
        self._switches = switches_of(surroundings.fleet, selection)
        self._servers: list[Any] = []
        self._ports: list[int] = []
        self._ticks: Any = None

    @override
    def carries(self) -> Mapping[str, Carried]:
        links = ("link_state", "rate_gigabits_per_second")
        counted = (*COUNTERS.values(), *BLOCKS.values(), *RATES.values(), *MARKED.values())
        metrics = {
            PORT: (*links, *counted, *MODULE_METRICS),
            HOST: (*(metric for _, metric in SENSORS.values()), "fan_speed_rpm"),
            POWER_UNIT: (*SUPPLY.values(), "hotspot_temperature_celsius"),
        }
        return carried_of(self._switches, metrics, TOLERANCES)

    @override
    def collectors(self) -> list[dict[str, Any]]:
        least, most = SAMPLE_SECONDS
        targets = [
            one.target(f"{LOOPBACK}:{port}")
            for one, port in zip(self._switches, self._ports, strict=True)
        ]
        return [
            {
                "kind": "gnmi",
                "name": "gnmi",
                "targets": targets,
                "username": USERNAME,
                "password_file": str(self._file(PASSWORD_FILE_NAME)),
                "ca_file": str(self._file(CERTIFICATE_FILE_NAME)),
                "sample_seconds": min(max(self.surroundings.fleet.tick_seconds, least), most),
            }
        ]

    @override
    async def start(self) -> None:
        # grpc's C core writes to stderr past every logger, each failed handshake too
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        try:
            from fleetops.emulator.interfaces import certificate, gnmi_server  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                f"gNMI switches need pygnmi: {error}; pip install 'fleetops[gnmi]'"
            ) from error
        around = self.surroundings
        made = certificate.self_signed(around.clock.now())
        self._file(CERTIFICATE_FILE_NAME).write_bytes(made.certificate)
        account = gnmi_server.Account(USERNAME, write_password(self._file(PASSWORD_FILE_NAME)))
        credentials = gnmi_server.tls(made.certificate, made.key)
        self._ticks = gnmi_server.Ticks()
        for switch in self._switches:
            service = gnmi_server.GnmiSwitch(
                switch, around.fleet, around.clock, self._ticks, account
            )
            server, port = gnmi_server.serve(service, credentials, LOOPBACK)
            self._servers.append(server)
            self._ports.append(port)
            await server.start()

    @override
    async def refresh(self) -> None:
        self._ticks.advance()

    @override
    async def close(self) -> None:
        servers, self._servers, self._ports = self._servers, [], []
        await asyncio.gather(*(server.stop(None) for server in servers))

    def _file(self, name: str) -> Path:
        return (self.surroundings.state_dir / name).resolve()
