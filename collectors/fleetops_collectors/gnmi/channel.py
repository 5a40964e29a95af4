"""Connections to gNMI targets: TLS that is verified, credentials, limits."""

from __future__ import annotations

import os
import re
import ssl
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fleetops.core.errors import ConfigError, InputError, TemporaryError

if TYPE_CHECKING:
    from fleetops_collectors.gnmi.collector import GnmiConfig

KEEPALIVE_SECONDS = 30
"""A target that is gone without a word is found out within this and the next."""
KEEPALIVE_TIMEOUT_SECONDS = 10
_TLS = re.compile(r"(?i)handshak|certificate|verification|ssl")
"""In the details of an error: it is TLS that failed."""


def grpc_library(collector: str) -> ModuleType:
    """grpc, which only this collector needs, with pygnmi's messages.

    Raises:
        ConfigError: one of them is not installed.
    """
    # Its C core writes to stderr past every logger, each failed handshake too; we tell of those.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        grpc = import_module("grpc")
        import_module("grpc.aio")
        import_module("pygnmi.spec.v080.gnmi_pb2_grpc")
    except ImportError as error:
        raise ConfigError(
            f"collector {collector}: pygnmi is missing; pip install 'fleetops[gnmi]'"
        ) from error
    return grpc


def open_channel(config: GnmiConfig, address: str) -> Any:  # noqa: ANN401 (grpc ships no types)
    """A channel that connects when it is first used.

    Raises:
        ConfigError: a file of the configuration cannot be read.
        TemporaryError: the certificate that is to be trusted unseen cannot be fetched.
    """
    grpc = grpc_library(config.name)
    options: list[tuple[str, int | str]] = [
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
    ]
    if config.insecure:
        return grpc.aio.insecure_channel(address, options=options)
    roots = _read(config, "ca_file", config.ca_file) or _system_roots()
    name = config.tls_server_name
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    credentials = grpc.ssl_channel_credentials(
        root_certificates=roots,
        private_key=_read(config, "key_file", config.key_file),
        certificate_chain=_read(config, "cert_file", config.cert_file),
    )
    return grpc.aio.secure_channel(address, credentials, options=options)


def _read(config: GnmiConfig, key: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"collector {config.name}: {key}: cannot read {path}: {error.strerror}; name a PEM file"
        ) from error


def _system_roots() -> bytes | None:
    """The system's CAs; grpc would take its own list, which knows no site's CA."""
    file = ssl.get_default_verify_paths().cafile
    try:
        return Path(file).read_bytes() if file else None
    except OSError:
        return None


def error_of(error: Any, where: str) -> InputError | TemporaryError:  # noqa: ANN401
    """What a failed call means: whether it may work later, and what to do."""
    code, details = error.code().name, error.details() or ""
    text = f"{where}: {code}: {details}" if details else f"{where}: {code}"
    match code:
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            return InputError(f"{text}; check username and password_file")
        case "UNIMPLEMENTED":
            return InputError(f"{text}; check that gNMI listens at this address")
        case "INVALID_ARGUMENT" | "NOT_FOUND" | "OUT_OF_RANGE" | "FAILED_PRECONDITION":
            return InputError(
                f"{text}; leave out of on_change_paths and sample_paths what it has not"
            )
        case "RESOURCE_EXHAUSTED" if "larger than max" in details:
            return InputError(f"{text}; raise max_message_bytes if it is meant to be")
    hint = "check address, network and power"
    if _TLS.search(details):
        hint = "check ca_file and tls_server_name; insecure: true is for targets without TLS"
    return TemporaryError(f"{text}; {hint}")
