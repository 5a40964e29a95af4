"""Query and header parameters that several routes take, each bounded."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query

from fleetops.api.models import MAX_PAGE
from fleetops.api.paging import MAX_CURSOR

Cursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
Name = Annotated[str | None, Query(max_length=253)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=128,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="The same key is the same request, however often it is sent.",
    ),
]
DEFAULT_LIMIT = 100
