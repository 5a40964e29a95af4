"""An emulated NVIDIA driver library, built from C by the test that needs it.

nvidia-ml-py loads it as it loads the real one, so binding, structures and child process are real;
only the values are not.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support import unavailable

SOURCE = Path(__file__).with_name("nvml_emulated.c")


class EmulatedDriver:
    """A folder with ``libnvidia-ml.so.1``, and the file that says how it behaves."""

    def __init__(self, folder: Path, *, old: bool = False) -> None:
        """Builds it below ``folder``; skips the test where there is no C compiler."""
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            unavailable("gcc", "no C compiler to build the emulated driver library with")
        self.folder = folder / ("old-driver" if old else "driver")
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.behave()
        subprocess.run(
            [
                *(compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror"),
                *(f'-DSTATE="{self.state}"', *(["-DOLD_DRIVER"] if old else [])),
                *("-o", self.folder / "libnvidia-ml.so.1", SOURCE),
            ],
            check=True,
            timeout=60,
        )

    def behave(self, *lines: str) -> None:
        """From now on as the lines say (their form: the head of ``nvml_emulated.c``)."""
        written = self.state.with_suffix(".new")
        written.write_text("".join(f"{line}\n" for line in lines))
        written.replace(self.state)
