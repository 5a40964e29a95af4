"""Pictures of one platform: its rack from the front, the way of its heat and of its power."""

from __future__ import annotations

from collections import Counter

from fleetops_schemas.designs import svg
from fleetops_schemas.designs.racks import (
    Part,
    air_rise_kelvin,
    air_watts,
    backup_seconds,
    coolant_rise_kelvin,
    elevation,
    hosts_per_rack,
    liquid_watts,
    litres_per_minute,
    rack_watts,
)
from fleetops_schemas.designs.svg import Drawing
from fleetops_schemas.platforms import CoolantUnit, Platform, RackPower, Switch
from fleetops_schemas.profiles import load_profile

UNIT = 8.0
RACK_WIDTH = 150.0
HEAD_HEIGHT = 26.0
MARKED_UNITS = 6
FLOW_WIDTH, BOX_HEIGHT, ARROW_HEIGHT = 430.0, 40.0, 46.0
PART_HUES = {
    Part.HOST: svg.HOST,
    Part.SCALE_UP: svg.SCALE_UP,
    Part.SHELF: svg.POWER,
    Part.BATTERY: svg.BATTERY,
    Part.SWITCH: svg.NETWORK,
    Part.COOLANT: svg.COLD,
}


def platform_sheet(platform: Platform) -> Drawing:
    """Everything about one platform."""
    ways = svg.stacked("", cooling_drawing(platform), power_drawing(platform))
    return svg.beside(platform.title, rack_drawing(platform), ways)


def rack_drawing(platform: Platform) -> Drawing:
    """A rack from the front."""
    units = int(platform.rack.height_units)
    drawing = Drawing(390, units * UNIT + HEAD_HEIGHT + 8, f"Rack of {platform.title}")
    left, top = 30.0, HEAD_HEIGHT
    drawing.words(left, 16, f"Rack, {units} units", size=svg.HEAD, bold=True)
    floor = top + units * UNIT
    for side in (left - 2, left + RACK_WIDTH + 2):
        drawing.line(side, top, side, floor, thick=3)
    drawing.line(left - 2, floor + 2, left + RACK_WIDTH + 2, floor + 2, thick=3)
    for unit in range(MARKED_UNITS, units + 1, MARKED_UNITS):
        y = floor - unit * UNIT + UNIT
        drawing.words(left - 8, y, str(unit), size=svg.SMALL, anchor="end")
    for slot in elevation(platform):
        width = RACK_WIDTH / slot.columns
        drawing.box(
            left + slot.column * width + 0.5,
            floor - (slot.bottom + slot.height - 1) * UNIT + 0.5,
            width - 1,
            slot.height * UNIT - 1,
            PART_HUES[slot.part],
        )
    for row, (part, words) in enumerate(_legend(platform)):
        y = top + 14 + row * 34
        drawing.box(left + RACK_WIDTH + 16, y - 10, 12, 12, PART_HUES[part])
        for line, text in enumerate(words):
            size = svg.SMALL if line else svg.TEXT
            drawing.words(left + RACK_WIDTH + 34, y + 13 * line, text, size=size)
    return drawing


def _legend(platform: Platform) -> list[tuple[Part, tuple[str, str]]]:
    """Each kind of part: how many, and what they are."""
    counts = Counter(slot.part for slot in elevation(platform))
    power = load_profile(RackPower, platform.rack.power)
    accelerators = f"{platform.accelerators} accelerators each" if platform.accelerators else ""
    if platform.head_node:
        accelerators = f"{platform.accelerators} accelerators and a head node"
    texts = {
        Part.HOST: ("host", "hosts", accelerators or f"{platform.rated_watts:,.0f} W each"),
        Part.SCALE_UP: ("switch tray", "scale-up switch trays", "join the rack's accelerators"),
        Part.SHELF: (
            "power shelf",
            "power shelves",
            f"{int(power.supplies.per_shelf)} supplies each",
        ),
        Part.BATTERY: ("shelf of batteries", "shelves of batteries", ""),
        Part.SWITCH: ("leaf switch", "", load_profile(Switch, platform.rack.leaf).title),
        Part.COOLANT: ("pump unit", "", "its heat goes to the room's air"),
    }
    return [
        (part, (f"{counts[part]} {texts[part][counts[part] > 1]}", _short(texts[part][2])))
        for part in Part
        if counts[part]
    ]


def _short(text: str, width: float = 176.0) -> str:
    """Words that fit beside the rack."""
    if svg.fits(text, width, svg.SMALL):
        return text
    kept = text.partition(" (")[0]
    return kept if svg.fits(kept, width, svg.SMALL) else kept[:32].rstrip() + "…"


def cooling_drawing(platform: Platform) -> Drawing:
    """The way of the heat at rated load."""
    return _liquid(platform) if platform.cooling.unit else _air(platform)


