"""Signatures of webhooks, as Standard Webhooks (standardwebhooks.com) has them.

``webhook-id`` is the same for every attempt of one notification, ``webhook-timestamp`` is the
attempt's time in Unix seconds, and ``webhook-signature`` is ``v1,`` and
base64(HMAC-SHA256(secret, id + "." + timestamp + "." + body)).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from fleetops.core.errors import ConfigError, InputError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - marks a secret given in base64
TOLERANCE_SECONDS = 300.0
"""How old a delivery may be, as Standard Webhooks recommends."""


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 after ``whsec_``, otherwise the text itself.

    Raises:
        ConfigError: what follows the prefix is not base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"secret: what follows {SECRET_PREFIX} is not base64") from error


def sign(key: bytes, identity: str, time: datetime, body: bytes) -> dict[str, str]:
    """The headers that sign a body sent at ``time``."""
    timestamp = str(int(time.timestamp()))
    return {
        ID: identity,
        TIMESTAMP: timestamp,
        SIGNATURE: _signature(key, identity, timestamp, body),
    }


def verify(
    key: bytes, headers: Mapping[str, str], body: bytes, now: datetime | None = None
) -> None:
    """Checks a delivery, for receivers. With ``now``, old deliveries are refused as replays.

    Raises:
        InputError: a header is missing, the signature is wrong, or the delivery is old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in given]
    if missing:
        raise InputError(f"webhook: the header {missing[0]} is missing")
    expected = _signature(key, given[ID], given[TIMESTAMP], body)
    # several, separated by spaces, while a sender changes its secret
    offered = given[SIGNATURE].split()
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in offered):
        raise InputError("webhook: the signature is wrong; is the secret the sender's?")
    sent = float(given[TIMESTAMP]) if given[TIMESTAMP].isdecimal() else 0.0
    if now is not None and abs(now.timestamp() - sent) > TOLERANCE_SECONDS:
        raise InputError(f"webhook: more than {TOLERANCE_SECONDS:.0f} s old; a replay, or a clock")


def _signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"
