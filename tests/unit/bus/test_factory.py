"""Opening the bus of a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fleetops.bus.base import Bus, Consumer, FencedProducer, Producer, Reader
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, ConfigError
from fleetops_schemas.topics import EVENTS

KAFKA = BusConfig(kind="kafka", bootstrap_servers=("127.0.0.1:1",))


def test_what_is_opened_keeps_the_protocols(tmp_path: Path) -> None:
    with open_bus(BusConfig(path=tmp_path / "new" / "bus.sqlite"), SystemClock()) as bus:
        bus.ensure_topics([EVENTS])
        assert isinstance(bus, Bus)
        with (
            bus.producer() as producer,
            bus.fenced_producer("ledger") as ledger,
            bus.consumer("group", [EVENTS.name]) as consumer,
            bus.reader([EVENTS.name]) as reader,
        ):
            assert isinstance(producer, Producer)
            assert isinstance(ledger, FencedProducer)
            assert isinstance(consumer, Consumer)
            assert isinstance(reader, Reader)


@pytest.mark.parametrize("package", ["kafka", "crc32c"])
def test_a_missing_package_is_named_with_its_remedy(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in list(sys.modules):
        if module.startswith(("fleetops.bus.kafka", f"{package}.")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"{package}.*pip install 'fleetops\[cluster\]'"):
        open_bus(KAFKA, SystemClock())


def test_namespaces_on_one_file_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    with (
        open_bus(BusConfig(path=path, namespace="east"), SystemClock()) as east,
        open_bus(BusConfig(path=path, namespace="west"), SystemClock()) as west,
    ):
        east.ensure_topics([EVENTS])
        assert (east.topics(), west.topics()) == ([EVENTS.name], [])


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BusUnavailableError, match=r"bus\.path"):
        open_bus(BusConfig(path=tmp_path / "file" / "bus.sqlite"), SystemClock())


def test_a_file_that_is_no_bus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    path.write_bytes(b"not a database, not a database, not a database" * 100)
    with pytest.raises(BusUnavailableError, match="not a database"):
        open_bus(BusConfig(path=path), SystemClock())
