"""Engineering units as building management spells them, and their way into the catalog's.

Factors: NIST SP 811, appendix B.8 (US gallon, psi, conventional inch and foot of water, BTU_IT).
An absolute pressure (psia, bara) is left unknown: the catalog's pressures are gauge pressures.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: ``raw * scale + offset`` is in the catalog's unit ``symbol``."""

    symbol: str
    scale: float = 1.0
    offset: float = 0.0


NO_UNIT = Unit("1")
_LITRE_PER_MINUTE, _KILOPASCAL, _WATT = "L/min", "kPa", "W"

_BY_CASE = {
    # a milliwatt and a megawatt differ by their first letter's case alone
    "MW": Unit(_WATT, 1e6),
    "mW": Unit(_WATT, 1e-3),
    "MPa": Unit(_KILOPASCAL, 1e3),
    "mPa": Unit(_KILOPASCAL, 1e-6),
    "MVA": Unit("V.A", 1e6),
    "mA": Unit("A", 1e-3),
    "mV": Unit("V", 1e-3),
}
_ANY_CASE = {
    **dict.fromkeys(("c", "celsius", "cel"), Unit("Cel")),
    **dict.fromkeys(("f", "fahrenheit"), Unit("Cel", 5 / 9, -160 / 9)),
    **dict.fromkeys(("k", "kelvin"), Unit("Cel", 1.0, -273.15)),
    **dict.fromkeys(("lpm", "l/min", "l/m", "litre/min", "liter/min"), Unit(_LITRE_PER_MINUTE)),
    **dict.fromkeys(("lps", "l/s", "l/sec"), Unit(_LITRE_PER_MINUTE, 60.0)),
    **dict.fromkeys(("lph", "l/h", "l/hr"), Unit(_LITRE_PER_MINUTE, 1 / 60)),
    **dict.fromkeys(("m3/h", "m^3/h", "m3/hr", "cmh"), Unit(_LITRE_PER_MINUTE, 1000 / 60)),
    **dict.fromkeys(("m3/s", "m^3/s"), Unit(_LITRE_PER_MINUTE, 60_000.0)),
    **dict.fromkeys(("gpm", "usgpm", "gal/min", "gpm(us)"), Unit(_LITRE_PER_MINUTE, 3.785412)),
    **dict.fromkeys(("kpa", "kpag"), Unit(_KILOPASCAL)),
    "pa": Unit(_KILOPASCAL, 1e-3),
    **dict.fromkeys(("bar", "barg"), Unit(_KILOPASCAL, 100.0)),
    "mbar": Unit(_KILOPASCAL, 0.1),
    **dict.fromkeys(("psi", "psig", "psid"), Unit(_KILOPASCAL, 6.894757)),
    **dict.fromkeys(("inh2o", "inwc", "inwg", "iwc"), Unit(_KILOPASCAL, 0.2490889)),
    **dict.fromkeys(("fth2o", "ftwc", "ftwg"), Unit(_KILOPASCAL, 2.989067)),
    **dict.fromkeys(("w", "watt", "watts"), Unit(_WATT)),
    "kw": Unit(_WATT, 1e3),
    **dict.fromkeys(("btu/h", "btu/hr", "btuh"), Unit(_WATT, 0.2930711)),
    **dict.fromkeys(("tr", "tonr", "rt"), Unit(_WATT, 3516.853)),
    "va": Unit("V.A"),
    "kva": Unit("V.A", 1e3),
    **dict.fromkeys(("v", "vac", "vdc", "volt", "volts"), Unit("V")),
    "kv": Unit("V", 1e3),
    **dict.fromkeys(("a", "amp", "amps", "ampere", "amperes"), Unit("A")),
    "ka": Unit("A", 1e3),
    "hz": Unit("Hz"),
    **dict.fromkeys(("rpm", "r/min", "rev/min"), Unit("{rev}/min")),
    **dict.fromkeys(("%", "percent", "pct", "%rh", "rh%"), Unit("1", 0.01)),
    **dict.fromkeys(("", "1", "ratio", "pf"), NO_UNIT),
    **dict.fromkeys(("h", "hr", "hrs", "hours"), Unit("h")),
}
_NOISE = re.compile(r"[\s°º·_]|^deg(?:rees?)?\.?|(?<=[a-z])\.")


def unit_of(text: str) -> Unit | None:
    """The unit that an ``engUnit`` means; None where it is not known, so nothing is guessed."""
    text = text.strip()
    if text in _BY_CASE:
        return _BY_CASE[text]
    return _ANY_CASE.get(_NOISE.sub("", text.casefold().replace("³", "3")))
