"""Mutated payloads for every decoder: it decodes or refuses them, in time, and invents nothing.

    class TestFuzzSonic(DecoderFuzz):
        def seeds(self) -> Sequence[bytes]: ...             # payloads that decode well
        def decode(self, payload: bytes) -> Iterable[Reading]: ...

``FLEETOPS_FUZZ_EXAMPLES`` is the number of payloads a decoder gets (``make fuzz`` sets it).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetops.core.errors import InputError
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings

EXAMPLES = int(os.environ.get("FLEETOPS_FUZZ_EXAMPLES", "100"))
DEADLINE = timedelta(seconds=10)
"""Of one payload: a decoder that takes longer hangs."""
MAX_MUTATIONS = 6
TOPS = frozenset({2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64})
"""Of 32 and 64 bits, whole and as floats: where counters stop, and what stands for "none"."""
SENTINELS = TOPS.union(
    # the blanks of DCGM (dcgm_structs.h), whole and as floats
    [0x7FFFFFF0 + n for n in range(4)]
    + [0x7FFFFFFFFFFFFFF0 + n for n in range(16)]
    + [140737488355328.0 + n for n in range(16)]
)
"""Numbers that stand for no number: none of them is ever a good value."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_QUOTED = re.compile(rb'"[^"\n]{0,200}"')
_HOSTILE_NUMBERS = (
    b"-1",
    b"0",
    b"nan",
    b"NaN",
    b"-inf",
    b"null",
    b"1e999",
    b"-1e308",
    b"4294967295",
    b"65535",
    b"2147483632",
    b"9223372036854775794",
    b"18446744073709551615",
    b"140737488355328",
    b"9" * 400,
    b"",
)
_HOSTILE_TEXTS = (
    b'""',
    b'"N/A"',
    b"null",
    b"{}",
    b"[]",
    b'["a", {"b": []}]',
    b"true",
    b'"\\ud800"',
    b'"\xff\xfe"',
    b'"1970-01-01T00:00:00Z"',
    b'"nan"',
    b'"' + b"A" * 5000 + b'"',
    b"[" * 500,
    b'{"a":' * 500,
)

Mutation = Callable[[bytes], bytes]


def _replaced(pattern: re.Pattern[bytes], which: int, by: bytes) -> Mutation:
    def mutate(payload: bytes) -> bytes:
        found = list(pattern.finditer(payload))
        if not found:
            return payload + by
        one = found[which % len(found)]
        return payload[: one.start()] + by + payload[one.end() :]

    return mutate


def _spliced(at: int, length: int, by: bytes) -> Mutation:
    def mutate(payload: bytes) -> bytes:
        start = at % (len(payload) + 1)
        return payload[:start] + by + payload[start + length :]

    return mutate


def _repeated(at: int, length: int) -> Mutation:
    def mutate(payload: bytes) -> bytes:
        start = at % (len(payload) + 1)
        return payload[: start + length] + payload[start:]

    return mutate


_PLACE = st.integers(0, 2**20)
MUTATIONS: st.SearchStrategy[Mutation] = st.one_of(
    st.builds(_replaced, st.just(_NUMBER), _PLACE, st.sampled_from(_HOSTILE_NUMBERS)),
    st.builds(_replaced, st.just(_QUOTED), _PLACE, st.sampled_from(_HOSTILE_TEXTS)),
    st.builds(_spliced, _PLACE, st.integers(0, 64), st.binary(max_size=16)),
    st.builds(_spliced, _PLACE, st.just(2**20), st.just(b"")),
    st.builds(_repeated, _PLACE, st.integers(1, 512)),
)


class DecoderFuzz:
    """Inherited by the fuzz test of each decoder."""

    sentinels: ClassVar[frozenset[float]] = SENTINELS
    """Numbers that are never a good value. ``TOPS`` where nothing of DCGM is decoded and its
    blanks are honest numbers, as counts of octets and errors may be."""

    def seeds(self) -> Sequence[bytes]:
        """Payloads that decode well; several shapes, small."""
        raise NotImplementedError

    def decode(self, payload: bytes) -> Iterable[Reading]:
        """The readings of a payload.

        Raises:
            InputError: it is none.
        """
        raise NotImplementedError

    def test_the_seeds_decode(self) -> None:
        for seed in self.seeds():
            assert list(self.decode(seed)), seed[:200]

    def test_mutated_payloads_are_decoded_or_refused(self) -> None:
        seeds = list(self.seeds())

        @settings(
            max_examples=EXAMPLES,
            deadline=DEADLINE,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            st.integers(0, len(seeds) - 1), st.lists(MUTATIONS, min_size=1, max_size=MAX_MUTATIONS)
        )
        def run(which: int, mutations: list[Mutation]) -> None:
            payload = seeds[which]
            for mutate in mutations:
                payload = mutate(payload)
            try:
                readings = list(self.decode(payload))
            except InputError:
                return
            self.check(readings)

        run()

    def check(self, readings: list[Reading]) -> None:
        """Asserts that what was decoded may be stored."""
        check_readings(readings)
        stored = {one.value for one in readings if one.quality is Quality.GOOD}
        assert not stored & self.sentinels
