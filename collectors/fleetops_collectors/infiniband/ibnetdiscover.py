"""Decodes saved output of ``ibnetdiscover --ports`` (rdma-core, infiniband-diags)."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import NamedTuple

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband.counters import metric, reading
from fleetops_collectors.infiniband.texts import numbered_lines
from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.readings import Quality

LANE_GIGABITS = {
    **{"SDR": 2.5, "DDR": 5.0, "QDR": 10.0, "FDR10": 10.0, "FDR": 14.0},
    **{"EDR": 25.0, "HDR": 50.0, "NDR": 100.0, "XDR": 200.0},
}
"""A lane's rate as sysfs computes it (Linux drivers/infiniband/core/sysfs.c)."""
_END = r"(?:CA|SW|RT)\s+\d{1,6}\s+\d{1,3}\s+0x[0-9a-fA-F]{1,16}"
_LINE = re.compile(
    r"\s*(?P<type>CA|SW|RT)\s+\d{1,6}\s+(?P<port>\d{1,3})\s+(?P<guid>0x[0-9a-fA-F]{1,16})\s+"
    r"(?P<width>\d{1,2}|\?+)x?\s+(?P<speed>\S{1,8})"
    rf"(?:\s+-\s+{_END}\s+\(\s*'(?P<near>.{{0,64}}?)'\s+-\s+'(?P<far>.{{0,64}})'\s*\)"
    r"|\s+'?(?P<alone>.{0,64}?)'?)\s*"
)
_MANAGED_SWITCH = re.compile(r"MF0;([^:]+):.*")
"""What a managed switch of NVIDIA calls itself: ``MF0;leaf01:MQM9700/U1``."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]+")


class _End(NamedTuple):
    """One port, as its line has it."""

    name: str
    guid: str
    port: str
    rate: Verdict
    up: bool

    @property
    def device(self) -> str:
        """The port's name; an adapter and its first port are one device."""
        adapter = "/" in self.name and self.port == "1"
        return self.name if adapter else f"{self.name}/{self.port}"


def looks_like_ibnetdiscover(text: str) -> bool:
    """Whether a text is output of ``ibnetdiscover --ports``."""
    return any(_LINE.fullmatch(line) for _, line in islice(numbered_lines(text), 50))


def decode_ibnetdiscover(text: str) -> Decoded:
    """State and rate of every port of the fabric.

    Switch ports are ``SWITCH/PORT``, adapters ``HOST/ADAPTER``, by what the nodes call themselves;
    nodes that share a name are told apart by their GUIDs.
    """
    out = Decoded()
    ends = []
    for number, line in numbered_lines(text):
        if match := _LINE.fullmatch(line):
            ends.append(_end(match))
        elif line.strip():
            out.problems.append(f"line {number}: not a port: {line.strip()[:60]!r}")
    ends = list({(end.guid, end.port): end for end in ends}.values())
    counts = Counter(end.device for end in ends)
    devices = {
        end.device if counts[end.device] == 1 else f"{end.guid}/{end.port}": end for end in ends
    }
    for device, end in devices.items():
        state: Verdict = (int(end.up), Quality.GOOD)
        out.readings.append(reading(device, metric("link_state"), state))
        out.readings.append(reading(device, metric("rate_gigabits_per_second"), end.rate))
    return out


def _end(match: re.Match[str]) -> _End:
    up = match["near"] is not None
    return _End(
        name=_name(match["near"] if up else match["alone"], match["type"]) or match["guid"],
        guid=match["guid"],
        port=match["port"],
        rate=_rate(match["width"], match["speed"]) if up else (None, Quality.ABSENT),
        up=up,
    )


def _name(description: str, node_type: str) -> str:
    text = description.strip()
    if managed := _MANAGED_SWITCH.fullmatch(text):
        text = managed[1]
    words = text.split()
    if node_type == "CA" and len(words) == 2:  # noqa: PLR2004 (host and adapter)
        return "/".join(_UNSAFE.sub("-", word) for word in words)
    return _UNSAFE.sub("-", text).strip("-")


def _rate(width: str, speed: str) -> Verdict:
    lane = LANE_GIGABITS.get(speed)
    if lane is None or not width.isdecimal():
        return None, Quality.MISSING
    return judge(metric("rate_gigabits_per_second"), lane * int(width))
