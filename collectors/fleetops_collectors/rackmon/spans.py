"""Which reads give the registers of a map: neighbours together, within the longest read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleetops_schemas.register_maps import Register


@dataclass(frozen=True, slots=True)
class Span:
    """One read."""

    address: int
    words: int
    registers: tuple[Register, ...]
    """What lies in it, wholly or in part."""

    @property
    def end(self) -> int:
        """Address after its last word."""
        return self.address + self.words


def spans_of(registers: Iterable[Register], max_words: int) -> list[Span]:
    """The reads for these registers, in the order of addresses.

    Only adjacent registers share a read: what lies between two may be no register, and a device
    refuses the whole read then. A register longer than a read is read in pieces.
    """
    found: list[Span] = []
    for register in sorted(registers, key=lambda one: (one.address, one.end)):
        last = found[-1] if found else None
        end = max(last.end, register.end) if last else register.end
        if last and register.address <= last.end and end - last.address <= max_words:
            found[-1] = Span(last.address, end - last.address, (*last.registers, register))
            continue
        for start in range(register.address, register.end, max_words):
            found.append(Span(start, min(max_words, register.end - start), (register,)))
    return found
