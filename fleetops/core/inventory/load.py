"""All sources of the configuration as one inventory. The earlier source goes before the later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from fleetops.core.config import Config, describe
from fleetops.core.errors import ConfigError, InputError
from fleetops.core.inventory.claims import PLACES, Claims
from fleetops.core.inventory.csv_file import read_csv
from fleetops.core.inventory.kubernetes_nodes import read_kubernetes_nodes
from fleetops.core.inventory.slurm_topology import read_slurm_topology
from fleetops.core.inventory.source import Format, InventorySource
from fleetops.core.inventory.yaml_file import read_yaml
from fleetops_schemas.identity import CONFIGURED, DeviceIdentity
from fleetops_schemas.topology import HostPlacement, host_of

MAX_BYTES = 64 * 1024**2
INLINE = "topology"
"""The source that the ``topology`` section of the configuration is."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What all sources say together."""

    placements: tuple[HostPlacement, ...]
    claims: tuple[Claims, ...]
    """By source, the first goes before the others; contradictions are found in them."""
    problems: tuple[str, ...]
    """What could not be used, with its place."""

    def identities(self, now: datetime) -> Iterator[DeviceIdentity]:
        """Every source's word on every host and part, to be held against what is found."""
        for precedence, claims in enumerate(self.claims):
            source = f"{CONFIGURED}{claims.source}"
            for host, words in claims.hosts.items():
                places = {key: words[key] for key in PLACES if key in words}
                yield DeviceIdentity(
                    device=host,
                    device_class="host",
                    host=host,
                    source=source,
                    placement=places,
                    precedence=precedence,
                    observed_at=now,
                )
            for device, words in claims.parts.items():
                yield DeviceIdentity.model_validate(
                    {
                        "device": device,
                        "device_class": "",
                        "host": host_of(device) if "/" in device else "",
                        "source": source,
                        "precedence": precedence,
                        "observed_at": now,
                        **words,
                    }
                )


def load_inventory(config: Config) -> Inventory:
    """Reads the sources that the configuration names.

    Raises:
        ConfigError: a source cannot be read or is not what it is said to be.
    """
    claims = [_inline(config.topology)] if config.topology else []
    claims += [read_source(source) for source in config.inventory]
    placements, problems = _merged(claims)
    said = [f"{one.source}: {problem}" for one in claims for problem in one.problems]
    return Inventory(placements, tuple(claims), (*said, *problems))


def read_source(source: InventorySource) -> Claims:
    """What one file says.

    Raises:
        ConfigError: it cannot be read or is not of its format.
    """
    claims = Claims(source.name)
    try:
        with source.path.open(encoding="utf-8", newline="") as file:
            text = file.read(MAX_BYTES + 1)
    except UnicodeDecodeError as error:
        raise ConfigError(f"inventory: {source.path}: not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"inventory: {source.path}: cannot read it: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise ConfigError(f"inventory: {source.path}: larger than {MAX_BYTES} characters")
    try:
        _read(source, text, claims)
    except InputError as error:
        raise ConfigError(f"inventory: {source.path}: {error}") from error
    return claims


def _read(source: InventorySource, text: str, claims: Claims) -> None:
    match source.format:
        case Format.YAML:
            read_yaml(text, claims)
        case Format.CSV:
            read_csv(text, claims)
        case Format.SLURM_TOPOLOGY:
            read_slurm_topology(text, claims)
        case Format.KUBERNETES_NODES:
            read_kubernetes_nodes(text, claims, source.labels)


def _inline(topology: Iterable[HostPlacement]) -> Claims:
    claims = Claims(INLINE)
    for placement in topology:
        said = placement.model_dump(exclude_unset=True, exclude={"host"}, exclude_none=True)
        claims.say(placement.host, {key: str(value) for key, value in said.items()})
    return claims


def _merged(claims: list[Claims]) -> tuple[tuple[HostPlacement, ...], list[str]]:
    words: dict[str, dict[str, str]] = {}
    for one in claims:
        for host, said in one.hosts.items():
            known = words.setdefault(host, {})
            known.update({key: text for key, text in said.items() if key not in known})
    placements, problems = [], []
    homeless = sorted(host for host, said in words.items() if "rack" not in said)
    if homeless:
        some = ", ".join(homeless[:5]) + (", ..." if homeless[5:] else "")
        problems.append(f"no source names the rack of {len(homeless)} hosts: {some}; left out")
    for host, said in words.items():
        if "rack" not in said:
            continue
        try:
            placements.append(HostPlacement.model_validate({"host": host, **said}))
        except ValidationError as error:
            problems.append(f"{describe(error, host)}; left out")
    return tuple(placements), problems
