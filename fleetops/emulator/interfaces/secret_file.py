"""A password in a file that nobody else can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PASSWORD_BYTES = 18


def write_password(path: Path) -> str:
    """Leaves a new password at the path, which only the user can read; it is made anew."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    return password
