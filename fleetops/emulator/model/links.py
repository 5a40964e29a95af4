"""Fabric ports: traffic, bit errors, forward error correction, optics.

A link's bit error rate before correction grows as light fades and as the laser ages; correction
hides it until it is too much. Light that arrives is what the peer sends less the path's loss.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.groups import NONE
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import towards
from fleetops.emulator.site import Site
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import load_profile

BITS_PER_GIGABIT = 1e9
BASE_BIT_ERROR_DECADE = -8.3
"""Of a healthy PAM4 link before correction: 5e-9 (assumed, within the KP4 limit of 2.4e-4)."""
DECADES_PER_DECIBEL = 0.9
"""Of bit error rate, for each decibel of light that is missing (assumed)."""
SYMBOL_BITS, CODEWORD_SYMBOLS, MENDED_SYMBOLS = 10, 544, 15
"""KP4 forward error correction, RS(544,514): it mends 15 symbols (IEEE 802.3, clause 119)."""
CODEWORD_BITS = SYMBOL_BITS * CODEWORD_SYMBOLS
LOST_WORD_BITS = MENDED_SYMBOLS + 1
"""Fewest bits that are wrong in a codeword that is lost."""
LEAST_LOSING_RATE = 5e-5
"""Bit error rate below which no codeword is lost in years."""
LEAST_EFFECTIVE_RATE = 1e-15
"""Of bit errors after correction, what a healthy link is told to have (assumed)."""
PACKET_BYTES = 4166
"""On the wire, of RoCE at its largest unit: 4096 and 70 of headers."""
MARKED_SHARE = 1e-5
"""Of the packets of a port that sends at its full rate, marked for congestion; less with the load
(assumed: a buffer that is never full)."""
MARKS_PER_PAUSE = 8.0
"""Switches mark long before they pause (assumed)."""
OPTICS_SECONDS = 40.0
BIAS_PER_KELVIN = 0.004
"""Of a laser's current, for each kelvin that its module is off its usual temperature: lasers need
more when warm (assumed)."""
WEAR_DEVIATION = 0.05
"""Of ln(bias) over a fleet whose lasers are not of one age (assumed)."""
SWITCH_AIR_CELSIUS = 35.0


class Links:
    """All fabric ports; arrays are (ports,)."""

    def __init__(self, site: Site, rng: np.random.Generator) -> None:
        """Every link is up; ``rng`` gives each its own path loss and errors."""
        self.ports = site.ports
        count = len(site.ports.names)
        self._rng = rng
        kinds = {name: load_profile(Optics, name) for name in set(site.ports.optics) if name}
        self.has_optics = np.array([bool(name) for name in site.ports.optics], dtype=np.bool_)

        def of(number: str) -> Floats:
            return np.array(
                [float(getattr(kinds[name], number)) if name else 0.0 for name in site.ports.optics]
            )

        self._transmit, self._receive = of("transmit_milliwatts"), of("receive_milliwatts")
        self._bias = of("bias_milliamperes") * rng.lognormal(0.0, WEAR_DEVIATION, count)
        self._rise = of("temperature_rise_kelvin")
        self._watts, self.lanes = of("watts"), of("lanes")
        self._decade, self._loss = _own(count, rng)
        self._peer = np.where(site.ports.peer == NONE, np.arange(count), site.ports.peer)
        self._host_of, self._switch_of = site.ports.host_of, site.ports.switch_of
        self.up: Floats = np.ones(count)
        self.capacity_ratio: Floats = np.ones(count)
        """Of its nominal rate, what each link carries."""
        self.gigabits_per_second: Floats = site.ports.gigabits_per_second.copy()
        self.transmit_bytes: Floats = np.floor(rng.uniform(1e12, 9e13, count))
        self.receive_bytes: Floats = np.floor(rng.uniform(1e12, 9e13, count))
        self.symbol_errors: Floats = np.zeros(count)
        self.receive_errors: Floats = np.zeros(count)
        self.transmit_discards: Floats = np.zeros(count)
        self.corrected: Floats = np.zeros(count)
        self.uncorrectable: Floats = np.zeros(count)
        self.link_downed: Floats = np.zeros(count)
        self.transitions: Floats = np.zeros(count)
        """Of the link's state, up and down alike."""
        self.marked: Floats = np.zeros(count)
        """Packets that were marked for congestion, with the part of the next one."""
        self.pause_transmit: Floats = np.zeros(count)
        self.pause_receive: Floats = np.zeros(count)
        self.bit_error_rate: Floats = 10.0**self._decade
        """Before correction."""
        self.effective_bit_error_rate: Floats = np.full(count, LEAST_EFFECTIVE_RATE)
        """After it."""
        self.module_celsius: Floats = SWITCH_AIR_CELSIUS + self._rise
        self.transmit_milliwatts: Floats = self._transmit.copy()
        self.receive_milliwatts: Floats = self._receive * self._loss
        self.bias_milliamperes: Floats = self._bias.copy()

    @property
    def rated_optics_watts(self) -> Floats:
        """(ports,) of each link's end; a module whose link is down is powered nevertheless."""
        return self._watts

    @property
    def optics_watts(self) -> Floats:
        """(ports,) electrical power of each link's end."""
        watts: Floats = self._watts * self.up
        return watts

    def step(self, seconds: float, demand: Floats, air_celsius: Floats, effects: Effects) -> None:
        """Moves on by ``seconds``.

        Args:
            seconds: to move on by.
            demand: (ports,) share of the rate that each port is asked to send.
            air_celsius: (ports,) around each port's module.
            effects: what is wrong.
        """
        self._connect(effects)
        rate = np.minimum(effects["rate"], effects["rate"][self._peer])
        self.gigabits_per_second = self.ports.gigabits_per_second * rate * self.up
        self._shine(seconds, air_celsius, effects)
        self.capacity_ratio = (
            self.gigabits_per_second
            / self.ports.gigabits_per_second
            * np.minimum(effects["goodput"], effects["goodput"][self._peer])
        )
        carried = self.ports.gigabits_per_second * self.capacity_ratio * BITS_PER_GIGABIT / 8.0
        load = np.clip(demand, 0.0, 1.0)
        sent = np.floor(carried * load * seconds)
        self.transmit_bytes = self.transmit_bytes + sent
        self.receive_bytes = self.receive_bytes + sent[self._peer]
        self._err(seconds, effects)
        self._press(seconds, sent, load, effects)

    def _connect(self, effects: Effects) -> None:
        """A link is up when both ends are, and what they stand in."""
        end = 1.0 - np.maximum(effects["link_down"], effects["port_gone"])
        hosts, switches = self._host_of != NONE, self._switch_of != NONE
        end[hosts] *= 1.0 - effects["down"][self._host_of[hosts]]
        end[switches] *= 1.0 - effects["switch_down"][self._switch_of[switches]]
        up = end * end[self._peer]
        self.link_downed = self.link_downed + ((self.up > 0.0) & (up <= 0.0))
        self.transitions = self.transitions + ((self.up > 0.0) != (up > 0.0))
        self.up = up

    def _shine(self, seconds: float, air_celsius: Floats, effects: Effects) -> None:
        settled = air_celsius + self._rise + effects["optics_kelvin"]
        self.module_celsius = towards(self.module_celsius, settled, seconds / OPTICS_SECONDS)
        warm = self.module_celsius - SWITCH_AIR_CELSIUS - self._rise
        self.bias_milliamperes = (
            self._bias * effects["laser_bias"] * np.maximum(1.0 + BIAS_PER_KELVIN * warm, 0.5)
        )
        # a laser that needs more current to shine is the ageing that shows before the light goes
        self.transmit_milliwatts = self._transmit * self.up
        self.receive_milliwatts = self._receive * self._loss * effects["receive_power"] * self.up

    def _err(self, seconds: float, effects: Effects) -> None:
        """Errors before correction, what correction mends, and what it cannot."""
        dark = -10.0 * np.log10(np.maximum(effects["receive_power"], 1e-3))
        decade = self._decade + DECADES_PER_DECIBEL * dark + effects["bit_errors"]
        self.bit_error_rate = np.minimum(10.0**decade, 0.1)
        bits = self.gigabits_per_second * BITS_PER_GIGABIT * seconds
        draw = self._rng.random((3, len(bits)))
        words = bits / CODEWORD_BITS
        touched = -np.expm1(-self.bit_error_rate * CODEWORD_BITS)
        broken = np.zeros(len(bits))
        bad = np.flatnonzero(self.bit_error_rate > LEAST_LOSING_RATE)
        broken[bad] = lost_codewords(self.bit_error_rate[bad])
        self.corrected = self.corrected + np.floor(words * (touched - broken) + draw[0])
        self.effective_bit_error_rate = np.maximum(
            broken * LOST_WORD_BITS / CODEWORD_BITS, LEAST_EFFECTIVE_RATE
        )
        lost = np.floor(words * broken + draw[1])
        self.uncorrectable = self.uncorrectable + lost
        self.receive_errors = self.receive_errors + lost
        self.symbol_errors = self.symbol_errors + np.floor(lost + draw[2] * (lost > 0.0))

    def _press(self, seconds: float, sent: Floats, load: Floats, effects: Effects) -> None:
        """Congestion: marks, and pauses where marks were not enough."""
        paused = np.floor(effects["pause_frames_per_second"] * seconds)
        self.pause_transmit = self.pause_transmit + paused
        self.pause_receive = self.pause_receive + paused[self._peer]
        marks = sent / PACKET_BYTES * MARKED_SHARE * load + MARKS_PER_PAUSE * paused
        self.marked = self.marked + marks


def _own(links: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What sets each link apart: its bit error rate in decades, and the light that it keeps."""
    return BASE_BIT_ERROR_DECADE + rng.normal(0.0, 0.3, links), rng.normal(1.0, 0.04, links)


def lost_codewords(bit_error_rate: Floats) -> Floats:
    """Share of codewords with more wrong symbols than are mended, errors being independent."""
    wrong = CODEWORD_SYMBOLS * -np.expm1(SYMBOL_BITS * np.log1p(-bit_error_rate))
    term = np.exp(-wrong)
    mended = term.copy()
    for symbols in range(1, MENDED_SYMBOLS + 1):
        term = term * wrong / symbols
        mended += term
    share: Floats = np.clip(1.0 - mended, 0.0, 1.0)
    return share
