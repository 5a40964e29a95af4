"""Pictures of one cluster: its fabric, and how far the failure of one part reaches."""

from __future__ import annotations

import math

from fleetops_schemas.clusters import COMPUTE, Cluster
from fleetops_schemas.designs import svg
from fleetops_schemas.designs.failure_domains import Domain, failure_domains, main_group
from fleetops_schemas.designs.svg import Drawing
from fleetops_schemas.designs.wiring import GroupRacks, backend, racks_of, wiring
from fleetops_schemas.platforms import Switch
from fleetops_schemas.profiles import load_profile

WIDTH = 700.0
HEAD_HEIGHT = 26.0
SHOWN = 4
"""Of equal switches and racks so many are drawn, the last one for all that are left."""
BOX_WIDTH, BOX_HEIGHT, TIER_HEIGHT = 108.0, 40.0, 96.0
PITCH = BOX_WIDTH + 12.0
NOTE_WIDTH = 212.0
BAR_LEFT, BAR_WIDTH, ROW_HEIGHT = 180.0, 210.0, 24.0


def cluster_sheet(cluster: Cluster) -> Drawing:
    """Everything about one cluster but its optics."""
    return svg.stacked(cluster.title, fabric_drawing(cluster), domains_drawing(cluster), gap=26)


def fabric_drawing(cluster: Cluster) -> Drawing:
    """Spines over leaves over racks, and the racks beside them that the fabric does not join."""
    return _FabricDrawing(cluster).draw()


class _FabricDrawing:
    """One fabric; notes stand to the right of its boxes."""

    def __init__(self, cluster: Cluster) -> None:
        self._fabric = cluster.fabric
        self._main = main_group(cluster)
        self._built = wiring(cluster)
        role = self._main.group.role
        self._others = [one for one in racks_of(cluster) if one.group.role is not role]
        self._together = int(cluster.fabric.racks_per_leaf) if self._built.leaves else 1
        self._boxes = math.ceil(len(self._main.racks) / self._together)
        columns = max(self._built.spines, self._built.leaves, self._boxes, 2 * len(self._others))
        self._notes_at = min(columns, SHOWN) * PITCH + 8.0
        tiers = (self._built.spines > 0) + (self._built.leaves > 0) + 1 + bool(self._others)
        self._drawing = Drawing(
            self._notes_at + NOTE_WIDTH,
            HEAD_HEIGHT + tiers * TIER_HEIGHT - (64 if self._others else 44),
            f"Fabric of {cluster.title}",
        )

    def draw(self) -> Drawing:
        self._drawing.words(0, 16, "Fabric", size=svg.HEAD, bold=True)
        y, built = HEAD_HEIGHT, self._built
        if built.spines:
            self._switches(y, built.spines, "spine", self._fabric.spine)
            for above in range(min(built.spines, SHOWN)):
                for below in range(min(built.leaves, SHOWN)):
                    self._link(y, above, below, svg.NETWORK)
            ratio = float(self._fabric.oversubscription)
            self._note(y, f"{int(self._fabric.uplinks_per_leaf)} uplinks a leaf, {ratio:g} : 1")
            y += TIER_HEIGHT
        if built.leaves:
            self._switches(y, built.leaves, "leaf", self._fabric.leaf)
            for place in range(min(built.leaves, SHOWN)):
                self._link(y, place, place, svg.HOST)
            self._note(y, _ports(self._main))
            y += TIER_HEIGHT
        self._racks(y)
        for place, group in enumerate(self._others):
            self._service(y + TIER_HEIGHT - 20, place, group)
        return self._drawing

    def _switches(self, y: float, count: int, word: str, name: str) -> None:
        hue = svg.SCALE_UP if word == "spine" else svg.NETWORK
        for place, number in _numbers(count):
            label = f"{word}{number + 1}"
            label = label if number == place else f"… {label}"
            self._drawing.box(place * PITCH, y, BOX_WIDTH, BOX_HEIGHT, hue, label)
        switch = load_profile(Switch, name)
        rate = float(switch.gigabits_per_second)
        self._notes(y, switch.title, f"{int(switch.ports):,} ports of {rate:g} Gbit/s")

    def _racks(self, y: float) -> None:
        """Racks, as many in a box as share a leaf."""
        main, together = self._main, self._together
        per_rack, count = int(main.platform.rack.hosts), int(main.group.hosts)
        for place, number in _numbers(self._boxes):
            first = number * together + 1
            last = min(first + together - 1, len(main.racks))
            label = f"rack {first}" if first == last else f"racks {first} to {last}"
            if number != place:
                label = f"… {label}" if svg.fits(f"… {label}", BOX_WIDTH) else f"… to {last}"
            hosts = min(last * per_rack, count) - (first - 1) * per_rack
            small = f"{hosts} hosts" if hosts > 1 else "1 host"
            self._drawing.box(place * PITCH, y, BOX_WIDTH, BOX_HEIGHT, svg.HOST, label, small)
        total = f"{count:,} hosts"
        if main.platform.accelerators:
            total += f", {count * main.platform.accelerators:,} accelerators"
        role = main.group.role.value.replace("_", " ")
        self._notes(y, f"{role}: {main.platform.title}", total)

    def _service(self, y: float, place: int, group: GroupRacks) -> None:
        role, racks = group.group.role.value.replace("_", " "), len(group.racks)
        count = f"{int(group.group.hosts):,} hosts, {racks} {'racks' if racks > 1 else 'rack'}"
        width = BOX_WIDTH + PITCH
        self._drawing.box(place * 2 * PITCH, y, width, BOX_HEIGHT, svg.BUILDING, role, count)
        if not place:
            self._notes(y, "reached over the front end, which is not drawn")

    def _link(self, y: float, above: int, below: int, hue: str) -> None:
        middle, top, bottom = BOX_WIDTH / 2, y + BOX_HEIGHT + 2, y + TIER_HEIGHT - 2
        x1, x2 = above * PITCH + middle, below * PITCH + middle
        self._drawing.line(x1, top, x2, bottom, hue, thick=1)

    def _notes(self, y: float, *texts: str) -> None:
        lines = [line for text in texts for line in svg.wrapped(text, NOTE_WIDTH, svg.SMALL)]
        for row, line in enumerate(lines):
            self._drawing.words(self._notes_at, y + 12 + row * 14, line, size=svg.SMALL)

    def _note(self, y: float, text: str) -> None:
        """Beside the links below a tier."""
        y += BOX_HEIGHT + 34
        self._drawing.words(self._notes_at, y, text, size=svg.SMALL)


