"""Topics of building management, in both shapes.

dsx-exchange (AsyncAPI "BMS Event Bus" 1.0):
``BMS/v1/{PUB|INTEGRATION}/{Value|Metadata}/{objectType}/{pointType}/{tagPath}``, the tag path in
any number of levels. Before it, and still read by NICo's consumer:
``BMS/v1/{path}/{Value|Metadata}``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

BMS_PUBLISHER = "PUB"
"""Publishes all metadata, and every value that no integration owns."""
OBJECT_TYPES = frozenset(
    (
        *("Rack", "PowerMeter", "BESS", "UPS", "ATS", "Generator", "Shunt", "Breaker", "System"),
        *("CDU", "CoolingTower", "HX", "CRAH", "CRAC", "AHU", "Chiller", "Tank"),
        *("Valve", "Pump", "Fan", "Damper", "Sensor", "GenericObject"),
    )
)


class Kind(StrEnum):
    """What a message is of its point."""

    VALUE = "Value"
    METADATA = "Metadata"


KINDS = frozenset(Kind)


class Address(NamedTuple):
    """What a topic says."""

    kind: Kind
    key: str
    """The point: equal in the topics of its metadata and of its values."""
    publisher: str
    object_type: str = ""
    """With ``point_type``, empty in the older shape: there only the metadata says it."""
    point_type: str = ""

    @property
    def is_older_shape(self) -> bool:
        """Whether it is of the time before dsx-exchange: no types in the topic, no quality."""
        return not self.object_type


def parse_topic(topic: str, prefix: str) -> Address | None:
    """The address in a topic below ``prefix``; None where it is neither shape."""
    if not topic.startswith(f"{prefix}/"):
        return None
    levels = topic[len(prefix) + 1 :].split("/")
    types_fit = len(levels) > 4 and levels[1] in KINDS  # noqa: PLR2004 (a tag path follows)
    if types_fit and (levels[2] in OBJECT_TYPES or levels[-1] not in KINDS):
        publisher, kind, object_type, point_type = levels[:4]
        return Address(Kind(kind), "/".join(levels[2:]), publisher, object_type, point_type)
    if len(levels) > 1 and levels[-1] in KINDS:
        return Address(Kind(levels[-1]), "/".join(levels[:-1]), BMS_PUBLISHER)
    return None
