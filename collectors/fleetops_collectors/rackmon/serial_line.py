"""What a serial line's driver can do."""

from __future__ import annotations

import os
import termios

CONTROL_MODES = 2
"""Place of ``c_cflag`` in what ``tcgetattr`` returns."""


def takes_parity(path: str) -> bool:
    """Whether the driver keeps a parity bit that it is told to send.

    Pseudo terminals and some adapters do not; to insist would be an error there. A line that cannot
    be opened is given the benefit of the doubt: opening it tells more.
    """
    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        modes = termios.tcgetattr(line)
        modes[CONTROL_MODES] |= termios.PARENB
        termios.tcsetattr(line, termios.TCSANOW, modes)
        return bool(termios.tcgetattr(line)[CONTROL_MODES] & termios.PARENB)
    except termios.error:
        return False
    finally:
        os.close(line)
