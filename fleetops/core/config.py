"""The configuration: one YAML file, overridden by ``FLEETOPS_SECTION__KEY`` in the environment.

Plug-ins (collectors, detectors, schedulers, sinks) check their own options with their own models;
here they are mappings. Nothing in a file but a ``*_file`` key names a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from fleetops.core.errors import ConfigError
from fleetops.core.inventory.source import InventorySource
from fleetops_schemas.topology import HostPlacement

Options = dict[str, Any]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
MAX_CONFIG_BYTES = 16 * 1024 * 1024


class Section(BaseModel):
    """Base of every section: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class BusConfig(Section):
    """Where the log is."""

    kind: Literal["local", "kafka"] = "local"
    namespace: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]*)?$", max_length=64)] = ""
    """Prefix of every topic and group, so that several installations can share one broker."""
    path: Path = Path(".fleetops/bus.sqlite")
    """local: the SQLite file."""
    max_bytes: int = 4 * 1024**3
    """local: size at which producers are made to wait."""
    bootstrap_servers: tuple[str, ...] = ()
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    replication_factor: int = 1
    """kafka: replicas of each topic; 3 in production."""
    deadline_seconds: PositiveSeconds = 10.0
    """Longest a call may wait for the bus."""
    buffer_messages: Annotated[int, Field(ge=1)] = 1000
    """Messages a producer holds unacknowledged before it makes the caller wait."""


class StoreConfig(Section):
    """Where the history is."""

    kind: Literal["embedded", "clickhouse"] = "embedded"
    path: Path = Path(".fleetops/store")
    """embedded: the data folder; one process at a time."""
    host: str = "127.0.0.1"
    port: int = 9000
    database: str = "fleetops"
    username: str = "default"
    password: SecretStr | None = None
    password_file: Path | None = None
    secure: bool = False
    """clickhouse: TLS, verified."""
    ca_file: Path | None = None
    deadline_seconds: PositiveSeconds = 30.0


class IngestConfig(Section):
    """How rows are batched into the store."""

    batch_rows: Annotated[int, Field(ge=1)] = 25_000
    """Rows that make an insert; fewer waste (performance study, section 2: 3 ms fixed each)."""
    batch_seconds: PositiveSeconds = 1.0
    """Longest a row waits for others."""


class DetectConfig(Section):
    """Which detectors run, and how findings become incidents."""

    detectors: dict[str, Options] = {}
    """By name, the detector's options. Every installed detector runs unless ``enabled: false``."""
    evaluate_seconds: PositiveSeconds = 1.0
    correlation_seconds: PositiveSeconds = 10.0
    """Wait before a host is blamed, so that a cause it shares with others can show."""
    resolve_after_seconds: PositiveSeconds = 60.0
    """An incident resolves when its findings stayed cleared so long."""


class PolicyConfig(Section):
    """What may be done without asking. Caps count nodes drained by FleetOps."""

    max_drained: Annotated[int, Field(ge=0)] = 4
    """Nodes out of service at once."""
    max_drained_ratio: Annotated[float, Field(ge=0, le=1)] = 0.25
    """The same as a share of the nodes the scheduler has; the smaller of both holds."""
    max_drained_per_rack: Annotated[int, Field(ge=0)] = 2
    max_drained_per_job: Annotated[int, Field(ge=0)] = 2
    """Nodes of one job at once."""
    max_drains_per_hour: Annotated[int, Field(ge=0)] = 10
    min_spare_nodes: Annotated[int, Field(ge=0)] = 1
    """Healthy idle nodes that must remain."""
    min_severity: Literal["warning", "critical"] = "warning"
    approval_expires_seconds: PositiveSeconds = 3600.0
    redrain_cool_off_seconds: PositiveSeconds = 3600.0
    """After a person undrained a node it is left alone so long."""
    breaker_incidents: Annotated[int, Field(ge=1)] = 5
    """Hosts blamed within the breaker's window that trip it; only a person resets it."""
    breaker_window_seconds: PositiveSeconds = 300.0
    protected_nodes: str = ""
    """Hostlist of nodes that are never touched."""


class OperateConfig(Section):
    """How incidents become actions."""

    mode: Literal["observe", "approve", "auto"] = "observe"
    """observe: plan and record only. approve: a person approves each. auto: inside the policy."""
    scheduler: str = "emulated"
    scheduler_options: Options = {}
    policy: PolicyConfig = PolicyConfig()
    poll_seconds: PositiveSeconds = 2.0
    """How often the scheduler is read."""
    reason_prefix: str = "fleetops"
    """Drains carry ``PREFIX:INCIDENT text``; only nodes with it are ever undrained."""


class AlertsConfig(Section):
    """Who is told."""

    sinks: tuple[Options, ...] = ()
    """Each ``{kind: webhook|alertmanager|..., name: ..., ...}``."""
    retry_seconds: PositiveSeconds = 300.0
    """How long a delivery is retried."""


