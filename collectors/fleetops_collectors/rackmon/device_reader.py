"""Reads one device by its map, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fleetops_collectors.rackmon.memory import Memory
from fleetops_collectors.rackmon.modbus import (
    GarbledError,
    Line,
    NoAnswerError,
    ReadOnlyBus,
    RefusalError,
)
from fleetops_collectors.rackmon.readings import Device, Sample
from fleetops_collectors.rackmon.spans import Span, spans_of
from fleetops_collectors.rackmon.words import RegisterValue
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register

MAX_FAILURES = 2
"""Spans that may fail in a round, each after its retry, before the device is left alone."""
ABSENT = RegisterValue(None, Quality.ABSENT)


@dataclass(slots=True)
class DeviceRound:
    """What one round gave of one device."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class DeviceReader:
    """Reads what is due of a device, and remembers which registers it does not have."""

    def __init__(
        self, device: Device, address: int, line: Line, *, recheck_seconds: float = 3600.0
    ) -> None:
        """Reads nothing yet.

        Args:
            device: its name and its map.
            address: on the bus.
            line: how the line is set for it.
            recheck_seconds: after this a register that was refused is asked for again; the device
                may have been replaced, or updated.
        """
        self.device = device
        self.address = address
        self._line = line
        self._recheck = recheck_seconds
        self._read_at: dict[Register, float] = {}
        self._refused_at: dict[Register, float] = {}

    async def read(self, bus: ReadOnlyBus, now: float) -> DeviceRound:
        """What is due, at ``now`` (monotonic seconds).

        Raises:
            NoAnswerError: the device answers nothing at all.
            GarbledError: nothing that came of it is an answer.
        """
        due = [one for one in self.device.map.registers if self._is_due(one, now)]
        asked = [one for one in due if one not in self._refused_at]
        memory = Memory()
        problems = await self._read_spans(bus, asked, memory, now)
        result = DeviceRound(problems=problems)
        for register in due:
            if register in self._refused_at:
                result.samples.append(Sample(register, ABSENT))
                continue
            value = memory.value(register)
            result.samples.append(Sample(register, value))
            if value.quality is not Quality.MISSING:
                self._read_at[register] = now
        return result

    async def _read_spans(
        self, bus: ReadOnlyBus, asked: Sequence[Register], memory: Memory, now: float
    ) -> list[str]:
        problems: list[str] = []
        failures: list[NoAnswerError | GarbledError | RefusalError] = []
        heard = not asked
        for span in spans_of(asked, self.device.map.max_span_words):
            try:
                await self._read_span(bus, span, memory, now)
                heard = True
            except (NoAnswerError, GarbledError, RefusalError) as error:
                failures.append(error)
                problems.append(f"{self.device.name}: {error}")
                if isinstance(error, NoAnswerError) or len(failures) >= MAX_FAILURES:
                    break
        if not heard:
            raise _silence(failures)
        return problems

    async def _read_span(self, bus: ReadOnlyBus, span: Span, memory: Memory, now: float) -> None:
        """Reads a span; register by register where the device has not all of it."""
        try:
            memory.put(
                span.address, await bus.read(self.address, span.address, span.words, self._line)
            )
        except RefusalError as error:
            if not error.is_unsupported:
                raise
            if len(span.registers) == 1:
                self._refused_at[span.registers[0]] = now
                return
            for register in span.registers:
                for alone in spans_of([register], self.device.map.max_span_words):
                    await self._read_span(bus, alone, memory, now)

    def _is_due(self, register: Register, now: float) -> bool:
        refused = self._refused_at.get(register)
        if refused is not None and now - refused >= self._recheck:
            del self._refused_at[register]
        read = self._read_at.get(register)
        return read is None or now - read >= register.interval_seconds


def _silence(
    failures: Sequence[NoAnswerError | GarbledError | RefusalError],
) -> NoAnswerError | GarbledError:
    """Why nothing was read: a device that only reports failure is as good as silent."""
    last = failures[-1]
    return NoAnswerError(str(last)) if isinstance(last, RefusalError) else last
