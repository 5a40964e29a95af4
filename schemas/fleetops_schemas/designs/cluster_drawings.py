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

WIDTH = 820.0
HEAD_HEIGHT = 26.0
SHOWN = 4
"""Of equal switches and racks so many are drawn, the last one for all that are left."""
BOX_WIDTH, BOX_HEIGHT, TIER_HEIGHT = 128.0, 40.0, 96.0
PITCH = BOX_WIDTH + 14.0
NOTE_LEFT = SHOWN * PITCH + 10.0
BAR_LEFT, BAR_WIDTH, ROW_HEIGHT = 190.0, 250.0, 24.0


def cluster_sheet(cluster: Cluster) -> Drawing:
    """Everything about one cluster but its optics."""
    return svg.stacked(cluster.title, fabric_drawing(cluster), domains_drawing(cluster), gap=26)


def fabric_drawing(cluster: Cluster) -> Drawing:
    """Spines over leaves over racks, and the racks beside them that the fabric does not join."""
    main, built, fabric = main_group(cluster), wiring(cluster), cluster.fabric
    others = [one for one in racks_of(cluster) if one.group.role is not main.group.role]
    tiers = (built.spines > 0) + (built.leaves > 0) + 1 + bool(others)
    drawing = Drawing(WIDTH, HEAD_HEIGHT + tiers * TIER_HEIGHT - 40, f"Fabric of {cluster.title}")
    drawing.words(0, 16, "Fabric", size=svg.HEAD, bold=True)
    y = HEAD_HEIGHT
    if built.spines:
        spine = load_profile(Switch, fabric.spine)
        _tier(drawing, y, built.spines, "spine", svg.SCALE_UP)
        _notes(drawing, y, spine.title, f"{int(spine.ports):,} ports of {_rate(spine)}")
        ratio = float(fabric.oversubscription)
        up = f"{int(fabric.uplinks_per_leaf)} uplinks a leaf, {ratio:g} : 1"
        _mesh(drawing, y, built.spines, built.leaves, up)
        y += TIER_HEIGHT
    if built.leaves:
        leaf = load_profile(Switch, fabric.leaf)
        _tier(drawing, y, built.leaves, "leaf", svg.NETWORK)
        _notes(drawing, y, leaf.title, f"{int(leaf.ports):,} ports of {_rate(leaf)}")
        for place in range(min(built.leaves, SHOWN)):
            _link(drawing, y, place, place, svg.HOST)
        drawing.words(NOTE_LEFT, y + BOX_HEIGHT + 32, _ports(main), size=svg.SMALL)
        y += TIER_HEIGHT
    _racks(drawing, y, main, int(fabric.racks_per_leaf) if built.leaves else 1)
    for place, group in enumerate(others):
        _service(drawing, y + TIER_HEIGHT - 16, place, group)
    return drawing


def _tier(drawing: Drawing, y: float, count: int, word: str, hue: str) -> None:
    for place, label in enumerate(_labels(count, word)):
        drawing.box(place * PITCH, y, BOX_WIDTH, BOX_HEIGHT, hue, label)


def _labels(count: int, word: str) -> list[str]:
    """``leaf1``, ``leaf2``, ``leaf3``, ``... leaf64``."""
    names = [f"{word}{number}" for number in range(1, min(count, SHOWN) + 1)]
    if count > SHOWN:
        names[-1] = f"… {word}{count}"
    return names


def _notes(drawing: Drawing, y: float, *texts: str) -> None:
    lines = [line for text in texts for line in svg.wrapped(text, WIDTH - NOTE_LEFT, svg.SMALL)]
    for row, line in enumerate(lines):
        drawing.words(NOTE_LEFT, y + 12 + row * 14, line, size=svg.SMALL)


def _mesh(drawing: Drawing, y: float, upper: int, lower: int, words: str) -> None:
    """Lines from each drawn box above to each below."""
    for above in range(min(upper, SHOWN)):
        for below in range(min(lower, SHOWN)):
            _link(drawing, y, above, below, svg.NETWORK)
    drawing.words(NOTE_LEFT, y + BOX_HEIGHT + 32, words, size=svg.SMALL)


def _link(drawing: Drawing, y: float, above: int, below: int, hue: str) -> None:
    middle, top, bottom = BOX_WIDTH / 2, y + BOX_HEIGHT + 2, y + TIER_HEIGHT - 2
    drawing.line(above * PITCH + middle, top, below * PITCH + middle, bottom, hue, thick=1)


def _racks(drawing: Drawing, y: float, main: GroupRacks, together: int) -> None:
    """Racks, as many in a box as share a leaf."""
    per_rack = min(int(main.platform.rack.hosts), int(main.group.hosts))
    boxes = math.ceil(len(main.racks) / together)
    for place in range(min(boxes, SHOWN)):
        number = boxes - 1 if boxes > SHOWN and place == SHOWN - 1 else place
        first = number * together + 1
        last = min(first + together - 1, len(main.racks))
        label = f"rack {first}" if first == last else f"racks {first} to {last}"
        label = f"… {label}" if number != place else label
        hosts = min(last * per_rack, int(main.group.hosts)) - (first - 1) * per_rack
        small = f"{hosts} hosts" if hosts > 1 else "1 host"
        drawing.box(place * PITCH, y, BOX_WIDTH, BOX_HEIGHT, svg.HOST, label, small)
    count = int(main.group.hosts)
    total = f"{count:,} hosts"
    if main.platform.accelerators:
        total += f", {count * main.platform.accelerators:,} accelerators"
    role = main.group.role.value.replace("_", " ")
    _notes(drawing, y, f"{role}: {main.platform.title}", total)


def _service(drawing: Drawing, y: float, place: int, group: GroupRacks) -> None:
    role = group.group.role.value.replace("_", " ")
    racks = len(group.racks)
    count = f"{int(group.group.hosts):,} hosts, {racks} {'racks' if racks > 1 else 'rack'}"
    width = BOX_WIDTH * 2 + 14
    drawing.box(place * (width + 14), y, width, BOX_HEIGHT, svg.BUILDING, role, count)
    if not place:
        drawing.words(NOTE_LEFT, y + 17, "reached over the front end,", size=svg.SMALL)
        drawing.words(NOTE_LEFT, y + 32, "which is not drawn", size=svg.SMALL)


def _ports(main: GroupRacks) -> str:
    adapter = backend(main.platform)[0]
    cable = "fibre" if adapter.optics else "copper"
    rate = float(adapter.gigabits_per_second)
    return f"{int(adapter.count)} x {rate:g} Gbit/s a host, {cable}"


def _rate(switch: Switch) -> str:
    return f"{float(switch.gigabits_per_second):g} Gbit/s"


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
