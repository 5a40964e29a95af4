"""How often links went down lately: one loss is news, a link that comes and goes is a fault."""

from __future__ import annotations

from collections import OrderedDict, deque

FLAP_DOWNS = 3
FLAP_WINDOW_SECONDS = 600.0
"""Three losses in ten minutes: the rule of NVSentinel for network cards (RepeatedNICLinkFlap)."""
MAX_LINKS = 128
MAX_DOWNS = 256


class LinkHistory:
    """Losses by link within a window. Bounded: links that went down longest ago are forgotten."""

    def __init__(self, window_seconds: float = FLAP_WINDOW_SECONDS) -> None:
        """Knows nothing yet.

        Args:
            window_seconds: For how long a loss counts.
        """
        self._window = window_seconds
        self._downs: OrderedDict[str, deque[float]] = OrderedDict()

    def went_down(self, link: str, moment: float) -> int:
        """Counts a loss.

        Args:
            link: Names the link within its host.
            moment: When, in seconds of the log's clock. One before the last is another boot's:
                counting begins anew.

        Returns:
            The losses within the window, this one included.
        """
        downs = self._downs.setdefault(link, deque(maxlen=MAX_DOWNS))
        self._downs.move_to_end(link)
        if downs and moment < downs[-1]:
            downs.clear()
        while downs and downs[0] < moment - self._window:
            downs.popleft()
        downs.append(moment)
        if len(self._downs) > MAX_LINKS:
            self._downs.popitem(last=False)
        return len(downs)

    def copy(self) -> LinkHistory:
        """The same, for a reading that may be given up."""
        other = LinkHistory(self._window)
        other._downs = OrderedDict((link, downs.copy()) for link, downs in self._downs.items())
        return other
