"""Profiles of hardware, clusters and workloads: data in YAML, every number with where it is from.

A profile is one file; the file's name is the profile's. Numbers are :class:`Figure`: the unit is in
the field's name, and ``basis`` says whether somebody measured it, published it, or we assumed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
MAX_PROFILE_BYTES = 256 * 1024


class Basis(StrEnum):
    """How a number came to be known."""

    MEASURED = "measured"
    """Read from captures of real hardware."""
    PUBLISHED = "published"
    """Stated by the maker, the operator or a specification."""
    ASSUMED = "assumed"
    """Ours: plausible, and open to correction."""


class Section(BaseModel):
    """Base of everything in a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(Section):
    """A number and its origin. ``float(figure)`` is the number."""

    value: float
    basis: Basis
    source: str = ""
    """Key of the profile's ``sources``; needed unless the number is assumed."""
    why: str = ""
    """What an assumed number rests on."""

    def __float__(self) -> float:
        return self.value

    def __int__(self) -> int:
        return round(self.value)

    @model_validator(mode="after")
    def _has_origin(self) -> Self:
        if self.basis is Basis.ASSUMED and not self.why:
            raise ValueError("an assumed number says why")
        if self.basis is not Basis.ASSUMED and not self.source:
            raise ValueError(f"a {self.basis} number names its source")
        return self


class PlacedFigure(NamedTuple):
    """A figure and the dotted path of its field: ``accelerator.tdp_watts``."""

    path: str
    figure: Figure


class Profile(Section):
    """Base of every kind of profile."""

    folder: ClassVar[str]
    """Where the files of the kind lie, below this package."""

    name: Identifier
    title: str
    summary: str = ""
    sources: dict[str, str] = {}
    """Citations by key: title, and where to find it."""

    @model_validator(mode="after")
    def _names_its_sources(self) -> Self:
        named = {one.figure.source for one in figures_of(self) if one.figure.source}
        if unknown := named - set(self.sources):
            raise ValueError(f"sources that are not listed: {', '.join(sorted(unknown))}")
        return self


class ProfileError(ValueError):
    """There is no such profile, or its file is wrong."""


AnyProfile = TypeVar("AnyProfile", bound=Profile)


def figures_of(section: Section, prefix: str = "") -> Iterator[PlacedFigure]:
    """Every figure in a section and below it, in order of declaration."""
    for name in type(section).model_fields:
        yield from _figures_in(getattr(section, name), f"{prefix}{name}")


def _figures_in(value: object, path: str) -> Iterator[PlacedFigure]:
    if isinstance(value, Figure):
        yield PlacedFigure(path, value)
    elif isinstance(value, Section):
        yield from figures_of(value, f"{path}.")
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield from _figures_in(item, f"{path}[{position}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _figures_in(item, f"{path}.{key}")


@cache
def profile_names(kind: type[Profile]) -> tuple[str, ...]:
    """Names of the shipped profiles of a kind, sorted."""
    folder = files("fleetops_schemas").joinpath(kind.folder)
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml")))


def load_profile(kind: type[AnyProfile], name: str) -> AnyProfile:
    """The shipped profile of that name; read once.

    Raises:
        ProfileError: there is none, or the file is not a profile of that kind.
    """
    profile: AnyProfile = _load(kind, name)
    return profile


@cache
def _load(kind: type[AnyProfile], name: str) -> AnyProfile:
    names = profile_names(kind)
    if name not in names:
        raise ProfileError(f"no profile {kind.folder}/{name}; there are: {', '.join(names)}")
    text = files("fleetops_schemas").joinpath(kind.folder, f"{name}.yaml").read_text("utf-8")
    profile = parse_profile(kind, text, f"{kind.folder}/{name}.yaml")
    if profile.name != name:
        raise ProfileError(f"{kind.folder}/{name}.yaml: its name is {profile.name!r}; make it one")
    return profile


def load_profiles(kind: type[AnyProfile]) -> tuple[AnyProfile, ...]:
    """All shipped profiles of a kind, by name."""
    return tuple(load_profile(kind, name) for name in profile_names(kind))


def parse_profile(kind: type[AnyProfile], text: str, where: str) -> AnyProfile:
    """The profile in a YAML text; ``where`` names it in errors.

    Raises:
        ProfileError: it is too long, no YAML, or not a profile of that kind.
    """
    if len(text) > MAX_PROFILE_BYTES:
        raise ProfileError(f"{where}: {len(text)} characters; the limit is {MAX_PROFILE_BYTES}")
    try:
        data: Any = yaml.safe_load(text)
        return kind.model_validate(data)
    except yaml.YAMLError as error:
        raise ProfileError(f"{where}: no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the profile"
        raise ProfileError(f"{where}: {place}: {first['msg']}") from error
