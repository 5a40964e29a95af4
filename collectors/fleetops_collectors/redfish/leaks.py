"""Leak detectors: what one says counts only while it works.

A detector that is disabled, absent or unreachable reports whatever its wire floats to, often
"Critical". So its state is read only while ``Status.State`` is Enabled.
"""

from __future__ import annotations

from fleetops_collectors.redfish.cells import Cells, Given
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.tree import Tree, uri_of
from fleetops_collectors.redfish.values import (
    Json,
    object_of,
    objects_of,
    state_of,
    text_of,
)

EXCERPT_RANK = 10
"""A group's excerpt of a detector, where the detector itself cannot be read."""


def speaks(detector: Json) -> bool:
    """Whether a detector works, as far as it says, so that its wire means something."""
    return state_of(detector) == "Enabled"


def read_leak_detector(uri: str, detector: Json, names: Names, cells: Cells) -> None:
    """Reads one ``LeakDetector``: whether it works, and if so what it sees."""
    subject = names.subject(uri)
    if subject is None or subject.device_class != "coolant_unit":
        return  # it stands where no detector stands
    enabled = speaks(detector)
    known = bool(object_of(detector.get("Status")).get("State"))
    # Without a state it is unknown whether the detector works; what it sees is still said.
    cells.put(subject, "leak_detector_ok", Given(enabled if known else None))
    seen = text_of(detector.get("DetectorState"))
    absent = "Absent" in (state_of(detector), seen)
    given = Given(seen if enabled else None, state="Absent" if absent else "Enabled")
    cells.put(subject, "leak_state", given)


def read_leak_groups(detection: Json, tree: Tree, names: Names, cells: Cells) -> None:
    """Reads the excerpts in a ``LeakDetection`` for detectors that are not in the tree."""
    for group in objects_of(detection.get("LeakDetectorGroups")):
        for excerpt in objects_of(group.get("Detectors")):
            uri = uri_of(text_of(excerpt.get("DataSourceUri")))
            subject = None if uri in tree else names.subject(uri)
            if subject and subject.device_class == "coolant_unit":
                given = Given(text_of(excerpt.get("DetectorState")), EXCERPT_RANK)
                cells.put(subject, "leak_state", given)
