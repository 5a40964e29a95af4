"""What goes wrong in the world, one test each, with its figure."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.errors import FleetOpsError, InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector, RedfishConfig
from tests.conftest import Figure
from tests.tls_proxy import make_certificate, tls_proxy
from tests.unit.collectors.http_server import Reply, unused_url
from tests.unit.collectors.redfish_resources import V1
from tests.unit.collectors.redfish_rounds import INLET, READINGS_OF_A_TRAY, once, using
from tests.unit.collectors.redfish_service import ENTRIES, RedfishService, entry, running, tray

DEADLINE_SECONDS = 1.0
HTML = Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>")


def collect_at(url: str, **options: object) -> Scrape:
    """One round at an address."""
    config = RedfishConfig.model_validate(
        {"name": "test", "deadline_seconds": DEADLINE_SECONDS, **options}
    )

    async def act() -> Scrape:
        collector = RedfishCollector.create(config, SystemClock())
        try:
            return await collector.collect(Target(name="bmc7", url=url, host="node007"))
        finally:
            await collector.close()

    return asyncio.run(act())


@contextmanager
def black_hole() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_dead_controller_costs_one_request(figure: Figure) -> None:
    started = time.monotonic()
    with pytest.raises(TemporaryError, match=r"bmc7: /redfish/v1: .*check address, network"):
        collect_at(unused_url())
    spent = time.monotonic() - started
    figure(f"known after {1000 * spent:.0f} ms")
    assert spent < DEADLINE_SECONDS  # it is not tried until then


def test_a_silent_controller_costs_no_more_than_the_deadline(figure: Figure) -> None:
    started = time.monotonic()
    with black_hole() as url, pytest.raises(TemporaryError, match=r"bmc7: /redfish/v1: .* time"):
        collect_at(url)
    spent = time.monotonic() - started
    figure(f"known after {spent:.2f} s of a deadline of {DEADLINE_SECONDS:g} s")
    assert spent < DEADLINE_SECONDS + 0.3


def test_a_slow_controller_gives_all_it_has_over_some_rounds(figure: Figure) -> None:
    service = RedfishService(tray(), seconds_a_request=0.1)  # 24 requests: 2.4 s a walk

    async def act(collector: RedfishCollector, target: Target) -> tuple[list[float], Scrape]:
        seconds = []
        while True:
            started = time.monotonic()
            scrape = await collector.collect(target)
            seconds.append(time.monotonic() - started)
            if scrape.readings:
                return seconds, scrape

    seconds, scrape = using(service, act, SystemClock(), deadline_seconds=DEADLINE_SECONDS)
    figure(f"0.1 s a request: whole after {len(seconds)} rounds, the longest {max(seconds):.2f} s")
    assert len(scrape.readings) > 0
    assert 2 <= len(seconds) <= 6
    assert max(seconds) < DEADLINE_SECONDS


def test_error_pages_in_place_of_everything() -> None:
    service = RedfishService(tray(), replies={path: lambda: HTML for path in tray()})
    with pytest.raises(TemporaryError, match=r"bmc7: /redfish/v1: HTTP status 502: '<html>"):
        using(service, once)
    assert service.requests == [("GET", V1)]


def test_error_pages_in_place_of_some_lose_only_these(figure: Figure) -> None:
    service = RedfishService(tray(), replies={INLET: lambda: HTML})
    scrape = using(service, once)
    figure(f"{len(scrape.readings)} of {READINGS_OF_A_TRAY} readings beside one error page")
    assert len(scrape.readings) == READINGS_OF_A_TRAY - 1
    assert len(scrape.warnings) == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """One with its key, and another."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder, "bmc")
    other, _ = make_certificate(folder, "other")
    return certificate, key, other


