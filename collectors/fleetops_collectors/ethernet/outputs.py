"""Saved output of ``ethtool``: statistics, FEC, pause and module, as text or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fleetops.core.errors import InputError
from fleetops_collectors.ethernet.optics import Module, module_from_json

MAX_LINE = 512
_BLOCK = re.compile(
    r"(?P<nic>NIC statistics)"
    r"|(?:Standard )?[Ss]tats for (?P<standard>[^\s:]{1,15})"
    r"|(?:(?:FEC|Pause) parameters|Settings) for (?P<parameters>[^\s:]{1,15})"
)
_COMMAND = re.compile(
    r".{0,200}\bethtool\s+(?P<options>(?:-\S+\s+)+)(?P<interface>[A-Za-z0-9._@-]{1,15})\b.*"
)
"""The command itself, in what was copied from a terminal, names the interface."""
_COUNTERS_ASKED = frozenset({"-S", "--statistics"})
"""Options after which counters follow, also where ``grep`` took their heading away."""
_MODULE = re.compile(r"\s*Identifier\s*:.*")
"""The first line of what ``-m`` prints; no heading goes before it."""
_PAIR = re.compile(r"(?P<name>.{1,80}?)\s*:\s*(?P<value>.{0,400})")
_LANE = re.compile(r"(?P<what>.{1,60}?)\s*(?:\(channel \d{1,2}\))?")
_STATISTICS = "Statistics"
_SPEED = "speed"
_SETTINGS = frozenset({_SPEED, "link detected"})
_MEGABITS = re.compile(r"(\d{1,9})Mb/s")
_ABOUT = frozenset({"vendor name", "vendor pn", "vendor sn", "active firmware version"})
_TEMPERATURE = "module temperature"
_DIAGNOSTICS = {
    "laser tx bias current": "bias",
    "laser bias current": "bias",
    "transmit avg optical power": "transmit",
    "laser output power": "transmit",
    "rcvr signal avg optical power": "receive",
    "receiver signal average optical power": "receive",
    "receiver signal oma": "receive",
}


@dataclass(slots=True)
class Output:
    """What was said of one interface."""

    interface: str
    """Empty where the text does not name it."""
    statistics: dict[str, str] = field(default_factory=dict)
    """Numbers as texts, by the driver's or the kernel's name."""
    settings: dict[str, str] = field(default_factory=dict)
    """By the names of sysfs: ``speed``, ``operstate``."""
    module: Module = field(default_factory=Module)


@dataclass(slots=True)
class Parsed:
    """What a text held."""

    outputs: dict[str, Output] = field(default_factory=dict)
    """By interface."""
    problems: list[str] = field(default_factory=list)

    def of(self, interface: str) -> Output:
        """The output of an interface, empty at first."""
        output = self.outputs.get(interface)
        if output is None:
            output = self.outputs[interface] = Output(interface)
        return output


def decode_output(data: bytes) -> Parsed:
    """Takes output of ethtool apart; several commands' may follow each other.

    Raises:
        InputError: there is nothing of ethtool in it.
    """
    text = data.decode("utf-8", "replace")
    parsed = _json(text) if text.lstrip().startswith("[") else _Text().parse(text)
    parsed.outputs = {
        name: one
        for name, one in parsed.outputs.items()
        if one.statistics or one.settings or one.module
    }
    if not parsed.outputs:
        raise InputError(
            "no output of ethtool, ethtool -S, --show-fec, -a or -m in it (text or JSON); "
            "save it as: ethtool -S eth0 > eth0.txt"
        )
    return parsed


class _Text:
    """One text, line by line."""

    def __init__(self) -> None:
        self._parsed = Parsed()
        self._interface = ""
        self._counting = False
        """Whether lines are counters: below a heading of statistics."""

    def parse(self, text: str) -> Parsed:
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > MAX_LINE or not line.strip():
                continue
            if not self._heading(line.strip()):
                self._pair(number, line)
        return self._parsed

    def _heading(self, line: str) -> bool:
        if match := _COMMAND.fullmatch(line):
            self._interface = match["interface"]
            self._counting = not _COUNTERS_ASKED.isdisjoint(match["options"].split())
            return True
        match = _BLOCK.fullmatch(line.rstrip(":"))
        if match is None:
            if line.rstrip(":") != _STATISTICS:
                return False
            self._counting = True
            return True
        self._interface = match["standard"] or match["parameters"] or self._interface
        self._counting = match["parameters"] is None
        return True

    def _pair(self, number: int, line: str) -> None:
        output = self._parsed.of(self._interface)
        if self._counting and not _MODULE.fullmatch(line):
            name, colon, value = line.strip().rpartition(":")
            if not colon:
                self._parsed.problems.append(f"line {number}: not a counter: {line.strip()[:60]!r}")
            elif not name.startswith("Lane "):  # a lane's share of the counter above it
                output.statistics.setdefault(name.strip(), value.strip())
            return
        self._counting = False
        if match := _PAIR.fullmatch(line.strip()):
            name, value = match["name"].lower(), match["value"].strip()
            if name in _SETTINGS:
                output.settings.update(_setting(name, value))
            else:
                self._diagnostic(output.module, name, value)

    def _diagnostic(self, module: Module, name: str, value: str) -> None:
        if name in _ABOUT:
            module.about.setdefault(name, value)
        elif name == _TEMPERATURE:
            module.temperature = value if module.temperature is None else module.temperature
        elif (match := _LANE.fullmatch(name)) and (lanes := _DIAGNOSTICS.get(match["what"])):
            getattr(module, lanes).append(value)


def _setting(name: str, value: str) -> dict[str, str]:
    """What sysfs would say; nothing for what ethtool does not know ("Unknown!")."""
    if name == _SPEED:
        match = _MEGABITS.fullmatch(value)
        return {"speed": match[1]} if match else {"speed": "-1"}
    state = {"yes": "up", "no": "down"}.get(value.partition(" ")[0])
    return {"operstate": state} if state else {}


def _json(text: str) -> Parsed:
    try:
        data = json.loads(text, object_pairs_hook=_first_of_each)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON of ethtool: {str(error)[:200]}") from error
    parsed = Parsed()
    for said in data if isinstance(data, list) else []:
        if isinstance(said, dict):
            name = said.get("ifname")
            output = parsed.of(name[:15] if isinstance(name, str) else "")
            for key, value in _counters(said):
                output.statistics.setdefault(key, value)
            output.module = module_from_json(said) or output.module
    return parsed


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Ethtool writes ``module_temperature`` twice: the number, then its thresholds."""
    found: dict[str, object] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


def _counters(said: dict[str, object]) -> Iterator[tuple[str, str]]:
    """``eth-mac``: {name: number}; ``statistics``: {name: number or {total: number}}."""
    for group, values in said.items():
        if not isinstance(values, dict) or not (group.startswith(("eth-", "rmon", "statistics"))):
            continue
        for name, value in values.items():
            number = value.get("total") if isinstance(value, dict) else value
            if isinstance(number, int) and not isinstance(number, bool):
                yield (name if group == "statistics" else f"{group}-{name}"), str(number)
