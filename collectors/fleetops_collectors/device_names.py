"""Names that a device gives its parts, as parts of device names.

A device name separates its levels by ``/``, and switches call their ports ``Ethernet1/1`` or
``et-0/0/0:1``. The slash becomes ``-`` and everything else that may not stand in a name ``_``.
The switch's own word is kept in the ``address`` of the part's identity, so that the way back is
open.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")
MAX_PART = 100
"""Longest part of a name; what is cut off was no name."""


def part_name(own: str) -> str:
    """The device's own name of a part as one level of a device name; ``_`` for an empty one."""
    return _UNSAFE.sub("_", own.strip().replace("/", "-"))[:MAX_PART] or "_"
