"""What the child read of one device, as readings and identity. Pure: no process, no clock.

Which values there are is data: the ``nvml`` sources of the catalog. A source with an ``id`` is a
field of ``nvmlDeviceGetFieldValues``; another names a call, with a part after a dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.columns import Columns, Raw
from fleetops_collectors.decoded import Decoded
from fleetops_schemas.catalog import Source, load_catalog
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality

PROTOCOL = "nvml"
DEVICE_CLASS = "accelerator"
MANUFACTURER = "NVIDIA"

ERRORS = {
    -1: "the Python package nvidia-ml-py is not installed",
    1: "not initialised",
    2: "invalid argument",
    3: "not supported",
    4: "no permission",
    6: "not found",
    8: "the GPU lacks external power",
    9: "the driver is not loaded",
    10: "timeout",
    11: "the kernel has a problem with the GPU's interrupts",
    12: "no NVIDIA driver library (libnvidia-ml.so.1)",
    13: "the driver library lacks the function",
    15: "the GPU is lost",
    16: "the GPU needs a reset",
    17: "the operating system has blocked the request",
    18: "library and kernel module are of different versions",
    20: "out of memory",
    21: "no data",
    25: "the driver library knows another version of the call",
    26: "no longer there",
    27: "not ready",
    28: "no such GPU",
    999: "unknown error",
}
"""NVML's return codes (nvml.h, nvmlReturn_t), and -1 for the missing package."""
NOT_THERE = frozenset({2, 3, 6, 13, 25, 26})
"""The board or this driver has no such value, today as tomorrow."""
_ZERO_IS_BLANK = frozenset({"NVML_FI_DEV_MEMORY_TEMP"})
"""Boards without the sensor may report 0 (seen through DCGM on L4, T4 and L40S)."""
_IDENTITY_FIELDS = ("uuid", "serial", "model", "part_number", "firmware", "address")


@cache
def field_ids() -> tuple[int, ...]:
    """The fields to ask for, each once."""
    ids = (source.id for source in _sources() if source.id is not None)
    return tuple(dict.fromkeys(ids))


@cache
def _sources() -> tuple[Source, ...]:
    return tuple(
        source
        for metric in load_catalog()[DEVICE_CLASS].metrics
        for source in metric.sources.get(PROTOCOL, ())
    )


class DeviceAnswer(BaseModel):
    """The child's line about one device that could be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Annotated[int, Field(ge=0)]
    values: dict[str, int | float]
    """By call or field number, in NVML's units."""
    errors: dict[str, int]
    """By call or field number: NVML's return code."""
    identity: dict[str, str] = {}


def parse_answer(line: bytes | str) -> DeviceAnswer:
    """The child's line about a device.

    Raises:
        InputError: it is none.
    """
    try:
        return DeviceAnswer.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        raise InputError(f"no answer about a device: {place}: {first['msg']}") from error


def decode_device(answer: DeviceAnswer, host: str, now: datetime) -> Decoded:
    """The readings and the identity of one device of ``host``, read ``now``."""
    device = f"{host}/gpu{answer.device}"
    values, errors = answer.values, answer.errors
    columns = Columns(PROTOCOL)
    for source in _sources():
        raw = _raw(source, values, errors)
        if raw is not None:
            columns.add(DEVICE_CLASS, device, source.name, raw)
    said = answer.identity
    identity = DeviceIdentity(
        device=device,
        device_class=DEVICE_CLASS,
        host=host,
        source=PROTOCOL,
        manufacturer=MANUFACTURER,
        observed_at=now,
        **{name: said[name] for name in _IDENTITY_FIELDS if said.get(name)},
    )
    return Decoded(
        readings=columns.readings(), identities=[identity], problems=_problems(device, errors)
    )


def _raw(source: Source, values: Mapping[str, float], errors: Mapping[str, int]) -> Raw | None:
    name = source.name if source.id is None else str(source.id)
    if name in values:
        blank = values[name] == 0 and source.name in _ZERO_IS_BLANK
        return Quality.SENTINEL if blank else values[name]
    error = errors.get(name.split(".", 1)[0])
    if error is None:
        return None
    return Quality.ABSENT if error in NOT_THERE else Quality.MISSING


def _problems(device: str, errors: Mapping[str, int]) -> list[str]:
    """What could not be read though the device has it: one line a reason."""
    by_reason: dict[int, list[str]] = {}
    for name, error in errors.items():
        if error not in NOT_THERE:
            by_reason.setdefault(error, []).append(_names().get(name, name))
    return [
        f"{device}: {error_text(error)}: {', '.join(names)}" for error, names in by_reason.items()
    ]


@cache
def _names() -> dict[str, str]:
    """By field number: its name."""
    return {str(source.id): source.name for source in _sources() if source.id is not None}


def error_text(error: int) -> str:
    """An error of NVML for people."""
    return ERRORS.get(error, f"NVML error {error}")
