"""Which lines of a kernel mean something: the patterns of ``faults/kernel_patterns.yaml``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import RecommendedAction, Severity

_MACRO = re.compile(r"%\{(\w+)\}")
_ELSEWHERE = "_alt"
"""Ends the name of a group that stands for the same at another place of the line."""


class KernelPattern(BaseModel):
    """One kind of line. ``table`` or ``kind`` says what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    """What wrote the line: xid, sxid, mce, edac, aer, mlx5, nvme ..."""
    contains: tuple[Annotated[str, Field(min_length=3)], ...]
    """Plain texts, one of which the line must hold."""
    regex: re.Pattern[str]
    """Of the whole line from its beginning: what only quotes the kernel begins otherwise."""
    device: str
    """Name of the device below its host, with the regex's groups in braces."""
    device_class: str
    table: Literal["xid", "sxid"] | None = None
    kind: str | None = None
    severity: Severity | None = None
    action: RecommendedAction | None = None
    link: Literal["down", "up"] | None = None
    """For lines about a network link: which way it went."""

    @field_validator("contains", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

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
    """Finds the first pattern that a text matches, looking for plain texts first."""

    def __init__(self, patterns: tuple[KernelPattern, ...]) -> None:
        """Takes the patterns in the order of their precedence."""
        self.patterns = patterns
        self._by_literal: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            for literal in pattern.contains:
                self._by_literal.setdefault(literal, []).append(index)

    def may_match(self, text: str) -> bool:
        """A cheap look: whether the text holds any pattern's literal."""
        return any([literal in text for literal in self._by_literal])  # noqa: C419  (faster)

    def match(self, text: str) -> Match | None:
        """The first pattern that matches, or None."""
        held = [which for literal, which in self._by_literal.items() if literal in text]
        for index in sorted({index for which in held for index in which}):
            pattern = self.patterns[index]
            if found := pattern.regex.match(text):
                caught = {name: value for name, value in found.groupdict().items() if value}
                groups = {name.removesuffix(_ELSEWHERE): value for name, value in caught.items()}
                return Match(pattern, groups)
        return None


@cache
def load_patterns() -> PatternMatcher:
    """The patterns shipped with this version."""
    text = (files("fleetops_schemas") / "faults" / "kernel_patterns.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    macros: dict[str, str] = data["macros"]

    def expand(regex: str) -> str:
        return _MACRO.sub(lambda name: expand(macros[name[1]]), regex)

    return PatternMatcher(
        tuple(
            KernelPattern.model_validate({**entry, "regex": expand(entry["regex"])})
            for entry in data["patterns"]
        )
    )
