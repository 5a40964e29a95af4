from __future__ import annotations

import json

from fleetops.api.openapi import document
from tests.support import ROOT


def test_the_committed_document_is_current() -> None:
    committed = (ROOT / "docs" / "reference" / "openapi.json").read_text("utf-8")
    assert committed == document(), (
        "run: python -m fleetops.api.openapi > docs/reference/openapi.json"
    )


def test_every_reference_resolves_and_every_operation_declares_its_errors() -> None:
    api = json.loads(document())
    text = json.dumps(api)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in api["components"]["schemas"]
    for path, operations in api["paths"].items():
        for operation in operations.values():
            unauthenticated = operation["responses"]["401"]["content"]
            assert [*unauthenticated] == ["application/problem+json"], path
