"""A capture of a Redfish service as a folder: the mockup layout, loose JSON files, or both."""

from __future__ import annotations

import codecs
from pathlib import Path

from fleetops.core.errors import InputError
from fleetops_collectors.json_input import parse_json
from fleetops_collectors.redfish.tree import ROOT, Tree, inside, uri_of
from fleetops_collectors.redfish.values import Json

MAX_FILES = 100_000
MAX_FILE_BYTES = 32 * 1024 * 1024


def read_directory(path: Path) -> tuple[Tree, list[str]]:
    """The resources below a folder (or in one file), and what could not be read.

    ``.../index.json`` below ``redfish/v1`` (or with the service root as the folder itself) is the
    DMTF mockup layout. Any other ``.json`` file counts by the ``@odata.id`` it holds, or that the
    resources in it hold, after those.

    Raises:
        InputError: there is no such folder, or not one Redfish resource in it.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*.json") if f.is_file())
    if len(files) > MAX_FILES:
        raise InputError(f"{path}: more than {MAX_FILES} files; name a folder further down")
    tree, warnings = Tree(), []
    loose: list[tuple[str, Json]] = []
    for file in files:
        try:
            resource = _read(file)
        except InputError as error:
            warnings.append(str(error))
            continue
        loose += _sort_in(tree, path, file, resource)
    for uri, resource in loose:
        tree.put(uri, resource, canonical=False)
    if not tree:
        why = warnings[0] if warnings else f"{len(files)} JSON files, none with an @odata.id"
        raise InputError(f"{path}: no Redfish resource in it: {why.removeprefix(f'{path}: ')}")
    warnings += [
        f"{uri}: several files differ on it; one was taken" for uri in sorted(set(tree.conflicts))
    ]
    return tree, warnings


def _sort_in(tree: Tree, root: Path, file: Path, resource: Json) -> list[tuple[str, Json]]:
    """Puts a resource into the tree that is filed under its own URI; gives back any others."""
    place, uri = _uri_of_file(root, file), uri_of(resource)
    if file.name == "index.json" and (not uri or uri == place):
        tree.put(place, resource)
        return []
    if uri.startswith(ROOT):
        return [(uri, resource)]
    if "@odata.type" in resource:
        return [(f"{place}/{file.stem}", resource)]
    return [(uri_of(item), item) for item in inside(resource)]  # several in one file


def read_document(body: bytes, where: str) -> Tree:
    """The resource in one JSON document, with all that stand inside it.

    Raises:
        InputError: it is no JSON object.
    """
    resource = parse(body, where)
    tree = Tree()
    tree.put(uri_of(resource) or ROOT, resource)
    return tree


def parse(body: bytes, where: str) -> Json:
    """A JSON object.

    Raises:
        InputError: it is something else; names what came.
    """
    try:
        resource = parse_json(body, where)
    except InputError as error:
        raise InputError(f"{where}: {_what_came(body, error.__cause__)}") from error
    if not isinstance(resource, dict):
        raise InputError(f"{where}: a JSON {type(resource).__name__} instead of an object")
    return resource


def _what_came(body: bytes, error: BaseException | None) -> str:
    start = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if start == b"<":
        return (
            f"HTML or XML instead of JSON ({len(body)} bytes), such as a login page or a proxy's "
            "error; check the address, or the file"
        )
    if start:
        return f"broken or cut-off JSON ({len(body)} bytes, {error}); read or copy it again"
    return f"nothing instead of JSON ({len(body)} bytes); read or copy it again"


def _read(file: Path) -> Json:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{file}: larger than {MAX_FILE_BYTES} bytes; left out")
        body = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot read it: {error.strerror}") from error
    return parse(body, str(file))


def _uri_of_file(root: Path, file: Path) -> str:
    parts = file.parent.parts
    if "redfish" in parts:
        at = len(parts) - 1 - parts[::-1].index("redfish")
        if parts[at : at + 2] == ("redfish", "v1"):
            return "/".join(("", *parts[at:]))
    below = file.parent.relative_to(root if root.is_dir() else file.parent).parts
    if below[:1] == ("v1",):  # the folder named is .../redfish itself
        below = below[1:]
    return "/".join((ROOT, *below))
