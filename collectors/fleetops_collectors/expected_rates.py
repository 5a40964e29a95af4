"""What rate a port should have: as configured, or as most of its like on the same host have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Link(NamedTuple):
    """A port and its rate."""

    device: str
    adapter: str
    board: str
    """Adapters of one board are alike."""
    rate: float | None
    """Gbit/s; None where there is no link."""


def expected_rates(links: Sequence[Link], configured: Mapping[str, float]) -> dict[str, float]:
    """Gbit/s by device, for the ports of which something can be expected.

    sysfs does not say what an adapter could do. So without a configured rate the rate of more than
    half of the linked ports of the same board counts; where there is no such majority, or one link
    alone, nothing is expected.

    Args:
        links: Ports of one host.
        configured: Gbit/s by pattern of adapter name (``mlx5_*``) or board id; first match wins.
    """
    peers: dict[str, Counter[float]] = {}
    for link in links:
        if link.rate is not None:
            peers.setdefault(link.board, Counter())[link.rate] += 1
    usual = {board: _majority(rates) for board, rates in peers.items()}
    found = {}
    for link in links:
        rate = _configured(link, configured)
        rate = usual.get(link.board) if rate is None else rate
        if rate is not None:
            found[link.device] = rate
    return found


def _configured(link: Link, configured: Mapping[str, float]) -> float | None:
    for pattern, rate in configured.items():
        if fnmatchcase(link.adapter, pattern) or fnmatchcase(link.board, pattern):
            return rate
    return None


def _majority(rates: Counter[float]) -> float | None:
    [(rate, count)] = rates.most_common(1)
    total = rates.total()
    return rate if total > 1 and 2 * count > total else None
