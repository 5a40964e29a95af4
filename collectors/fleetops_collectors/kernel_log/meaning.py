"""What a line means, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fleetops_schemas.records import JsonScalar, RecommendedAction, Severity


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one line says: its kind, how bad it is, what to do, and what it named."""

    kind: str
    severity: Severity
    action: RecommendedAction
    code: int | None = None
    attributes: dict[str, JsonScalar] = field(default_factory=dict)

    def judged(self, severity: Severity, action: RecommendedAction) -> Meaning:
        """The same with another judgement."""
        return replace(self, severity=severity, action=action)

    def saying(self, **attributes: JsonScalar) -> Meaning:
        """The same with more attributes."""
        return replace(self, attributes={**self.attributes, **attributes})