class TokenConfig(Section):
    """One bearer token of the API."""

    name: str
    role: Literal["viewer", "operator", "admin"]
    token: SecretStr | None = None
    token_file: Path | None = None


class ApiConfig(Section):
    """Where the API listens and who may use it."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tokens: tuple[TokenConfig, ...] = ()
    """None: reading needs no token on a loopback address, and nothing can be written."""


class ClientConfig(Section):
    """How the CLI and the pages reach the API."""

    url: str = "http://127.0.0.1:8080"
    token: SecretStr | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: PositiveSeconds = 10.0


class DashboardConfig(Section):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8501


class Config(Section):
    """Everything."""

    state_dir: Path = Path(".fleetops")
    """Spools, cursors and pid files."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    bus: BusConfig = BusConfig()
    store: StoreConfig = StoreConfig()
    collectors: tuple[Options, ...] = ()
    """Each ``{kind: redfish|prometheus|..., name: ..., targets: [...], ...}``."""
    spool_max_bytes: int = 256 * 1024**2
    """Disk a collector process may fill while the bus is away; the oldest raw data goes first."""
    topology: tuple[HostPlacement, ...] = ()
    """Where hosts stand, written out here; goes before every file of ``inventory``."""
    inventory: tuple[InventorySource, ...] = ()
    """Files that say where hosts stand and which parts they hold, the most trusted first."""
    ingest: IngestConfig = IngestConfig()
    detect: DetectConfig = DetectConfig()
    operate: OperateConfig = OperateConfig()
    alerts: AlertsConfig = AlertsConfig()
    api: ApiConfig = ApiConfig()
    client: ClientConfig = ClientConfig()
    dashboard: DashboardConfig = DashboardConfig()


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
ENV_PREFIX = "FLEETOPS_"
NO_NUMBER = frozenset({"float_parsing", "float_type", "int_parsing", "int_type"})
UNITS = frozenset({"seconds", "bytes", "rows", "steps"})
"""Ends of keys that name the unit of the value."""


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of a file (defaults without one) and the environment.

    Relative ``*_file`` and ``path`` values are relative to the working directory.

    Raises:
        ConfigError: names the key, what is wrong with it, and the remedy.
    """
    environ = os.environ if environ is None else environ
    data: Any = {}
    if path is not None:
        data = _read(path, environ)
    for name, value in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and "__" in name:
            _override(data, name.removeprefix(ENV_PREFIX).lower().split("__"), value)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(describe(error, str(path or "environment"))) from error


def describe(error: ValidationError, place: str) -> str:
    """A validation error for people: one line a problem, with key and remedy."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            text = "unknown key; remove it or mend its spelling (docs/reference/configuration.md)"
        elif problem["type"] in NO_NUMBER:
            unit = key.rpartition("_")[2]
            of = f" of {unit}, without a unit" if unit in UNITS else ""
            text = f"must be a plain number{of}, such as 10"
        lines.append(f"{place}: {key}: {text}")
    return "\n".join(lines)


def secret(inline: SecretStr | None, file: Path | str | None, key: str) -> SecretStr | None:
    """A secret given inline (environment) or by file; None where neither is.

    Raises:
        ConfigError: both are given, or the file cannot be read or is empty.
    """
    if inline is not None and file is not None:
        raise ConfigError(f"{key} and {key}_file are both set; keep one")
    if file is None:
        return inline
    try:
        text = Path(file).read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}_file: {file} is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(
            f"{key}_file: cannot read {file}: {error.strerror}; create it or mend the path"
        ) from error
    if not text:
        raise ConfigError(f"{key}_file: {file} is empty")
    return SecretStr(text)


def _read(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}") from error

    def value_of(match: re.Match[str]) -> str:
        value = environ.get(match[1], match[2])
        if value is None:
            raise ConfigError(
                f"{path}: ${{{match[1]}}} is not set; export it, or give a default as "
                f"${{{match[1]}:-VALUE}}"
            )
        return value

    try:
        data = yaml.safe_load(_VARIABLE.sub(value_of, text)) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {_where(error)}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping of sections, not {type(data).__name__}")
    return data


def _override(data: dict[str, Any], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{ENV_PREFIX}{'__'.join(keys).upper()}: {key} is no section")
    # a secret of digits stays text
    text = keys[-1] in {"password", "token"}
    try:
        data[keys[-1]] = value if text else yaml.safe_load(value)
    except yaml.YAMLError as error:
        name = f"{ENV_PREFIX}{'__'.join(keys).upper()}"
        raise ConfigError(f"{name} in the environment: not YAML: {_where(error)}") from error


def _where(error: yaml.YAMLError) -> str:
    """What the parser did not like, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        context = f" {error.context}" if error.context else ""
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}{context}"
    return " ".join(str(error).split())
