"""Faults: what can be wrong, how bad it is and what to do, as dated data that can be overridden.

``faults/kinds.yaml`` names the kinds, ``faults/xid.yaml`` and ``faults/sxid.yaml`` the codes of
NVIDIA's driver. Vendors' catalogs contradict each other between versions, so nothing of this is
code: an installation names its own file, which holds only what differs.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleetops_schemas.records import RecommendedAction, Severity

UNCLASSIFIED = "unclassified"
MAX_OVERRIDE_BYTES = 1024 * 1024


class FaultDataError(ValueError):
    """Fault data that are wrong; names the file and the key."""


class FaultKind(BaseModel):
    """One kind of fault, as findings, events and incidents name it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    severity: Severity
    action: RecommendedAction
    title: str
    description: str
    source: str
    """Where severity and action come from: a key of the catalog's ``sources``."""


class Fatality(StrEnum):
    """Whether a code ends the work of the device."""

    NEVER = "never"
    POSSIBLE = "possible"
    ALWAYS = "always"


class FaultCode(BaseModel):
    """One code of a driver. ``severity`` and ``action`` may differ from those of its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: int
    mnemonic: str
    kind: str
    severity: Severity
    action: RecommendedAction
    text: str
    vendor_advice: str = ""
    """The vendor's own resolution bucket (``RESET_GPU``), "" where it gives none."""
    fatality: Fatality | None = None
    """For switch codes, whose lines say for themselves whether they were fatal."""
    note: str = ""
    """Why severity or action differ from the vendor's advice."""
    known: bool = True
    """False for a code that is in no table."""


class NvlinkRule(BaseModel):
    """What one error bit of one NVLink 5 unit (Xid 144-150) means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    xid: int
    units: tuple[str, ...]
    """Names of the unit as drivers spell it."""
    subcodes: tuple[int, ...] = ()
    """Bits 25-20 of the first data word; empty for any."""
    statuses: tuple[int, ...] = ()
    """Error status (second data word); empty for any."""
    severity: Severity
    action: RecommendedAction


class NvlinkUnit(BaseModel):
    """A unit that reports Xid 144-150, and how the interrupt word names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    xid: int
    names: tuple[str, ...]
    before_r575: Annotated[int, Field(ge=0, lt=1 << 10)]
    """The lowest 10 bits of the first data word, of driver branches before R575."""
    since_r575: Annotated[int, Field(ge=0, lt=1 << 7)]
    """The lowest 7 bits, from branch R575 on."""


class FaultCatalog(BaseModel):
    """Every kind and every code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: date
    """When the facts were last gathered."""
    sources: dict[str, str]
    kinds: dict[str, FaultKind]
    xids: dict[int, FaultCode]
    sxids: dict[int, FaultCode]
    nvlink_rules: tuple[NvlinkRule, ...] = ()
    nvlink_units: tuple[NvlinkUnit, ...] = ()

    def kind(self, name: str) -> FaultKind:
        """The kind of that name; ``unclassified`` for a name that is in no table."""
        return self.kinds.get(name, self.kinds[UNCLASSIFIED])

    def xid(self, code: int) -> FaultCode:
        """What an Xid means; an unknown one is ``unclassified``, with ``known`` false."""
        return self.xids.get(code) or self._unknown(code, "Xid")

    def sxid(self, code: int) -> FaultCode:
        """What an SXid means; an unknown one is an ``nvswitch_fault``, with ``known`` false."""
        found = self.sxids.get(code)
        if found is not None:
            return found
        unknown = self._unknown(code, "SXid")
        return unknown.model_copy(update={"kind": "nvswitch_fault", "fatality": Fatality.POSSIBLE})

    def _unknown(self, code: int, family: str) -> FaultCode:
        return FaultCode(
            code=code,
            mnemonic="",
            kind=UNCLASSIFIED,
            severity=Severity.WARNING,
            action=RecommendedAction.WATCH,
            text=f"{family} {code} is in no table known here",
            known=False,
        )


class _Overrides(BaseModel):
    """An installation's own file: only what differs, by kind and by code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: dict[str, dict[str, Any]] = Field(default_factory=dict)
    xid: dict[int, dict[str, Any]] = Field(default_factory=dict)
    sxid: dict[int, dict[str, Any]] = Field(default_factory=dict)


def load_faults(override: Path | None = None) -> FaultCatalog:
    """The fault data of this version, with the fields that ``override`` names replaced.

    The file is YAML: ``kinds: {NAME: {severity: ..., action: ...}}``, ``xid: {79: {...}}`` and
    ``sxid: {...}``. A kind or code that does not exist yet needs all its fields.

    Raises:
        FaultDataError: the file cannot be read, or says something that is not allowed.
    """
    if override is None:
        return _shipped()
    try:
        if override.stat().st_size > MAX_OVERRIDE_BYTES:
            raise FaultDataError(f"{override}: larger than {MAX_OVERRIDE_BYTES} bytes")
        data = yaml.safe_load(override.read_text("utf-8")) or {}
        changes = _Overrides.model_validate(data)
        return _assemble(changes)
    except OSError as error:
        raise FaultDataError(f"{override}: cannot read it: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultDataError(f"{override}: not YAML: {error}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise FaultDataError(f"{override}: {key}: {problem['msg']}") from error


@cache
def _shipped() -> FaultCatalog:
    return _assemble(_Overrides())


def _assemble(changes: _Overrides) -> FaultCatalog:
    kinds = _read("kinds.yaml")
    xid, sxid = _read("xid.yaml"), _read("sxid.yaml")
    catalog = FaultCatalog.model_validate(
        {
            "date": kinds["date"],
            "sources": kinds["sources"],
            "kinds": _merge(kinds["kinds"], changes.kinds, "name"),
            "xids": _merge(xid["codes"], changes.xid, "code"),
            "sxids": _merge(sxid["codes"], changes.sxid, "code"),
            "nvlink_rules": xid.get("nvlink_rules", ()),
            "nvlink_units": xid.get("nvlink_units", ()),
        }
    )
    for code in (*catalog.xids.values(), *catalog.sxids.values()):
        if code.kind not in catalog.kinds:
            raise FaultDataError(f"code {code.code}: no fault kind {code.kind!r} in kinds.yaml")
    return catalog


def _merge(shipped: dict[Any, Any], changes: dict[Any, Any], key_field: str) -> dict[Any, Any]:
    keys = {**shipped, **changes}
    return {key: {**shipped.get(key, {}), **changes.get(key, {}), key_field: key} for key in keys}


def _read(name: str) -> dict[str, Any]:
    text = (files("fleetops_schemas") / "faults" / name).read_text("utf-8")
    data = yaml.safe_load(text)
    assert isinstance(data, dict), f"{name} is no mapping"  # noqa: S101
    return data
