"""Contract suites: what every implementation of a protocol must do."""

from pathlib import Path

import pytest

# pytest explains failed assertions of test files only, unless it is told
pytest.register_assert_rewrite(
    *(f"{__name__}.{path.stem}" for path in Path(__file__).parent.glob("*_contract.py"))
)
