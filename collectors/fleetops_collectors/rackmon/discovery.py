"""Which devices are on a bus: a few addresses asked each round, one word each.

An address says which kind of device stands there only together with the line's rate. Where two maps
claim one address and the rate does not tell them apart, neither is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import cycle, islice

from fleetops_collectors.rackmon.address import BusAddress, Transport
from fleetops_collectors.rackmon.modbus import (
    GarbledError,
    Line,
    NoAnswerError,
    NotReachedError,
    ReadOnlyBus,
    RefusalError,
)
from fleetops_schemas.register_maps import RegisterMap

Candidate = tuple[RegisterMap, int]


def line_of(one: RegisterMap, address: BusAddress) -> Line:
    """How the line is set for a map's devices: as the address says, else as the map does."""
    return Line(address.baud_rate or one.baud_rate, address.parity or one.parity)


def place_of(one: RegisterMap, at: int, address: BusAddress) -> tuple[int, int]:
    """Rate and device address: what tells devices of one bus apart.

    A serial line is set for each map and asked at its rate; the rate behind a gateway is the
    gateway's own, the same for all, and told as 0.
    """
    return (one.baud_rate if address.transport is Transport.RTU else 0, at)


def candidates_of(
    maps: Iterable[RegisterMap], address: BusAddress, taken: Collection[tuple[int, int]]
) -> tuple[list[Candidate], list[int]]:
    """The (map, address) pairs to ask for, and the addresses that several maps claim.

    Args:
        maps: of the kinds of devices that may be there.
        address: of the bus; a rate in it leaves out the maps of other rates.
        taken: places that are configured.
    """
    fitting = [one for one in maps if address.baud_rate in {None, one.baud_rate}]
    claims: dict[tuple[int, int], list[RegisterMap]] = {}
    for one in fitting:
        for at in one.device_addresses():
            place = place_of(one, at, address)
            if place not in taken:
                claims.setdefault(place, []).append(one)
    pairs = [(found[0], at) for (_, at), found in claims.items() if len(found) == 1]
    return pairs, sorted({at for (_, at), found in claims.items() if len(found) > 1})


async def is_there(
    bus: ReadOnlyBus, candidate: Candidate, line: Line, timeout_seconds: float
) -> bool:
    """Whether a device answers at the address; one that refuses the register is there too.

    Raises:
        NotReachedError: there is no way to the bus.
    """
    one, at = candidate
    register = one.probe_register
    if register is None:
        register = one.registers[0].address
    try:
        await bus.read(at, register, 1, line, timeout=timeout_seconds)
    except NotReachedError:
        raise
    except RefusalError as error:
        return error.is_heard
    except (NoAnswerError, GarbledError):
        return False
    return True


class Discovery:
    """Asks for devices, a few addresses a round.

    Once every address was asked it goes on with one a round, for ever: racks are filled while they
    run, and an address at which nobody is costs the bus a timeout.
    """

    def __init__(
        self,
        maps: Iterable[RegisterMap],
        address: BusAddress,
        taken: Collection[tuple[int, int]],
        *,
        probes_per_round: int,
        timeout_seconds: float,
    ) -> None:
        """Asks nothing yet; arguments as of :func:`candidates_of`."""
        pairs, self.ambiguous = candidates_of(maps, address, taken)
        self._address = address
        self._count = min(probes_per_round, len(pairs))
        self._unasked = len(pairs)
        self._pairs: Iterator[Candidate] = cycle(pairs)
        self._timeout = timeout_seconds
        self._found: set[tuple[str, int]] = set()

    def candidates(self) -> Iterator[Candidate]:
        """The next to ask for, of which none was found before; each is asked once it is taken."""
        count = self._count if self._unasked > 0 else min(1, self._count)
        for one, at in islice(self._pairs, count):
            self._unasked -= 1
            if (one.name, at) not in self._found:
                yield one, at

    async def finds(self, bus: ReadOnlyBus, candidate: Candidate) -> bool:
        """Whether a device is there; it is no candidate any more then.

        Raises:
            NotReachedError: there is no way to the bus.
        """
        one, at = candidate
        line = line_of(one, self._address)
        found = await is_there(bus, candidate, line, self._timeout)
        if found:
            self._found.add((one.name, at))
        return found
