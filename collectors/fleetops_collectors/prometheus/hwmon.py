"""Temperatures of node_exporter's hwmon collector: three metrics that mean something together.

``node_hwmon_temp_celsius`` names a chip by its bus address and a sensor by its number;
``node_hwmon_chip_names`` and ``node_hwmon_sensor_label`` say which driver and which sensor that is.
Exporters before 1.0 wrote the driver and the label in their places. Where the names were left out
(by a relabelling, or by who cut out the temperatures), a chip's address still tells two drivers: a
platform device is called after its driver, and every ``nvme`` device is a drive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fleetops_collectors.prometheus.columns import Column, temperature_columns
from fleetops_collectors.prometheus.values import verdict
from fleetops_collectors.quality import Verdict
from fleetops_schemas.readings import Quality

CHIP_NAMES = "node_hwmon_chip_names"
SENSOR_LABEL = "node_hwmon_sensor_label"
TEMPERATURE = "node_hwmon_temp_celsius"
NAMES = frozenset({CHIP_NAMES, SENSOR_LABEL, TEMPERATURE})

_MAIN_SENSORS = {
    "coretemp": ("package_id",),
    # Tctl may carry an offset (Linux, hwmon/k10temp); the die's own temperature has none.
    "k10temp": ("tdie", "tccd"),
    "zenpower": ("tdie", "tccd"),
    "nvme": ("composite",),
    "mlx5": ("asic",),
}
"""By driver: beginnings of the labels that speak of the whole part. Without such a label, all."""
_ADDRESS = re.compile(r"platform_(coretemp)_\d+|(nvme)_nvme\d+")
"""Addresses that name the driver, as node_exporter makes them of the device's place in sysfs."""
_SEPARATORS = re.compile(r"[^a-z0-9]+")


class Temperature(NamedTuple):
    """The hottest of the parts that fill one column."""

    column: Column
    verdict: Verdict


class Hwmon:
    """The hwmon samples of one text, in any order."""

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._drivers: dict[str, str] = {}
        self._labels: dict[tuple[str, str], str] = {}
        self._raw: dict[str, dict[str, float]] = {}

    def take(self, name: str, labels: Mapping[str, str], raw: float) -> None:
        """Remembers one sample of :data:`NAMES`."""
        chip, sensor = labels.get("chip", ""), labels.get("sensor", "")
        if name == CHIP_NAMES:
            self._drivers[chip] = labels.get("chip_name", "")
        elif name == SENSOR_LABEL:
            self._labels[chip, sensor] = labels.get("label", "")
        else:
            self._raw.setdefault(chip, {}).setdefault(sensor, raw)

    def unmapped(self) -> int:
        """Temperatures of chips that fill no column."""
        known = temperature_columns()
        return sum(len(raw) for chip, raw in self._raw.items() if self._driver(chip) not in known)

    def temperatures(self) -> Iterator[Temperature]:
        """One a column: the hottest good one, or the first reason why there is none."""
        found: dict[str, Temperature] = {}
        for chip, raw in self._raw.items():
            column = temperature_columns().get(self._driver(chip))
            if column is None:
                continue
            for sensor in self._main(chip, raw):
                one = Temperature(column, verdict(column, raw[sensor]))
                known = found.get(column.metric.name)
                found[column.metric.name] = one if known is None else _hotter(known, one)
        yield from found.values()

    def _driver(self, chip: str) -> str:
        if chip in self._drivers:
            return self._drivers[chip]
        address = _ADDRESS.fullmatch(chip)
        return address[address.lastindex or 0] if address else chip

    def _main(self, chip: str, raw: Mapping[str, float]) -> list[str]:
        wanted = _MAIN_SENSORS.get(self._driver(chip), ())
        main = [
            sensor
            for sensor in raw
            if _words(self._labels.get((chip, sensor), sensor)).startswith(wanted)
        ]
        return main or list(raw)


def _hotter(one: Temperature, other: Temperature) -> Temperature:
    (first, first_quality), (second, _) = one.verdict, other.verdict
    if first is None:
        return one if second is None else other
    assert first_quality is Quality.GOOD  # noqa: S101 (a value is good)
    return other if second is not None and second > first else one


def _words(label: str) -> str:
    return _SEPARATORS.sub("_", label.lower())
