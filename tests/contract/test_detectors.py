"""Every detector of the tree against the contract."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from fleetops.detect.base import Detector, Inputs
from fleetops.detect.detectors.absence import AbsenceConfig, AbsenceDetector
from fleetops.detect.detectors.fault_events import FaultEventConfig, FaultEventDetector
from fleetops.detect.detectors.inventory import InventoryConfig, InventoryDetector
from fleetops.detect.detectors.leaks import LeakConfig, LeakDetector
from fleetops.detect.detectors.power_sums import PowerSumConfig, PowerSumDetector
from fleetops.detect.detectors.stragglers import StragglerConfig, StragglerDetector
from fleetops.detect.detectors.thresholds import ThresholdConfig, ThresholdDetector
from fleetops_schemas.identity import InventoryDevice
from tests.contract.detector_contract import DetectorContract
from tests.unit.detect.support import Batch, at, event, fleet, ranks, report, rows


def inputs(second: float, *batches: Batch) -> Inputs:
    return Inputs(at(second), fleet(), list(batches), [], [])


class TestThresholds(DetectorContract):
    @override
    def make(self) -> Detector:
        return ThresholdDetector.create(ThresholdConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        for second in range(8):
            hot = {"node001/gpu0": {"temperature_celsius": 95.0}}
            yield inputs(second, rows("accelerator", second, hot))


class TestFaultEvents(DetectorContract):
    @override
    def make(self) -> Detector:
        return FaultEventDetector.create(FaultEventConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        fell = event("accelerator_fallen_off_bus", "node001/gpu0", 0, code=79)
        yield Inputs(at(1), fleet(), [], [fell], [])


class TestLeaks(DetectorContract):
    @override
    def make(self) -> Detector:
        return LeakDetector.create(LeakConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        for second in range(3):
            wet = {"node001/leak0": {"leak_state": 2, "leak_detector_ok": 1}}
            yield inputs(second, rows("coolant_unit", second, wet))


class TestStragglers(DetectorContract):
    @override
    def make(self) -> Detector:
        return StragglerDetector.create(StragglerConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        for second in range(15):
            compute = {f"node{n:03d}": [1.5 if n == 3 else 1.0 + n / 1000] for n in range(1, 9)}
            yield inputs(second, ranks(second, second, compute))


class TestAbsence(DetectorContract):
    @override
    def make(self) -> Detector:
        return AbsenceDetector.create(AbsenceConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        for second in range(20):
            reports = [report("dcgm", second)] if second < 3 else []
            yield Inputs(at(second), fleet(), [], [], reports)


class TestInventory(DetectorContract):
    @override
    def make(self) -> Detector:
        return InventoryDetector.create(InventoryConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        conflict = "uuid: nvml GPU-1, redfish 2"
        for second, conflicts in enumerate(((), (conflict,), (conflict,))):
            device = InventoryDevice(
                device="node001/gpu5",
                device_class="accelerator",
                host="node001",
                since=at(0),
                conflicts=conflicts,
            )
            yield Inputs(at(second), fleet(), [], [], [], [device])


class TestPowerSums(DetectorContract):
    @override
    def make(self) -> Detector:
        return PowerSumDetector.create(PowerSumConfig())

    @override
    def story(self) -> Iterable[Inputs]:
        for second in range(4):
            shelf: dict[str, dict[str, float]] = {"r01/shelf1": {"output_power_watts": 6000.0}}
            supplies = {f"r01/shelf1/psu{n}": {"output_power_watts": 2500.0} for n in range(3)}
            yield inputs(second, rows("power_unit", second, shelf | supplies))
