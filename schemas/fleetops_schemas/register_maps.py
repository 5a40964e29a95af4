"""Register maps of Modbus devices: which register holds what, as data in ``register_maps/*.yaml``.

A map is found by identity: port, address and baud rate together, since maps share addresses at
different rates. Maps in the formats of rackmond and phosphor-modbus are read into the same model by
the ``rackmon`` collector; the files here are our own, each with its source named.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_SPAN_WORDS = 120
"""Longest read: a Modbus answer holds 125 registers, rackmond asks for at most 120."""
NUMBER_WORDS = 4
"""Longest number, 64 bits."""
Address = Annotated[int, Field(ge=0, le=65_535)]
DeviceAddress = Annotated[int, Field(ge=0, le=255)]


class RegisterFormat(StrEnum):
    """How the words of a register are read."""

    RAW = "raw"
    TEXT = "text"
    """Two characters a word, high byte first, up to the first NUL."""
    INTEGER = "integer"
    FIXED_POINT = "fixed_point"
    """offset + scale * integer / 2 ** fraction_bits."""
    FLOAT32 = "float32"
    """IEEE 754 in two words, then offset + scale * number."""
    FLAGS = "flags"


class Parity(StrEnum):
    """Parity bit on a serial line."""

    EVEN = "even"
    ODD = "odd"
    NONE = "none"


class Flag(BaseModel):
    """One bit of a flags register, counted from the lowest of all its words together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bit: Annotated[int, Field(ge=0, le=65_535)]
    name: str
    kind: str = ""
    """Fault kind that it reports while set (``faults/kinds.yaml``); "" where it is no fault."""
    part: str = ""
    """Part below the device that it speaks of: ``leak_pan``."""
    metric: str = ""
    """State metric of the part that it gives, for states that are single bits."""
    when_set: int = 1
    when_clear: int = 0
    active_low: bool = False
    """It is set while the bit is 0."""
    spoils: tuple[str, ...] = ()
    """Names of values that are not to be believed while it is set: their sensor is broken."""


class Register(BaseModel):
    """One register, or several that form one value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    address: Address
    words: Annotated[int, Field(ge=1, le=65_535)] = 1
    name: str
    """In our maps the name of the value in the catalog's ``rackmon`` sources; registers that share
    one are merged (the highest of four temperatures)."""
    format: RegisterFormat = RegisterFormat.FIXED_POINT
    signed: bool = False
    little_endian: bool = False
    """The words are in reverse order and the bytes of each are swapped."""
    fraction_bits: Annotated[int, Field(ge=0, le=63)] = 0
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    """Of the value after scale and offset; "" where the map does not say."""
    flags: tuple[Flag, ...] = ()
    interval_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Read no more often than this; 0 for every round."""
    part: str = ""
    """Part below the device that it measures: ``pump2``."""
    identity: Literal["", "serial", "model", "manufacturer", "part_number", "firmware"] = ""
    """For text: which of the device's identities it is."""
    rackmond_scale: float = 1.0
    """Turns what rackmond's own map makes of it into ``unit``, where that map scales otherwise."""

    @property
    def end(self) -> int:
        """Address after its last word."""
        return self.address + self.words

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end > 65_536:  # noqa: PLR2004 (the Modbus address space)
            raise ValueError(f"{self.name}: ends at {self.end - 1}; the last register is 65535")
        number = self.format in {RegisterFormat.INTEGER, RegisterFormat.FIXED_POINT}
        if number and self.words > NUMBER_WORDS:
            raise ValueError(f"{self.name}: {self.words} words are no number of 64 bits or fewer")
        if self.format is RegisterFormat.FLOAT32 and self.words != 2:  # noqa: PLR2004
            raise ValueError(f"{self.name}: a float32 has 2 words, not {self.words}")
        for flag in self.flags:
            if flag.bit >= 16 * self.words:
                raise ValueError(
                    f"{self.name}: {flag.name}: bit {flag.bit} is outside {self.words} words"
                )
        return self


class RegisterMap(BaseModel):
    """The registers of one kind of device, and where on a bus such devices are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = ""
    source: str = ""
    """Where the facts come from."""
    device_class: str = ""
    """Of the catalog; "" in a map that is only decoded."""
    device_types: tuple[str, ...] = ()
    """Names that rackmond gives such devices."""
    addresses: tuple[tuple[DeviceAddress, DeviceAddress], ...] = ()
    """Ranges, both ends included."""
    probe_register: Address | None = None
    """One word that every such device answers in every state."""
    baud_rate: Annotated[int, Field(ge=300, le=4_000_000)] = 19_200
    parity: Parity = Parity.EVEN
    max_span_words: Annotated[int, Field(ge=1, le=MAX_SPAN_WORDS)] = MAX_SPAN_WORDS
    registers: tuple[Register, ...]

    def device_addresses(self) -> Iterator[int]:
        """Every address such a device may have, in the order of the ranges."""
        for first, last in self.addresses:
            yield from range(first, last + 1)


@cache
def load_register_maps() -> dict[str, RegisterMap]:
    """The maps shipped with this version, by name."""
    folder = files("fleetops_schemas") / "register_maps"
    maps = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            one = RegisterMap.model_validate(yaml.safe_load(entry.read_text("utf-8")))
            maps[one.name] = one
    return maps
