"""Prints the API's OpenAPI document: ``python -m fleetops.api.openapi``.

The committed copy is ``docs/reference/openapi.json``; a test asserts that it is current.
"""

from __future__ import annotations

import json
import sys

from fleetops.api.app import create_app


def document() -> str:
    """The document as it is committed."""
    return json.dumps(create_app().openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
