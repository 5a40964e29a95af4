"""Which lines of a kernel mean something: the patterns of ``faults/kernel_patterns.yaml``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import RecommendedAction, Severity

_PCI = r"(?P<pci>(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}(?:\.[0-7])?)"


class KernelPattern(BaseModel):
    """One kind of line. ``table`` or ``kind`` says what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    """What wrote the line: xid, sxid, mce, edac, aer, mlx5, nvme ..."""
    contains: Annotated[str, Field(min_length=3)]
    regex: re.Pattern[str]
    device: str
    """Name of the device below its host, with the regex's groups in braces."""
    device_class: str
    table: Literal["xid", "sxid"] | None = None
    kind: str | None = None
    severity: Severity | None = None
    action: RecommendedAction | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.table is None) == (self.kind is None):
            raise ValueError(f"{self.name}: give either table or kind")
        if self.kind is not None and self.kind not in load_faults().kinds:
            raise ValueError(f"{self.name}: no fault kind {self.kind!r}")
        return self


class Match(NamedTuple):
    """A pattern and what its groups caught; groups that took no part are left out."""

    pattern: KernelPattern
    groups: dict[str, str]


class PatternMatcher:
    """Finds the first pattern that a text matches, without trying them all."""

    def __init__(self, patterns: tuple[KernelPattern, ...]) -> None:
        """Takes the patterns in the order of their precedence."""
        self._by_literal: dict[str, list[KernelPattern]] = {}
        for pattern in patterns:
            self._by_literal.setdefault(pattern.contains, []).append(pattern)
        self._literals = re.compile("|".join(re.escape(text) for text in self._by_literal))

    def may_match(self, text: str) -> bool:
        """A cheap look: whether the text holds any pattern's literal."""
        return self._literals.search(text) is not None

    def match(self, text: str) -> Match | None:
        """The first pattern that matches, or None."""
        for literal in dict.fromkeys(self._literals.findall(text)):
            for pattern in self._by_literal[literal]:
                if found := pattern.regex.search(text):
                    groups = {name: value for name, value in found.groupdict().items() if value}
                    return Match(pattern, groups)
        return None


@cache
def load_patterns() -> PatternMatcher:
    """The patterns shipped with this version."""
    text = (files("fleetops_schemas") / "faults" / "kernel_patterns.yaml").read_text("utf-8")
    entries = yaml.safe_load(text.replace("(?P<pci>PCI)", _PCI))["patterns"]
    return PatternMatcher(tuple(KernelPattern.model_validate(entry) for entry in entries))
