"""A chart of the power of a cluster's optics, by component, for each choice of optics."""

from __future__ import annotations

from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs import svg
from fleetops_schemas.designs.optics_power import CHOICES, component_titles, optics_watts
from fleetops_schemas.designs.svg import Drawing
from fleetops_schemas.designs.wiring import accelerators

WIDTH, BAR_WIDTH = 700.0, 500.0
HEAD_HEIGHT, ROW_HEIGHT, BAR_HEIGHT = 30.0, 52.0, 24.0
LEGEND_COLUMNS = 3
KILO = 1e3


def optics_drawing(cluster: Cluster) -> Drawing:
    """A bar a choice; its pieces are components."""
    totals = [(choice, optics_watts(cluster, choice)) for choice in CHOICES]
    titles = {
        name: title
        for name, title in component_titles().items()
        if any(name in watts for _, watts in totals)
    }
    hues = dict(zip(titles, svg.SERIES, strict=False))
    rows = -(-len(titles) // LEGEND_COLUMNS)
    height = HEAD_HEIGHT + len(totals) * ROW_HEIGHT + rows * 20 + 8
    drawing = Drawing(WIDTH, height, f"Power of the optics of {cluster.title}")
    drawing.words(0, 16, "Power of all optics, by component", size=svg.HEAD, bold=True)
    most = max(sum(watts.values()) for _, watts in totals)
    for row, (choice, watts) in enumerate(totals):
        y, x = HEAD_HEIGHT + row * ROW_HEIGHT, 0.0
        drawing.words(0, y + 12, choice.title)
        for name in titles:
            width = BAR_WIDTH * watts.get(name, 0.0) / most
            if width:
                drawing.box(x, y + 18, width, BAR_HEIGHT, hues[name])
            x += width
        total = sum(watts.values())
        each = total / accelerators(cluster)
        words = f"{total / KILO:,.0f} kW, {each:,.0f} W an accelerator"
        drawing.words(x + 8, y + 34, words, size=svg.SMALL)
    for place, (name, title) in enumerate(titles.items()):
        row, column = divmod(place, LEGEND_COLUMNS)
        x, y = (
            column * WIDTH / LEGEND_COLUMNS,
            HEAD_HEIGHT + len(totals) * ROW_HEIGHT + row * 20 + 6,
        )
        drawing.box(x, y, 12, 12, hues[name])
        drawing.words(x + 18, y + 10, title.partition(" (")[0], size=svg.SMALL)
    return drawing
