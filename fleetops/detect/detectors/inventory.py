"""Sources of the inventory that contradict each other: somebody acts on a wrong map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self

from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.findings import Claim, FindingBook, subject_of
from fleetops_schemas.records import Evidence, Finding

CONFLICT = "inventory_conflict"


class InventoryConfig(DetectorConfig):
    """Settings: there are none but being on or off."""


class InventoryDetector(Detector):
    """Finds devices of which two sources say different things."""

    name: ClassVar[str] = "inventory"
    config_model: ClassVar[type[DetectorConfig]] = InventoryConfig

    def __init__(self) -> None:
        self._book = FindingBook(self.name)

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, InventoryConfig)  # noqa: S101
        return cls()

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        for device in inputs.devices:
            if not device.conflicts:
                self._book.clear(
                    CONFLICT, device.device, inputs.now, f"{device.device}: the sources agree"
                )
                continue
            claim = Claim(
                kind=CONFLICT,
                subject=subject_of(inputs.topology, device.device, device.device_class or "host"),
                summary=f"{device.device}: {'; '.join(device.conflicts)}",
                evidence=[Evidence(text=text, device=device.device) for text in device.conflicts],
            )
            self._book.fire(claim, inputs.now)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what fired until the sources agree."""
        self._book.restore(findings)
