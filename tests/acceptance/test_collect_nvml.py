"""``fleetops collect once`` with the example configuration of ``nvml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.acceptance.commands import fleetops, one_error
from tests.nvml_testbed import EmulatedDriver
from tests.support import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "nvml.yaml"


def collect(folder: Path) -> tuple[list[dict[str, Any]], str]:
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={"NVML_LIBRARY_FOLDER": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_devices_of_an_emulated_driver(tmp_path: Path) -> None:
    driver = EmulatedDriver(tmp_path)
    (scrape,), told = collect(driver.folder)
    cells = {(r["device"].split("/")[1], r["metric"]): r for r in scrape["readings"]}
    assert {gpu for gpu, _ in cells} == {f"gpu{n}" for n in range(8)}
    assert cells["gpu7", "power_watts"]["value"] == 512.25
    assert cells["gpu7", "retired_pages_pending"]["quality"] == "absent"
    assert scrape["warnings"] == []
    assert "1 targets read, 0 failed" in told


def test_a_hung_device_does_not_hang_the_command(tmp_path: Path) -> None:
    driver = EmulatedDriver(tmp_path)
    driver.behave("hang 4 * 1", "lost 6 * 15")
    (scrape,), told = collect(driver.folder)
    assert {r["device"].split("/")[1] for r in scrape["readings"]} == {
        f"gpu{n}" for n in (0, 1, 2, 3, 5, 7)
    }
    assert [event["kind"] for event in scrape["events"]] == [
        "accelerator_unresponsive",
        "accelerator_fallen_off_bus",
    ]
    assert "gpu4: no answer within 2 s" in told


def test_a_host_without_a_driver(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    done = fleetops(
        *("collect", "once"), config=EXAMPLE, environ={"NVML_LIBRARY_FOLDER": str(tmp_path)}
    )
    one_error(done, 1, "local", "no NVIDIA driver library (libnvidia-ml.so.1)", "library_folder")
