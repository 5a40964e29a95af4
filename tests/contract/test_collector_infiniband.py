"""The contract of collectors, kept by ``infiniband`` on a sysfs tree in the kernel's format."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Collector, Scrape, Target
from fleetops_collectors.infiniband import (
    InfinibandCollector,
    InfinibandConfig,
    InfinibandTarget,
)
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import CollectorContract, RefusesGarbage
from tests.unit.collectors.sysfs_tree import add_port, write


class TestInfinibandCollector(CollectorContract, RefusesGarbage):
    collector_class = InfinibandCollector

    @override
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        add_port(tmp_path / "sys")
        add_port(tmp_path / "sys", "mlx5_1", link_layer="Ethernet")
        return InfinibandTarget(name="ib-node001", host="node001", url=str(tmp_path / "sys"))

    @override
    @pytest.fixture
    def silent_target(self, tmp_path: Path) -> Target:
        return InfinibandTarget(name="ib-gone", host="node002", url=str(tmp_path / "absent"))

    @override
    @pytest.fixture
    def garbage_target(self, tmp_path: Path) -> Target:
        write(tmp_path / "other" / "ports.txt", "no adapter")
        return InfinibandTarget(name="ib-other", url=str(tmp_path / "other"))

    def test_a_driver_that_shows_no_adapter_is_a_temporary_error(
        self, use: Callable[..., Scrape], tmp_path: Path
    ) -> None:
        (tmp_path / "class" / "infiniband").mkdir(parents=True)
        target = InfinibandTarget(name="ib-empty", url=str(tmp_path))
        with pytest.raises(TemporaryError, match=r"ib-empty: .* driver"):
            use(lambda collector: collector.collect(target))

    def test_a_link_that_goes_down_between_two_rounds_is_an_event(
        self, use: Callable[..., tuple[Scrape, Scrape]], target: Target, tmp_path: Path
    ) -> None:
        async def act(collector: Collector) -> tuple[Scrape, Scrape]:
            first = await collector.collect(target)
            add_port(tmp_path / "sys", state="1: DOWN", phys_state="2: Polling")
            return first, await collector.collect(target)

        first, second = use(act)
        assert not first.events
        [event] = second.events
        assert (event.device, event.kind) == ("node001/mlx5_0", "link_down")
        assert (event.host, event.source) == ("node001", "infiniband")

    def test_a_port_whose_counters_are_reset_is_read_on(
        self, use: Callable[..., tuple[Scrape, Scrape]], target: Target, tmp_path: Path
    ) -> None:
        async def act(collector: Collector) -> tuple[Scrape, Scrape]:
            first = await collector.collect(target)
            add_port(tmp_path / "sys", counters={"link_downed": 0, "port_rcv_data": 0})
            return first, await collector.collect(target)

        _, second = use(act)
        values = {(r.device, r.metric): r.value for r in second.readings}
        assert values["node001/mlx5_0", "receive_bytes_total"] == 0
        assert not second.events

    def test_an_adapter_that_is_unplugged_is_not_reported(
        self, use: Callable[..., Scrape], target: Target, tmp_path: Path
    ) -> None:
        async def act(collector: Collector) -> Scrape:
            await collector.collect(target)
            folder = tmp_path / "sys" / "class" / "infiniband"
            (folder / "mlx5_1").rename(tmp_path / "mlx5_1")
            return await collector.collect(target)

        scrape = use(act)
        assert {reading.device for reading in scrape.readings} == {"node001/mlx5_0"}

    def test_a_driver_that_hangs_costs_one_thread_and_ends_by_the_deadline(
        self, use: Callable[..., Scrape], target: Target, tmp_path: Path
    ) -> None:
        """A FIFO without a writer blocks whoever opens it, as a firmware command without end."""
        file = tmp_path / "sys" / "class" / "infiniband" / "mlx5_0" / "ports" / "1" / "state"
        file.unlink()
        os.mkfifo(file)

        async def act(collector: Collector) -> Scrape:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(collector.collect(target), 0.1)
            threads = [one.name for one in threading.enumerate() if "infiniband" in one.name]
            assert threads == ["infiniband-ib-node001"]
            file.rename(tmp_path / "pipe")
            write(file, "4: ACTIVE")
            (tmp_path / "pipe").write_text("4: ACTIVE\n")  # the driver comes back
            return await asyncio.wait_for(collector.collect(target), 5)

        scrape = use(act)
        states = [r for r in scrape.readings if r.metric == "link_state"]
        assert [r.quality for r in states] == [Quality.GOOD, Quality.GOOD]


def test_rates_below_what_is_configured_can_be_seen(tmp_path: Path) -> None:
    add_port(tmp_path, rate="200 Gb/sec (2X NDR)")
    config = InfinibandConfig(name="ib", expected_rate_gbps={"mlx5_*": 400})

    async def act() -> Scrape:
        collector = InfinibandCollector.create(config, ManualClock())
        return await collector.collect(
            InfinibandTarget(name="ib", host="node001", url=str(tmp_path))
        )

    readings = asyncio.run(act()).readings
    values = {r.metric: r.value for r in readings if r.device == "node001/mlx5_0"}
    assert values["rate_gigabits_per_second"] == 200
    assert values["expected_rate_gigabits_per_second"] == 400
