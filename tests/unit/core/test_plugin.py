from __future__ import annotations

import pytest

from fleetops.core.errors import ConfigError
from fleetops.core.plugin import GROUPS, installed, load


@pytest.mark.parametrize("group", GROUPS)
def test_every_installed_plugin_loads(group: str) -> None:
    names = installed(group)
    assert names
    for name in names:
        assert isinstance(load(group, name), type)


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(ConfigError, match=r"no scheduler named 'pbs'; installed: emulated, slurm"):
        load("schedulers", "pbs")
