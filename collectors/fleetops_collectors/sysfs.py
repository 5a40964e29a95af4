"""Files of sysfs: small, many, and some of them ask the hardware when they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Target

MAX_BYTES = 4096
"""The kernel gives a sysfs file at most a page."""
REFUSED = (FileNotFoundError, NotADirectoryError)
_MODULE = "Module"
"""How mlx5 labels the temperature of a port's module (``Module0``) beside that of the chip."""


def read_text(path: Path | str) -> str | None:
    """What the file holds, without white space around it.

    None where the kernel refuses to read this one (EINVAL, EOPNOTSUPP, ENODATA, EACCES ...): the
    hardware or the driver has no such value.

    Raises:
        FileNotFoundError: it is not there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, MAX_BYTES)
        finally:
            os.close(descriptor)
    except REFUSED as error:
        raise FileNotFoundError(str(path)) from error
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip()


def read_present(path: Path | str) -> str | None:
    """As :func:`read_text`; None also where the file is not there."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return None


def names(folder: Path | str) -> list[str]:
    """What is in a folder, sorted; nothing where it is none or not there."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def pci_address(device: Path) -> str:
    """The PCI address behind a ``device`` link; empty where there is none."""
    try:
        target = os.path.basename(os.readlink(device))
    except OSError:
        return ""
    return target if target.count(":") == 2 else ""  # noqa: PLR2004 (domain:bus:slot.function)


def module_temperature(device: Path) -> str | None:
    """The temperature of a port's module in thousandths of a degree Celsius, as the driver says it.

    mlx5 has such a sensor since Linux 6.7. None where there is none. With more modules than one on
    a device it is not said which port has which, so none is taken.
    """
    found = list(_module_inputs(device / "hwmon"))
    return read_present(found[0]) if len(found) == 1 else None


def _module_inputs(hwmon: Path) -> Iterator[Path]:
    for chip in names(hwmon):
        for name in names(hwmon / chip):
            if not name.startswith("temp") or not name.endswith("_label"):
                continue
            if (read_present(hwmon / chip / name) or "").startswith(_MODULE):
                yield hwmon / chip / name.replace("_label", "_input")


@contextmanager
def reading_of(target: Target) -> Iterator[None]:
    """Names the target in what goes wrong while its tree is read.

    Raises:
        TemporaryError: there is nothing at its path.
        InputError: there is something else than sysfs.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise TemporaryError(
            f"{target.name}: {target.url} is not there; mount the host's /sys, or mend the path"
        ) from error
    except InputError as error:
        raise InputError(f"{target.name}: {error}") from error
