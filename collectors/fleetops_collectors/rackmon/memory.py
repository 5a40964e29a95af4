"""Words by register address, as a file of recorded registers or a round of reads gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fleetops_collectors.rackmon.values import count_unknown, whole
from fleetops_collectors.rackmon.words import RegisterValue, decode_words
from fleetops_schemas.register_maps import Register, RegisterMap

WORD_MAX = 0xFFFF
KNOWN_KEYS = frozenset({"address", "words"})


@dataclass(slots=True)
class Memory:
    """What was read of one device."""

    words: dict[int, int | None] = field(default_factory=dict)
    """By address; None where the source has no word."""
    problems: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    def put(self, address: int, words: Sequence[int | None]) -> None:
        """Adds consecutive words."""
        self.words.update(enumerate(words, address))

    def holds(self, register: Register) -> bool:
        """Whether any word of the register is there."""
        return any(at in self.words for at in range(register.address, register.end))

    def value(self, register: Register) -> RegisterValue:
        """What the register says; missing where words are."""
        span = range(register.address, register.end)
        return decode_words(register, [self.words.get(at) for at in span])

    def values(self, one: RegisterMap) -> Iterator[tuple[Register, RegisterValue]]:
        """Every register of the map of which there is anything, in the map's order."""
        for register in one.registers:
            if self.holds(register):
                yield register, self.value(register)

    def beyond(self, one: RegisterMap) -> int:
        """How many words no register of the map holds."""
        mapped: set[int] = set()
        for register in one.registers:
            mapped.update(range(register.address, register.end))
        return len(self.words.keys() - mapped)


def read_memory(entries: Sequence[object]) -> Memory:
    """The words of ``[{"address": 60, "words": [0, ...]}, ...]``."""
    memory = Memory()
    for index, entry in enumerate(entries):
        place = f"registers[{index}]"
        if not isinstance(entry, dict):
            memory.problems.append(f"{place}: is no object")
            continue
        count_unknown(entry, KNOWN_KEYS, "registers", memory.unknown)
        address, words = whole(entry.get("address")), entry.get("words")
        if address is None or not 0 <= address <= WORD_MAX:
            memory.problems.append(f"{place}.address: {entry.get('address')!r:.40} is no register")
        elif not isinstance(words, list):
            memory.problems.append(f"{place}.words: is no list of words")
        else:
            memory.put(address, [_word(memory, place, word) for word in words[: 1 + WORD_MAX]])
    return memory


def _word(memory: Memory, place: str, found: object) -> int | None:
    word = whole(found)
    if word is not None and 0 <= word <= WORD_MAX:
        return word
    if found is not None:
        memory.problems.append(f"{place}.words: {found!r:.40} is no word of 16 bits")
    return None
