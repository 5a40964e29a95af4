"""What a message means: the table ``faults/redfish_messages.yaml``, by registry and key."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Severity

OTHER = "redfish_log_entry"
"""The kind of what the table does not know, or what says that all is well."""


class MessageId(NamedTuple):
    """``Environmental.1.4.LeakDetectedCritical``: whatever the version, or without one."""

    registry: str
    key: str

    @classmethod
    def parse(cls, text: str) -> MessageId:
        """The parts of a ``MessageId``; the registry is "" where only a key is given."""
        first, dot, _ = text.partition(".")
        return cls(first if dot else "", text.rpartition(".")[2].strip())


class Rule(BaseModel):
    """What a family of messages means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    registry: re.Pattern[str]
    key: re.Pattern[str]
    kind: str
    by_class: dict[str, str] = {}
    severity: Severity | None = None


class MessageTable(BaseModel):
    """All rules."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    over: re.Pattern[str]
    messages: tuple[Rule, ...]

    @model_validator(mode="after")
    def _kinds_exist(self) -> MessageTable:
        known = load_faults().kinds
        named = {kind for rule in self.messages for kind in (rule.kind, *rule.by_class.values())}
        if unknown := named - set(known):
            raise ValueError(f"no such fault kinds: {', '.join(sorted(unknown))}")
        return self

    def is_over(self, message: MessageId) -> bool:
        """Whether it says that something ended or got better."""
        return self.over.fullmatch(message.key) is not None

    def rule(self, message: MessageId) -> Rule | None:
        """The first rule for a message; a registry of a vendor's own borrows a standard one's."""
        fitting = [rule for rule in self.messages if rule.key.fullmatch(message.key)]
        exact = (rule for rule in fitting if rule.registry.fullmatch(message.registry))
        return next(exact, fitting[0] if fitting else None)


class Meant(NamedTuple):
    """A message's kind and severity."""

    kind: str
    severity: Severity


@cache
def load_messages() -> MessageTable:
    """The table shipped with this version."""
    text = (files("fleetops_schemas") / "faults" / "redfish_messages.yaml").read_text("utf-8")
    return MessageTable.model_validate(yaml.safe_load(text))


def meaning_of(message_id: str, severity: Severity | None, device_class: str) -> Meant:
    """What a message means for a device of some class.

    One of severity OK, and one that says that something gets better, is informational and of no
    fault kind, so that it opens nothing; except where the table gives the severity itself.

    Args:
        message_id: ``Registry.Major.Minor.Key``.
        severity: as the source gives it; None where it does not.
        device_class: of the device that it is about.
    """
    message, table = MessageId.parse(message_id), load_messages()
    rule = table.rule(message)
    if table.is_over(message):
        return Meant(OTHER, Severity.INFO)
    if rule is None:
        return Meant(OTHER, severity or Severity.INFO)
    kind = rule.by_class.get(device_class, rule.kind)
    if severity is None:
        return Meant(kind, rule.severity or load_faults().kind(kind).severity)
    if severity is Severity.INFO:
        return Meant(kind, rule.severity) if rule.severity else Meant(OTHER, severity)
    return Meant(kind, severity)
