"""How clients connect, and what their failures mean."""

from __future__ import annotations

import importlib.util
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypedDict, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from typing_extensions import override

from fleetops.core.config import BusConfig, secret
from fleetops.core.errors import BusUnavailableError, ConfigError
from fleetops.core.logging import get_logger

BOOTSTRAP_SECONDS = 5.0
"""kafka-python waits 30 s by default, even where a password is wrong."""
MAX_REASONS = 50
QUIET_SECONDS = 30.0
"""The library's own log is passed on once in so long."""
T = TypeVar("T")


class ClientSettings(TypedDict, total=False):
    """What every kafka-python client takes."""

    bootstrap_servers: list[str]
    bootstrap_timeout_ms: int
    reconnect_backoff_max_ms: int
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"]
    ssl_cafile: str
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]
    sasl_plain_username: str
    sasl_plain_password: str


def quiet_library() -> None:
    """Keeps the library's log from flooding ours in an outage; safe to call twice."""
    library = logging.getLogger("kafka")
    library.propagate = False
    library.addHandler(_QUIET)


def require_crc32c() -> None:
    """Refuses to go on without the checksum in C: in Python it is 40 times dearer.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec("crc32c") is None:
        raise ConfigError(
            "bus.kind is kafka, but crc32c is not installed, and without it kafka-python "
            "is 40 times slower; run: pip install 'fleetops[cluster]'"
        )


def client_settings(config: BusConfig) -> ClientSettings:
    """The settings of a configuration.

    Raises:
        ConfigError: names the key that is missing or wrong.
    """
    if not config.bootstrap_servers:
        raise ConfigError("bus.bootstrap_servers is empty; name at least one broker as HOST:PORT")
    settings = ClientSettings(
        bootstrap_servers=list(config.bootstrap_servers),
        bootstrap_timeout_ms=round(min(BOOTSTRAP_SECONDS, config.deadline_seconds) * 1000),
        reconnect_backoff_max_ms=1_000,  # the default of 30 s delays what waits for a restart
        security_protocol=config.security_protocol,
    )
    if config.security_protocol != "PLAINTEXT" and config.ca_file is not None:
        if not config.ca_file.is_file():
            raise ConfigError(f"bus.ca_file: there is no file {config.ca_file}")
        settings["ssl_cafile"] = str(config.ca_file)
    if config.security_protocol == "SASL_SSL":
        password = secret(config.password, config.password_file, "bus.password")
        if config.username is None or password is None:
            raise ConfigError("bus.username and bus.password_file are needed with SASL_SSL")
        settings["sasl_mechanism"] = config.sasl_mechanism
        settings["sasl_plain_username"] = config.username
        settings["sasl_plain_password"] = password.get_secret_value()
    return settings


def milliseconds(seconds: float) -> int:
    """Seconds as the library wants them."""
    return max(0, round(seconds * 1000))


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turns the library's errors into the bus's."""
    try:
        yield
    except KafkaError as error:
        raise BusUnavailableError(f"{doing}: {type(error).__name__}: {error}") from error


class _Reasons(logging.Handler):
    """Keeps what the library only logs: why it does not get through."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: deque[str] = deque(maxlen=MAX_REASONS)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            self._seen += [str(part) for part in record.args if isinstance(part, Exception)]

    def text(self) -> str:
        """Every different reason, the latest last."""
        return "; ".join(dict.fromkeys(self._seen))


class _Quiet(logging.Handler):
    """Passes the library's log on, one line in a while: in an outage it writes twenty a second."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next_at = 0.0
        self._left_out = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.created < self._next_at:
            self._left_out += 1
            return
        self._next_at = record.created + QUIET_SECONDS
        get_logger("bus").warning(
            "kafka client", says=record.getMessage(), left_out_before=self._left_out
        )
        self._left_out = 0


_QUIET = _Quiet()
_NET_LOG = logging.getLogger("kafka.net")
_REFUSALS = {
    "SaslAuthenticationFailed": "bus.username, bus.password_file: the broker refuses them",
    "UnsupportedSaslMechanism": "bus.sasl_mechanism: the broker does not offer it",
    "CERTIFICATE_VERIFY_FAILED": "bus.ca_file: the broker's certificate is not signed by it",
    "WRONG_VERSION_NUMBER": "bus.security_protocol: the broker's port does not speak TLS",
}
_HANGS_UP = "the broker hangs up: check bus.security_protocol, and the password and its mechanism"


class NetworkClients:
    """Makes the network client of a library client, and can end it.

    A constructor that fails to connect leaves a thread and four descriptors behind each time.
    """

    def __init__(self) -> None:
        self._made: list[KafkaNetClient] = []

    def __call__(self, **configs: object) -> KafkaNetClient:
        """What the library wants as its ``kafka_client``."""
        client = KafkaNetClient(**configs)
        self._made.append(client)
        return client

    def end(self) -> None:
        """Ends what was made."""
        for client in self._made:
            client.close()


def connect(servers: tuple[str, ...], make: Callable[[NetworkClients], T]) -> T:
    """Makes a client, which connects; ``make`` passes on what it is given as ``kafka_client``.

    Raises:
        ConfigError: the broker is there and refuses us; names the key.
        BusUnavailableError: no broker answers; with the reason, as far as the library knows it.
    """
    reasons = _Reasons()
    network = NetworkClients()
    _NET_LOG.addHandler(reasons)
    try:
        return make(network)
    except KafkaError as error:
        network.end()
        place = ", ".join(servers)
        text = reasons.text() or str(error)
        for sign, meaning in _REFUSALS.items():
            if sign in text:
                raise ConfigError(f"{meaning} ({place}): {text}") from error
        if "socket disconnected" in text:
            text = f"{text} ({_HANGS_UP})"
        raise BusUnavailableError(f"bus.bootstrap_servers: {place}: {text}") from error
    finally:
        _NET_LOG.removeHandler(reasons)