def _liquid(platform: Platform) -> Drawing:
    unit = load_profile(CoolantUnit, str(platform.cooling.unit))
    racks = platform.cooling.racks_per_unit if unit.kind == "liquid_to_liquid" else 1
    hosts = hosts_per_rack(platform) * racks
    flow, heat = hosts * litres_per_minute(platform), hosts * liquid_watts(platform)
    supply = float(unit.supply_celsius)
    back = supply + coolant_rise_kelvin(heat, flow)
    drawing = _flow("Coolant loop at rated load", 3)
    level = _levels()
    where = f"{racks} racks, {hosts} hosts" if racks > 1 else f"one rack, {hosts} hosts"
    drawing.box(
        0, level[0], FLOW_WIDTH, BOX_HEIGHT, svg.HOST, where, f"{heat / 1e3:,.0f} kW into coolant"
    )
    pumps = f"{int(unit.pumps)} pumps at {float(unit.pump_speed_ratio):.0%}"
    drawing.box(0, level[1], FLOW_WIDTH, BOX_HEIGHT, svg.COLD, unit.title, pumps)
    water = unit.kind == "liquid_to_liquid"
    primary = (
        f"{'Facility water' if water else 'Air of the room'}, {float(unit.primary_celsius):g} °C"
    )
    drawing.box(0, level[2], FLOW_WIDTH, BOX_HEIGHT, svg.BUILDING, primary)
    pressure = float(unit.pressure_kilopascals)
    _pair(
        drawing, level[0], f"{supply:g} °C, {flow:,.0f} L/min, {pressure:g} kPa", f"{back:.1f} °C"
    )
    approach = float(unit.approach_kelvin)
    _pair(drawing, level[1], "", f"at most {back - approach:.1f} °C")
    left = air_watts(platform) * hosts / racks / 1e3
    drawing.words(
        0, level[2] + BOX_HEIGHT + 18,
        f"Air takes {left:,.1f} kW of each rack and warms by {air_rise_kelvin(platform):.0f} K.",
        size=svg.SMALL,
    )  # fmt: skip
    return drawing


def _air(platform: Platform) -> Drawing:
    drawing, level = _flow("Air at rated load", 3), _levels()
    inlet = float(platform.cooling.inlet_celsius)
    heat = hosts_per_rack(platform) * air_watts(platform)
    drawing.box(0, level[0], FLOW_WIDTH, BOX_HEIGHT, svg.BUILDING, f"Cold aisle, {inlet:g} °C")
    hosts = f"{hosts_per_rack(platform)} hosts, fans at full load"
    drawing.box(
        0, level[1], FLOW_WIDTH, BOX_HEIGHT, svg.HOST, hosts, f"{heat / 1e3:,.1f} kW into air"
    )
    outlet = inlet + air_rise_kelvin(platform)
    drawing.box(0, level[2], FLOW_WIDTH, BOX_HEIGHT, svg.WARM, f"Hot aisle, {outlet:.0f} °C")
    middle = FLOW_WIDTH / 2
    for upper, hue in ((level[0], svg.COLD), (level[1], svg.WARM)):
        start = upper + BOX_HEIGHT
        drawing.line(middle, start + 6, middle, start + ARROW_HEIGHT - 10, hue, thick=3, arrow=True)
    return drawing


def power_drawing(platform: Platform) -> Drawing:
    """The way of the power at rated load."""
    power, rack = load_profile(RackPower, platform.rack.power), platform.rack
    drawing, level = _flow("Power at rated load", 3), _levels()
    supplies, shelves = power.supplies, int(rack.shelves)
    mains = f"Mains, {float(supplies.input_volts):g} V, {float(supplies.input_hertz):g} Hz"
    drawing.box(0, level[0], FLOW_WIDTH, BOX_HEIGHT, svg.BUILDING, mains)
    each = int(supplies.per_shelf)
    what = f"{shelves} x {each} supplies of {float(supplies.rated_watts) / 1e3:g} kW"
    load = rack_watts(platform)
    kept = f"batteries carry the rack for {backup_seconds(platform):.0f} s"
    if power.batteries is None:
        kept = ""
    drawing.box(0, level[1], FLOW_WIDTH, BOX_HEIGHT, svg.POWER, what, kept)
    hosts = f"{hosts_per_rack(platform)} hosts, {load / 1e3:,.1f} kW"
    share = load / (shelves * each * float(supplies.rated_watts))
    drawing.box(
        0, level[2], FLOW_WIDTH, BOX_HEIGHT, svg.HOST, hosts, f"{share:.0%} of the supplies"
    )
    volts = float(supplies.output_volts)
    bus = f"{volts:g} V, {load / volts:,.0f} A"
    limit = f"at most {float(power.busbar_watts) / 1e3:g} kW"
    middle = FLOW_WIDTH / 2
    for upper, words in (
        (level[0], ""),
        (level[1], bus if power.in_hosts else f"busbar: {bus}, {limit}"),
    ):
        start = upper + BOX_HEIGHT
        drawing.line(
            middle, start + 6, middle, start + ARROW_HEIGHT - 10, svg.POWER, thick=3, arrow=True
        )
        drawing.words(middle + 12, start + 27, words, size=svg.SMALL)
    return drawing


def _flow(title: str, boxes: int) -> Drawing:
    height = HEAD_HEIGHT + boxes * BOX_HEIGHT + (boxes - 1) * ARROW_HEIGHT + 26
    drawing = Drawing(FLOW_WIDTH, height, title)
    drawing.words(0, 16, title, size=svg.HEAD, bold=True)
    return drawing


def _levels() -> list[float]:
    return [HEAD_HEIGHT + row * (BOX_HEIGHT + ARROW_HEIGHT) for row in range(3)]


def _pair(drawing: Drawing, upper: float, cold: str, warm: str) -> None:
    """Two arrows between a box and the next: the cold one up, the warm one down."""
    top, bottom = upper + BOX_HEIGHT + 10, upper + BOX_HEIGHT + ARROW_HEIGHT - 10
    left, right = 40.0, FLOW_WIDTH - 120.0
    drawing.line(left, bottom + 4, left, top, svg.COLD, thick=3, arrow=True)
    drawing.line(right, top - 4, right, bottom, svg.WARM, thick=3, arrow=True)
    drawing.words(left + 12, top + 17, cold, size=svg.SMALL)
    drawing.words(right + 12, top + 17, warm, size=svg.SMALL)
