"""What the firmware of management controllers notes in their logs, by what they see change.

Message ids and severities are those of DMTF's registries Environmental 1.4, Power 1.2 and Platform
1.3; the texts are ours. What a controller finds when it starts is no news.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from fleetops.emulator.groups import Indices, indices
from fleetops.emulator.interfaces.redfish.controller import Controller
from fleetops.emulator.interfaces.redfish.points import Point
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.tables import Table

PRESENCE = "present"
"""Stands for the table's own column of who answers."""


class Message(NamedTuple):
    """One message of a registry."""

    severity: str
    id: str
    text: str


_LEAK = {
    0: Message("OK", "LeakDetectedNormal", "Leak detector '%1' is dry again."),
    1: Message("Warning", "LeakDetectedWarning", "Leak detector '%1' sees a small leak."),
    2: Message("Critical", "LeakDetectedCritical", "Leak detector '%1' sees a large leak."),
}
_DETECTOR = {
    0: Message("Warning", "LeakDetectorFailure", "Leak detector '%1' does not work."),
    1: Message("OK", "LeakDetectorRestored", "Leak detector '%1' works again."),
}
_PUMP = {
    0: Message("OK", "PumpRestored", "Pump '%1' works again."),
    2: Message("Critical", "PumpFailed", "Pump '%1' does not reach half its speed."),
}
_LEVEL = {
    0: Message("OK", "FluidLevelNormal", "The level in '%1' is as it should be."),
    1: Message("Warning", "FluidLevelWarning", "The level in '%1' is low."),
}
_SUPPLY = {
    0: Message("OK", "PowerSupplyRestored", "Power supply '%1' works again."),
    2: Message("Critical", "PowerSupplyFailed", "Power supply '%1' gives no power."),
}
_LINE = {
    0: Message("OK", "LineInputPowerRestored", "Power supply '%1' has input power again."),
    1: Message("Warning", "LossOfInputPower", "Power supply '%1' has no input power."),
}
_GROUP = {
    0: Message("OK", "PowerSupplyGroupNormal", "The supplies of '%1' have one to spare."),
    1: Message("Warning", "PowerSupplyGroupWarning", "The supplies of '%1' have none to spare."),
}
_MISSING = {0: Message("Critical", "DeviceMissing", "Device '%1' is no longer there.")}


class Rule(NamedTuple):
    """What is noted of one state of a type of resource."""

    registry: str
    messages: Mapping[int, Message]
    """By the value that it changes to; nothing is noted of others."""
    column: str = ""
    """Where it stands in the table, if not in the point's own metric."""


NOTED: Mapping[tuple[str, str], Rule] = {
    ("LeakDetector", "leak_state"): Rule("Environmental.1.4", _LEAK),
    ("LeakDetector", "leak_detector_ok"): Rule("Environmental.1.4", _DETECTOR),
    ("Pump", "health"): Rule("Environmental.1.4", _PUMP),
    ("Reservoir", "reservoir_state"): Rule("Environmental.1.4", _LEVEL),
    ("PowerSupply", "health"): Rule("Power.1.2", _SUPPLY),
    ("PowerSupply", "line_input_state"): Rule("Power.1.2", _LINE),
    ("PowerSubsystem", "redundancy_lost"): Rule("Power.1.2", _GROUP),
    ("Processor", "health"): Rule("Platform.1.3", _MISSING, PRESENCE),
}
"""By type of resource, and metric of the point that shows it."""


class _Watched(NamedTuple):
    """One resource of one controller."""

    controller: Controller
    path: str
    rule: Rule


@dataclass(slots=True)
class _Watch:
    """All resources whose state stands in one column."""

    device_class: str
    column: str
    rows: Indices
    watched: Sequence[_Watched]
    before: Floats


class Firmware:
    """Compares the tables of one tick with those of the one before."""

    def __init__(self, controllers: Sequence[Controller], tables: Mapping[str, Table]) -> None:
        """Knows the state as it is."""
        found: dict[tuple[str, str], list[tuple[int, _Watched]]] = defaultdict(list)
        for controller in controllers:
            for path, point, rule in _states(controller):
                device_class, row = controller.parts[point.part]
                column = rule.column or point.metric
                found[device_class, column].append((row, _Watched(controller, path, rule)))
        self._watches = []
        for (device_class, column), some in found.items():
            rows = indices(row for row, _ in some)
            before = np.nan_to_num(_column(tables[device_class], column)[rows])
            watched = [one for _, one in some]
            self._watches.append(_Watch(device_class, column, rows, watched, before))

    def look(self, tables: Mapping[str, Table], now: datetime) -> None:
        """Writes an entry for every state that is another than at the last call."""
        for watch in self._watches:
            values = _column(tables[watch.device_class], watch.column)[watch.rows]
            values = np.where(np.isnan(values), watch.before, values)
            for place in np.flatnonzero(values != watch.before):
                one = watch.watched[int(place)]
                is_off = watch.column == PRESENCE and not one.controller.is_on
                if is_off or not one.controller.answers:
                    values[place] = watch.before[place]  # it is not missing, or nobody sees it
                else:
                    _note(one, int(values[place]), now)
            watch.before = values


def _states(controller: Controller) -> Iterator[tuple[str, Point, Rule]]:
    """The states of a controller's parts that are noted, and the paths of their resources."""
    for node in controller.tree:
        for point in node.points:
            if rule := NOTED.get((node.kind, point.metric)):
                yield node.path, point, rule


def _column(table: Table, column: str) -> Floats:
    return table.present.astype(np.float64) if column == PRESENCE else table[column]


def _note(one: _Watched, value: int, now: datetime) -> None:
    if message := one.rule.messages.get(value):
        one.controller.log.write(
            now,
            message.severity,
            f"{one.rule.registry}.{message.id}",
            message.text,
            arguments=(one.path.rpartition("/")[2],),
            origin=one.path,
        )