def _numbers(count: int) -> list[tuple[int, int]]:
    """(place, number) of the boxes that are drawn: the first ones, and the last for the rest."""
    places = [(place, place) for place in range(min(count, SHOWN))]
    if count > SHOWN:
        places[-1] = (SHOWN - 1, count - 1)
    return places


def _ports(main: GroupRacks) -> str:
    adapter = backend(main.platform)[0]
    cable = "fibre" if adapter.optics else "copper"
    rate = float(adapter.gigabits_per_second)
    return f"{int(adapter.count)} x {rate:g} Gbit/s a host, {cable}"


def domains_drawing(cluster: Cluster) -> Drawing:
    """One bar a kind of part, as long as the logarithm of what stops with it."""
    domains, main = failure_domains(cluster), main_group(cluster)
    height = HEAD_HEIGHT + 18 + len(domains) * ROW_HEIGHT
    drawing = Drawing(WIDTH, height, f"Failure domains of {cluster.title}")
    drawing.words(0, 16, "What stops with one part", size=svg.HEAD, bold=True)
    unit = "accelerators" if main.group.role in COMPUTE else "hosts"
    drawing.words(BAR_LEFT, 34, f"{unit}, logarithmic", size=svg.SMALL)
    most = max(_reach(domain, unit) for domain in domains)
    for row, domain in enumerate(domains):
        _bar(drawing, HEAD_HEIGHT + 18 + row * ROW_HEIGHT, domain, unit, most)
    return drawing


def _reach(domain: Domain, unit: str) -> int:
    return domain.accelerators if unit == "accelerators" else domain.hosts


def _bar(drawing: Drawing, y: float, domain: Domain, unit: str, most: int) -> None:
    reach = _reach(domain, unit)
    drawing.words(0, y + 14, f"{domain.part} (of {domain.parts:,})")
    width = BAR_WIDTH * math.log2(1 + reach) / math.log2(1 + most)
    if reach:
        drawing.box(BAR_LEFT, y + 2, width, ROW_HEIGHT - 7, svg.WARM if reach == most else svg.HOST)
    text = f"{reach:,}" if reach else "none"
    if reach and domain.hosts > 1 and unit == "accelerators":
        text += f" on {domain.hosts:,} hosts"
    text += f": {domain.note}" if domain.note else ""
    drawing.words(BAR_LEFT + (width + 8 if reach else 0), y + 14, text, size=svg.SMALL)
