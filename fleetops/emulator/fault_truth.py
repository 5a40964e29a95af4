"""What is true of a fault: whose it is, and what the right answer to it would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from fleetops.emulator.fault_targets import Model
from fleetops_schemas.records import Severity, Verdict

Blame = Literal["target", "host", "rack", "coolant_unit", "power_shelf", "port", "nobody"]


class Judgement(Model):
    """The right answer to a fault."""

    verdict: Verdict | Literal["none"] = "none"
    """``none``: nothing is wrong, and nothing should be said."""
    blame: Blame = "nobody"
    """Which device is the cause: the target, or what it stands in."""
    severity: Severity = Severity.INFO
    expected: tuple[str, ...] = ()
    """Fault kinds of ``fleetops_schemas/faults/kinds.yaml``, any of which names it rightly."""
    drain: bool = False
    """Whether taking the host out of service is right."""


class Case(Judgement):
    """Another judgement for some parameters."""

    when: dict[str, tuple[float | str, ...]]


class Truth(Judgement):
    """What is true of a kind, and of cases of it."""

    detectable: bool = True
    """False: telemetry cannot show it (silent data corruption); scored apart."""
    cases: tuple[Case, ...] = ()

    def of(self, words: Mapping[str, float | str]) -> Judgement:
        """What is true with these parameters: the first case that fits, or the kind's own."""
        for case in self.cases:
            if all(words[name] in allowed for name, allowed in case.when.items()):
                return case
        return self

    def all_expected(self) -> Iterator[str]:
        """Every fault kind that is named."""
        yield from self.expected
        for case in self.cases:
            yield from case.expected
