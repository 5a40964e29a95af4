"""Payloads of Slurm, decoded at a time of their own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.slurm import decode_payload
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def decoded(text: str | dict[str, object]) -> Decoded:
    payload = text if isinstance(text, str) else json.dumps(text)
    found = decode_payload(payload.encode(), NOW)
    check_readings(found.readings)
    return found
