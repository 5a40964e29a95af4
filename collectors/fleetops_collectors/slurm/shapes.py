"""Slurm's JSON, whose shapes drift from version to version.

21.08 has plain strings and numbers, 24.11 has arrays of flags and ``{set, infinite, number}``.
Both are read, and everything between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from fleetops.core.errors import InputError
from fleetops_schemas.readings import Quality

Raw = Mapping[str, Any]

RESERVED_NUMBERS = frozenset(
    # slurm.h: NO_VAL and INFINITE in 32 and 64 bits, the same as signed numbers. Those of 16 bits
    # are left out: 65,535 MiB of memory are honest.
    (0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF, -2, -1)
)
SUFFIXES = {
    # man sinfo, NODE STATE CODES: what may stand behind a state, and the flag it is in JSON
    "*": "NOT_RESPONDING",
    "~": "POWERED_DOWN",
    "#": "POWERING_UP",
    "!": "POWER_DOWN",
    "%": "POWERING_DOWN",
    "$": "MAINTENANCE",
    "@": "REBOOT_REQUESTED",
    "^": "REBOOT_ISSUED",
    "-": "PLANNED",
}
SHORT_STATES = {
    # sinfo's and squeue's compact spellings
    **{"ALLOC": "ALLOCATED", "MIX": "MIXED", "COMP": "COMPLETING", "DRNG": "DRAINING"},
    **{"MAINT": "MAINTENANCE", "RESV": "RESERVED", "PLND": "PLANNED", "UNK": "UNKNOWN"},
    **{"FAILG": "FAILING", "NO_RESPOND": "NOT_RESPONDING", "FUTR": "FUTURE"},
    **{"PD": "PENDING", "R": "RUNNING", "CG": "COMPLETING", "CF": "CONFIGURING", "S": "SUSPENDED"},
    **{"ST": "STOPPED", "CD": "COMPLETED", "CA": "CANCELLED", "F": "FAILED", "TO": "TIMEOUT"},
    **{"NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PR": "PREEMPTED", "RS": "RESIZING"},
    **{"SO": "STAGE_OUT", "SI": "SIGNALING", "RQ": "REQUEUED", "RH": "REQUEUE_HOLD"},
    **{"BF": "BOOT_FAIL", "DL": "DEADLINE", "RD": "RESV_DEL_HOLD", "RV": "REVOKED"},
}


class Number(NamedTuple):
    """A number, or why there is none."""

    value: float | int | None
    quality: Quality


def load(payload: bytes, where: str) -> Raw:
    """The JSON object of an answer.

    Raises:
        InputError: it is none.
    """
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where}: its answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise InputError(f"{where}: a JSON {type(answer).__name__} instead of an object")
    return answer


def records(payload: bytes, key: str, where: str) -> list[Raw]:
    """The list under ``key`` of an answer.

    Raises:
        InputError: the answer is not JSON, says that it failed, or has no such list.
    """
    return listed(load(payload, where), key, where)


def listed(answer: Raw, key: str, where: str) -> list[Raw]:
    """The same of an answer that is read already.

    Raises:
        InputError: the answer says that it failed, or has no such list.
    """
    found = answer.get(key)
    if not found and (said := _errors(answer)):
        raise InputError(f"{where}: it says: {said}")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InputError(f"{where}: its answer has no list {key!r}; is this Slurm >= 21.08?")
    return found


def _errors(answer: Raw) -> str:
    """What ``errors`` of an answer say, in one line."""
    errors = answer.get("errors")
    listed = errors if isinstance(errors, list) else []
    objects = [item for item in listed if isinstance(item, dict)]
    texts = (str(item.get("description") or item.get("error") or item) for item in objects)
    return "; ".join(texts)[:300]


def words(value: object) -> list[str]:
    """``idle``, ``IDLE+DRAIN``, ``down*`` or ``["IDLE", "DRAIN"]`` as upper-case words."""
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    found: dict[str, None] = {}
    for text in texts:
        for part in str(text).split("+"):
            word = part.strip().upper()
            state = word.rstrip("".join(SUFFIXES))
            if state:
                found[SHORT_STATES.get(state, state)] = None
            for suffix in word[len(state) :] if state else "":
                found[SUFFIXES[suffix]] = None
    return list(found)


def number(value: object) -> Number:
    """A plain number, one written as text, or ``{set, infinite, number}``.

    What is not set is missing; infinite ones and Slurm's reserved numbers are sentinels.
    """
    if isinstance(value, dict):
        if value.get("infinite"):
            return Number(None, Quality.SENTINEL)
        if not value.get("set", "number" in value):
            return Number(None, Quality.MISSING)
        value = value.get("number")
    if isinstance(value, str):
        try:
            # Python's own grouping of digits would read the array task 2_1 as 21
            value = float(value.replace("_", "?")) if not value.isdecimal() else int(value)
        except ValueError:
            return Number(None, Quality.MISSING)
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # noqa: PLR0124
        return Number(None, Quality.MISSING)
    if value in RESERVED_NUMBERS:
        return Number(None, Quality.SENTINEL)
    return Number(value, Quality.GOOD)


def whole(value: object) -> int | None:
    """The number as a whole one, or None."""
    found = number(value).value
    try:
        return int(found) if found is not None else None
    except OverflowError:
        return None


def time_of(value: object) -> datetime | None:
    """The time in seconds since 1970, or in Slurm's text (taken as UTC); 0 means never."""
    if isinstance(value, str) and "T" in value:
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            return None
    seconds = number(value).value
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds and seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def text_of(value: object) -> str:
    """The text; empty for null and for Slurm's words for it."""
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in {"(null)", "N/A", "n/a", "None", "none", "NONE"} else text


def texts_of(value: object) -> Iterable[str]:
    """A list of texts, or one text with commas."""
    if isinstance(value, str):
        value = value.split(",")
    return [str(item) for item in value] if isinstance(value, list) else []


def hundredths(text: str) -> float | None:
    """A load as JSON has it, in hundredths, of the load itself, which tables have."""
    try:
        return float(text) * 100
    except ValueError:
        return None
