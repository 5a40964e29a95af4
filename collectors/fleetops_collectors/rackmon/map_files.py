"""A register map by name or from a file, whatever its format."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError, InputError
from fleetops_collectors.json_input import parse_json, read_file
from fleetops_collectors.rackmon.map_json import ReadMap, read_rackmond_map
from fleetops_collectors.rackmon.profile_json import is_profile, read_profile
from fleetops_schemas.register_maps import RegisterMap, load_register_maps

MAX_MAP_BYTES = 64 * 1024 * 1024
YAML_SUFFIXES = frozenset({".yaml", ".yml"})


def read_map(name: str) -> ReadMap:
    """The map that ``name`` names: one of ours, or a file.

    A file is a register map of rackmond or a device profile of phosphor-modbus in JSON, or one in
    our own form (``schemas/fleetops_schemas/register_maps``) in YAML.

    Raises:
        InputError: there is none of that name, or it cannot be read.
    """
    shipped = load_register_maps()
    if name in shipped:
        return ReadMap(shipped[name])
    data = _read(Path(name))
    if Path(name).suffix.lower() in YAML_SUFFIXES:
        return ReadMap(_own_map(data, name))
    document = parse_json(data, name)
    if not isinstance(document, dict):
        raise InputError(f"{name}: no register map: a JSON {_kind(document)}, not an object")
    return (read_profile if is_profile(document) else read_rackmond_map)(document, name)


def read_own_map(path: Path) -> RegisterMap:
    """An installation's own map, in our form.

    Raises:
        ConfigError: it cannot be read, or is none; names the key.
    """
    try:
        return _own_map(_read(path), str(path))
    except InputError as error:
        raise ConfigError(str(error)) from error


def _own_map(data: bytes, where: str) -> RegisterMap:
    try:
        return RegisterMap.model_validate(yaml.safe_load(data.decode("utf-8")))
    except ValidationError as error:
        raise InputError(describe(error, where)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: no YAML: {' '.join(str(error).split())}") from error


def _read(path: Path) -> bytes:
    try:
        return read_file(path, MAX_MAP_BYTES)
    except InputError as error:
        shipped = ", ".join(sorted(load_register_maps()))
        raise InputError(f"{error}, or name one of: {shipped}") from error


def _kind(document: object) -> str:
    names = {list: "list", str: "text", type(None): "null", bool: "boolean"}
    return names.get(type(document), "number")
