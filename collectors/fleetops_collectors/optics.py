"""Light in optical modules: dBm and milliwatts, and where light ends.

The floor is -40 dBm, 0.1 microwatt: CMIS and SFF-8636 count in steps of 0.1 microwatt, so that this
is the least they can say above nothing, and FBOSS (transceiver.thrift) and SONiC write it for "no
light". It is no measured power: such a lane is dark.
"""

from __future__ import annotations

from fleetops_schemas.readings import Quality

FLOOR_DBM = -40.0
FLOOR_MILLIWATTS = 1e-4
_HIGHEST_DBM = 60.0
"""A kilowatt of light; beyond it 10**x is out of every range, at last of a float's."""


def from_dbm(dbm: float) -> float | Quality:
    """Milliwatts; ``sentinel`` at the floor and below, as minus infinity is."""
    if dbm != dbm:  # noqa: PLR0124 (only NaN is unequal to itself)
        return Quality.MISSING
    if dbm <= FLOOR_DBM:
        return Quality.SENTINEL
    if dbm > _HIGHEST_DBM:
        return Quality.OUT_OF_RANGE
    return float(10.0 ** (dbm / 10.0))


def from_milliwatts(milliwatts: float) -> float | Quality:
    """The same milliwatts; ``sentinel`` at the floor and below, which zero is."""
    if milliwatts != milliwatts:  # noqa: PLR0124 (only NaN is unequal to itself)
        return Quality.MISSING
    if 0 <= milliwatts <= FLOOR_MILLIWATTS:
        return Quality.SENTINEL
    return milliwatts


def is_dark(power: float | Quality) -> bool:
    """Whether a lane's power says that no light comes in."""
    return power is Quality.SENTINEL
