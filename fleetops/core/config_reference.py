"""Writes ``docs/reference/configuration.md`` from the configuration's models."""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import UnionType

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from fleetops.core.config import Config
from fleetops_schemas.topology import HostPlacement

PAGE = Path("docs/reference/configuration.md")
HEAD = """\
# Configuration

One YAML file, named by `--config` or `FLEETOPS_CONFIG`. Any key can be set in the environment as
`FLEETOPS_SECTION__KEY`; `${VARIABLE}` in the file is replaced and must be set, `${VARIABLE:-value}`
has a default. An unknown key is an error. `fleetops config check` checks a file, `fleetops config
show` shows what is in force. Secrets come from files (`*_file`) or the environment. Times are in
seconds, sizes in bytes.

Options of collectors, schedulers, detectors and sinks are the plug-in's own: see its page.

This page is generated from `fleetops/core/config.py` by `make docs`.
"""


def configuration_page() -> str:
    """The page, as Markdown."""
    return HEAD + "".join(_section(name, model) for name, model in _sections(Config, ""))


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            many = "[]" if _is_list(field.annotation) else ""
            yield from _sections(inner, f"{path}.{name}{many}".lstrip("."))


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _is_list(annotation: object) -> bool:
    return typing.get_origin(annotation) in (tuple, list)


def _section(path: str, model: type[BaseModel]) -> str:
    title = f"`{path}`" if path else "Top level"
    lines = [f"\n## {title}\n", f"\n{_text(model.__doc__)}\n"]
    lines.append("\n| key | type | default | meaning |\n|---|---|---|---|\n")
    for name, field in model.model_fields.items():
        if not _models(field.annotation) or _is_list(field.annotation):
            meaning = _text(field.description)
            lines.append(f"| `{name}` | {_type(field)} | {_default(field)} | {meaning} |\n")
    return "".join(lines)


def _type(field: FieldInfo) -> str:
    return _name(field.annotation).replace("|", "\\|")


_WORDS: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "mapping",
    SecretStr: "secret",
    HostPlacement: "placement",
}


def _name(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(str(one) for one in arguments)
    if origin in (UnionType, typing.Union):
        return " or ".join(_name(one) for one in arguments if one is not type(None))
    if origin is tuple:
        return f"list of {_name(arguments[0])}"
    plain = arguments[0] if origin is typing.Annotated else origin or annotation
    mapping = "mapping" if _models(plain) else getattr(plain, "__name__", str(plain)).lower()
    return _WORDS.get(plain, mapping)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ((), {}, ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").replace("|", "\\|").split())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(configuration_page(), encoding="utf-8")
