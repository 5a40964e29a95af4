"""Which error of ours an engine's error becomes."""

from __future__ import annotations

import pytest

from fleetops.core.errors import (
    ConfigError,
    FleetOpsError,
    StoreRejectedError,
    StoreUnavailableError,
)
from fleetops.store.errors import MAX_MESSAGE, error_of


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (
            "Code: 243. DB::Exception: No space",
            StoreUnavailableError,
            "the disk is full",
        ),
        ("Code: 159. DB::Exception: Timeout exceeded", StoreUnavailableError, r"code 159\)$"),
        ("Code: 252. DB::Exception: Too many parts", StoreUnavailableError, "Too many parts"),
        ("Code: 516. DB::Exception: x: Authentication failed", ConfigError, "store.password_file"),
        ("Code: 81. DB::Exception: Database x", StoreRejectedError, "fleetops run ingest"),
        ("Code: 62. DB::Exception: Syntax error", StoreRejectedError, "^here: Syntax error"),
        ("something else", StoreRejectedError, "^here: something else$"),
    ],
)
def test_errors(message: str, kind: type[FleetOpsError], text: str) -> None:
    error = error_of(message, "here")
    assert type(error) is kind
    with pytest.raises(kind, match=text):
        raise error


def test_a_code_that_is_given_counts() -> None:
    error = error_of("DB::Exception: gone. Stack trace:\n\n0. main", "here", 210)
    assert isinstance(error, StoreUnavailableError)
    assert str(error) == "here: gone. (code 210)"


def test_a_long_message_is_cut() -> None:
    assert len(str(error_of("Code: 62. DB::Exception: " + "x" * 9000, "here"))) < MAX_MESSAGE + 50
