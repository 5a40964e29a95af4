"""Takes saved output of ``ibstat`` and ``ibstatus`` apart: adapters as sysfs would show them."""

from __future__ import annotations

import re
from itertools import islice

from fleetops_collectors.infiniband.adapters import Adapter, Port
from fleetops_collectors.infiniband.texts import numbered_lines

_IBSTAT = re.compile(r"(?:CA|Switch|Router|iWARP RNIC|\?\?\?):? '(?P<adapter>[^'/]{1,64})'")
_IBSTAT_PORT = re.compile(r"Port (?P<port>\d{1,3}):")
_IBSTATUS = re.compile(
    r"Infiniband device '(?P<adapter>[^'/]{1,64})' port (?P<port>\d{1,3}) status:"
)
_PAIR = re.compile(r"(?P<name>[A-Za-z_ ]{1,40}?):\s*(?P<value>\S.{0,100})")
_ADAPTER_FILES = {
    "CA type": "hca_type",
    "Firmware version": "fw_ver",
    "Node GUID": "node_guid",
}
_PORT_FILES = {
    **{"State": "state", "Physical state": "phys_state", "Rate": "rate"},
    **{"Link layer": "link_layer"},
    **{"state": "state", "phys state": "phys_state", "rate": "rate", "link_layer": "link_layer"},
}
"""By what ibstat (in capitals) and ibstatus call them: the names of sysfs' files."""
_STATES = {"Down": "1: DOWN", "Initializing": "2: INIT", "Armed": "3: ARMED", "Active": "4: ACTIVE"}
_PHYSICAL = (
    *("Sleep", "Polling", "Disabled", "PortConfigurationTraining", "LinkUp"),
    *("LinkErrorRecovery", "PhyTest"),
)
"""ibstat's words, from 1."""
_GIGABITS = re.compile(r"(\d{1,5}(?:\.5)?)(?: \(FDR10\))?")


class _Reader:
    """Gathers ports as their lines come."""

    def __init__(self) -> None:
        self._about: dict[str, dict[str, str | None]] = {}
        self._ports: dict[str, dict[str, dict[str, str | None]]] = {}
        self._adapter = ""
        self._port = ""

    def line(self, text: str) -> None:
        if match := _IBSTATUS.fullmatch(text):
            self._begin(match["adapter"], match["port"])
        elif match := _IBSTAT.fullmatch(text):
            self._begin(match["adapter"], "")
        elif not self._adapter:
            return
        elif match := _IBSTAT_PORT.fullmatch(text):
            self._begin(self._adapter, match["port"])
        elif match := _PAIR.fullmatch(text):
            self._pair(match["name"], match["value"])

    def adapters(self) -> list[Adapter]:
        return [
            Adapter(
                name=name,
                values=self._about[name],
                ports=[Port(number, values) for number, values in ports.items() if values],
            )
            for name, ports in self._ports.items()
        ]

    def _begin(self, adapter: str, port: str) -> None:
        self._adapter, self._port = adapter, port
        self._about.setdefault(adapter, {})
        ports = self._ports.setdefault(adapter, {})
        if port:
            ports.setdefault(port, {})

    def _pair(self, name: str, value: str) -> None:
        if not self._port:
            if file := _ADAPTER_FILES.get(name):
                self._about[self._adapter].setdefault(file, value)
        elif file := _PORT_FILES.get(name):
            self._ports[self._adapter][self._port].setdefault(file, _as_sysfs(file, value))


def looks_like_ibstat(text: str) -> bool:
    """Whether a text is output of ibstat or ibstatus."""
    lines = (line.strip() for _, line in islice(numbered_lines(text), 50))
    return any(_IBSTAT.fullmatch(line) or _IBSTATUS.fullmatch(line) for line in lines)


def read_ibstat(text: str) -> list[Adapter]:
    """The adapters that ``ibstat`` or ``ibstatus`` printed."""
    reader = _Reader()
    for _, line in numbered_lines(text):
        reader.line(line.strip())
    return reader.adapters()


def _as_sysfs(file: str, value: str) -> str:
    """The words of ibstat as sysfs writes them; ibstatus prints sysfs' own."""
    if file == "state":
        return _STATES.get(value, value)
    if file == "phys_state" and value in _PHYSICAL:
        return f"{_PHYSICAL.index(value) + 1}: {value}"
    if file == "rate" and (match := _GIGABITS.fullmatch(value)):
        return f"{match[1]} Gb/sec"
    return value
