"""Names of nodes as they go into commands and paths."""

from __future__ import annotations

import re

from fleetops.core.errors import NotFoundError

NODE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")


def check_node_name(node: str) -> None:
    """Lets one plain name pass: no list, no path, no option.

    Raises:
        NotFoundError: it is none.
    """
    if not NODE_NAME.match(node):
        raise NotFoundError(f"{node!r} is no node name; name one node, not a list")