class TestCertificates:
    @pytest.mark.parametrize("trusted", ["the system's", "another"])
    def test_one_that_is_not_trusted_says_what_to_set(
        self, trusted: str, certificates: tuple[Path, Path, Path]
    ) -> None:
        certificate, key, other = certificates
        options = {} if trusted == "the system's" else {"ca_file": str(other)}
        service = RedfishService(tray())
        with (
            running(service) as url,
            tls_proxy(int(url.rpartition(":")[2]), certificate, key) as port,
            pytest.raises(TemporaryError, match=r"bmc7.*CERTIFICATE_VERIFY_FAILED.*ca_file"),
        ):
            collect_at(f"https://127.0.0.1:{port}", **options)
        assert service.requests == []

    def test_one_of_the_configured_authority_is(
        self, certificates: tuple[Path, Path, Path]
    ) -> None:
        certificate, key, _ = certificates
        with (
            running(RedfishService(tray())) as url,
            tls_proxy(int(url.rpartition(":")[2]), certificate, key) as port,
        ):
            scrape = collect_at(
                f"https://127.0.0.1:{port}", ca_file=str(certificate), deadline_seconds=30
            )
        assert len(scrape.readings) == READINGS_OF_A_TRAY


@pytest.mark.parametrize("clock", ["2015-01-01T00:00:05+00:00", "2035-06-01T00:00:00+00:00"])
def test_a_controller_s_clock_may_be_years_off(clock: str, figure: Figure) -> None:
    resources = tray()
    resources[f"{V1}/Managers/BMC"]["DateTime"] = clock
    resources[INLET]["ReadingTime"] = clock
    resources[ENTRIES]["Members"] = [entry(1, clock, "Environmental.1.4.LeakDetectedCritical")]
    scrape = using(RedfishService(resources), once, ManualClock())
    figure(f"{len(scrape.readings)} of {READINGS_OF_A_TRAY} readings good at {clock[:4]}")
    assert {reading.quality.value for reading in scrape.readings} == {"good"}
    assert len(scrape.readings) == READINGS_OF_A_TRAY
    assert [event.kind for event in scrape.events] == ["coolant_leak"]


def test_one_request_in_ten_lost(figure: Figure) -> None:
    """A reading that is lost is missing in one round, and back in the next."""
    service = RedfishService(tray())

    async def act(collector: RedfishCollector, target: Target) -> list[int]:
        await collector.collect(target)  # the walk is whole
        service.replies = _Losing()
        return [len((await collector.collect(target)).readings) for _ in range(20)]

    counts = using(service, act, ManualClock(), log_interval_seconds=1e6)
    figure(f"{sum(counts) / (20 * READINGS_OF_A_TRAY):.1%} of the readings of 20 rounds")
    assert min(counts) > 0
    assert sum(counts) / (20 * READINGS_OF_A_TRAY) > 0.85


class _Losing(dict[str, Any]):
    """Every tenth request is answered by a connection that breaks off."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @override
    def __contains__(self, path: object) -> bool:
        self.count += 1
        return self.count % 10 == 0

    @override
    def __getitem__(self, path: str) -> Any:
        return lambda: Reply(body=b"", declared_length=100)


def test_a_service_that_is_something_else_is_left_alone() -> None:
    service = RedfishService({"/redfish/v1": {"hello": 1}})
    with pytest.raises(InputError, match="no Redfish service root"):
        using(service, once)
    assert len(service.requests) == 1


def test_every_error_is_one_of_ours() -> None:
    """Whatever comes, the runner gets an error that names the target."""
    for reply in (
        Reply(500),
        Reply(200, b"\x00\xff"),
        Reply(200, b"[]"),
        Reply(204),
        Reply(302, headers={"Location": "https://10.0.0.9/login"}),
        Reply(200, b"{" * 10_000),
        Reply(200, b'{"a": 1}', headers={"Content-Encoding": "gzip"}),
    ):
        service = RedfishService(tray(), replies={V1: lambda reply=reply: reply})  # type: ignore[misc]
        with pytest.raises(FleetOpsError, match="bmc7"):
            using(service, once)
