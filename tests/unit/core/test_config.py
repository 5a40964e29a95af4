from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from fleetops.core.config import load_config, secret
from fleetops.core.config_reference import PAGE, configuration_page
from fleetops.core.errors import ConfigError
from tests.support import ROOT


def write(folder: Path, text: str) -> Path:
    path = folder / "fleetops.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_observe_and_touch_nothing() -> None:
    config = load_config(None, {})
    assert config.operate.mode == "observe"
    assert config.bus.kind == "local"
    assert config.store.kind == "embedded"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "operate: {mode: approve, policy: {max_drained: 7}}")
    config = load_config(path, {"FLEETOPS_OPERATE__POLICY__MAX_DRAINED": "9"})
    assert config.operate.mode == "approve"
    assert config.operate.policy.max_drained == 9


def test_a_secret_of_digits_in_the_environment_stays_text() -> None:
    config = load_config(None, {"FLEETOPS_BUS__PASSWORD": "0123"})
    assert config.bus.password is not None
    assert config.bus.password.get_secret_value() == "0123"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("operatte: {}", "operatte: unknown key"),
        ("operate: {mode: autto}", "operate.mode"),
        ("operate: {policy: {max_drained: -1}}", "operate.policy.max_drained"),
        ("ingest: {batch_seconds: fast}", "ingest.batch_seconds"),
        ("bus: {path: '${NOT_SET}'}", "NOT_SET"),
        ("- a list", "mapping of sections"),
        ("a: [1", "not YAML"),
    ],
)
def test_each_mistake_is_one_error_that_names_its_place(
    tmp_path: Path, text: str, place: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert place in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read it"):
        load_config(tmp_path / "none.yaml", {})


def test_secrets_come_from_one_place_and_never_show(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n", encoding="utf-8")
    found = secret(None, file, "bus.password")
    assert found is not None
    assert found.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found)
    with pytest.raises(ConfigError, match="both set"):
        secret(SecretStr("x"), file, "bus.password")
    with pytest.raises(ConfigError, match=r"bus\.password_file: cannot read"):
        secret(None, tmp_path / "none", "bus.password")


def test_the_reference_page_is_current() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == configuration_page(), "run: make docs"
