"""What every collector owes the runner. A collector's own test class inherits this suite.

    class TestKernelLogCollector(CollectorContract):
        collector_class = KernelLogCollector

        @pytest.fixture
        def target(self, tmp_path: Path) -> Target: ...        # answers well

        @pytest.fixture
        def silent_target(self, tmp_path: Path) -> Target: ... # does not answer

A collector whose protocol can be told from garbage inherits :class:`RefusesGarbage` as well.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeVar

import pytest
from pydantic import ValidationError

from fleetops.core.clock import Clock, ManualClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops.core.plugin import load
from fleetops_collectors.base import Collector, CollectorConfig, Scrape, Target, devices_of
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading

T = TypeVar("T")


def check_readings(readings: Iterable[Reading]) -> None:
    """Asserts what is true of every list of readings of one round of one target."""
    catalog = load_catalog()
    readings = list(readings)
    for reading in readings:
        metric = catalog[reading.device_class].metric(reading.metric)
        assert reading.unit == metric.unit, reading
        assert reading.device, reading
        assert (reading.value is None) == (reading.quality is not Quality.GOOD), reading
        if reading.value is not None:
            low, high = metric.range
            assert math.isfinite(reading.value), reading
            assert low <= reading.value <= high, reading
            assert not metric.type.is_integer or reading.value == int(reading.value), reading
        assert reading.time is None or reading.time.tzinfo is not None, reading
    cells = Counter((r.device_class, r.device, r.metric) for r in readings)
    assert not [cell for cell, count in cells.items() if count > 1]


class CollectorContract:
    """Inherited by the test class of each collector."""

    collector_class: ClassVar[type[Any]]

    @pytest.fixture
    def clock(self) -> Clock:
        return ManualClock()

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """Further configuration of the collector under test."""
        return {}

    @pytest.fixture
    def target(self) -> Target:
        """A target that answers, with at least one reading or event."""
        raise NotImplementedError

    @pytest.fixture
    def silent_target(self) -> Target:
        """A target that is not there."""
        raise NotImplementedError

    @pytest.fixture
    def use(
        self, clock: Clock, options: dict[str, Any]
    ) -> Callable[[Callable[[Collector], Awaitable[T]]], T]:
        """Runs a coroutine function with a fresh collector, closed afterwards."""
        config = self.collector_class.config_model.model_validate({"name": "test", **options})

        def run(act: Callable[[Collector], Awaitable[T]]) -> T:
            async def session() -> T:
                collector: Collector = self.collector_class.create(config, clock)
                try:
                    return await act(collector)
                finally:
                    await collector.close()

            return asyncio.run(session())

        return run

    def test_is_installed_under_its_protocols_name(self) -> None:
        assert load("collectors", self.collector_class.protocol) is self.collector_class

    def test_its_configuration_refuses_unknown_keys(self) -> None:
        model = self.collector_class.config_model
        assert issubclass(model, CollectorConfig)
        with pytest.raises(ValidationError, match="extra_forbidden"):
            model.model_validate({"name": "test", "no_such_key": 1})

    def test_it_is_a_collector(self, use: Callable[..., bool]) -> None:
        async def act(collector: Collector) -> bool:
            return isinstance(collector, Collector)

        assert use(act)

    def test_a_scrape_says_what_when_and_of_whom(
        self, use: Callable[..., Scrape], target: Target, clock: Clock
    ) -> None:
        scrape = use(lambda collector: collector.collect(target))
        assert scrape.target == target
        assert scrape.observed_at == clock.now()
        assert scrape.readings or scrape.events
        check_readings(scrape.readings)
        for event in scrape.events:
            assert event.observed_at == scrape.observed_at
            assert event.source == self.collector_class.protocol
            assert event.id
            assert event.host
            assert event.device_class in load_catalog().classes
        if target.host is not None:
            for device in devices_of(scrape):
                assert device.split("/", 1)[0] == target.host
            assert {event.host for event in scrape.events} <= {target.host}

    def test_no_event_comes_twice(
        self, use: Callable[..., tuple[Scrape, Scrape]], target: Target
    ) -> None:
        async def act(collector: Collector) -> tuple[Scrape, Scrape]:
            return await collector.collect(target), await collector.collect(target)

        first, second = use(act)
        ids = Counter(event.id for event in [*first.events, *second.events])
        assert not [event_id for event_id, count in ids.items() if count > 1]
        assert devices_of(first) == devices_of(second)

    def test_one_that_does_not_answer_is_a_temporary_error_that_names_it(
        self, use: Callable[..., Scrape], silent_target: Target
    ) -> None:
        with pytest.raises(TemporaryError, match=silent_target.name):
            use(lambda collector: collector.collect(silent_target))

    def test_it_goes_on_after_a_target_that_did_not_answer(
        self, use: Callable[..., Scrape], target: Target, silent_target: Target
    ) -> None:
        async def act(collector: Collector) -> Scrape:
            with pytest.raises(TemporaryError):
                await collector.collect(silent_target)
            return await collector.collect(target)

        scrape = use(act)
        assert scrape.readings or scrape.events

    def test_it_goes_on_after_a_read_that_was_cut_off(
        self, use: Callable[..., Scrape], target: Target
    ) -> None:
        async def act(collector: Collector) -> Scrape:
            task = asyncio.ensure_future(collector.collect(target))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await collector.collect(target)

        scrape = use(act)
        assert scrape.readings or scrape.events

    def test_closing_twice_is_fine(self, use: Callable[..., None], target: Target) -> None:
        async def act(collector: Collector) -> None:
            await collector.collect(target)
            await collector.close()

        use(act)


class RefusesGarbage:
    """For protocols in which garbage can be told from an answer."""

    @pytest.fixture
    def garbage_target(self) -> Target:
        """A target that answers something else."""
        raise NotImplementedError

    def test_garbage_is_an_input_error_that_names_the_target(
        self, use: Callable[..., Scrape], garbage_target: Target
    ) -> None:
        with pytest.raises(InputError, match=garbage_target.name):
            use(lambda collector: collector.collect(garbage_target))
