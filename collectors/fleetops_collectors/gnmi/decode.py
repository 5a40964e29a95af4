"""What the newest values of an OpenConfig target say. Pure: no network, no clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from fleetops_collectors.columns import Columns, Raw
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.device_names import part_name
from fleetops_collectors.gnmi.newest import Leaf, NewestValues
from fleetops_collectors.gnmi.paths import without_module
from fleetops_collectors.gnmi.tree import (
    COMPONENT,
    INTERFACE,
    POWER_SUPPLY,
    TRANSCEIVER,
    Component,
    Lanes,
    Leaves,
    Tree,
)
from fleetops_collectors.gnmi.values import raw_of, text_of
from fleetops_collectors.optics import from_dbm, is_dark
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality

PROTOCOL = "gnmi"
CLASS = "fabric_port"
OPER_STATUS = f"{INTERFACE}/state/oper-status"
ADMIN_STATUS = f"{INTERFACE}/state/admin-status"
_TEMPERATURE = f"{COMPONENT}/state/temperature/instant"
_LANE = f"{TRANSCEIVER}/physical-channels/channel/state"
_RECEIVED = (f"{_LANE}/input-power/instant", f"{_LANE}/input-power/avg")
ON_CHANGE = frozenset(
    {
        *(OPER_STATUS, ADMIN_STATUS),
        f"{INTERFACE}/ethernet/state/port-speed",
        f"{INTERFACE}/ethernet/state/negotiated-port-speed",
    }
)
"""Leaves that are told when they change: their time is that of the change, and may be long ago."""
_OPER_WORDS: dict[str, Raw] = {
    **{"UP": 1, "DOWN": 0, "LOWER_LAYER_DOWN": 0, "DORMANT": 2, "TESTING": 2},
    "NOT_PRESENT": Quality.ABSENT,
}
_DISABLED = 4
"""Of ``link_state``: somebody switched the port off."""
_SPEED = re.compile(r"SPEED_(\d+)(GB|MB)")
_FIRST_CREDIBLE_YEAR = 2000
"""A target that never learnt the time stamps its values 1970 or soon after."""
_SKEW = timedelta(minutes=5)
"""How far a target's clock may run ahead; later times are left out."""
_INLET = re.compile(r"(?i)inlet|intake")
_LASER_NUMBER = re.compile(r"(\d+)\D*$")


def decode_gnmi(
    values: NewestValues,
    *,
    switch: str,
    now: datetime,
    in_host: bool = False,
    stale_after_seconds: float,
) -> Decoded:
    """Readings and identities of a switch.

    Args:
        values: The newest of every leaf.
        switch: The switch's device name.
        now: The time to judge ages by, aware; for a recording its latest.
        in_host: Whether the switch is a host of the inventory.
        stale_after_seconds: Sampled values are stale when they arrived, or were seen by the
            target, longer ago; values that are told on change only when nothing arrived since.
    """
    decoder = _Decoder(values, switch, now, in_host, timedelta(seconds=stale_after_seconds))
    return decoder.decode()


class _Decoder:
    """One decoding of one switch."""

    def __init__(
        self, values: NewestValues, switch: str, now: datetime, in_host: bool, stale: timedelta
    ) -> None:
        self._values = values
        self._tree = Tree.of(values)
        self._switch = switch
        self._host = switch if in_host else ""
        self._now = now
        self._oldest = now - stale
        self._columns = Columns(PROTOCOL)
        self._out = Decoded()

    def decode(self) -> Decoded:
        for interface, leaves in self._tree.interfaces.items():
            if self._tree.is_port(interface):
                self._interface(self._part(interface), leaves)
        for interface, queues in self._tree.queues.items():
            for leaves in queues if self._tree.is_port(interface) else ():
                self._all(self._part(interface), leaves)
        modules = dict(self._tree.transceivers())
        for name, component in modules.items():
            self._transceiver(name, component)
        for name, component in self._tree.components.items():
            if name not in modules:
                self._part_of_the_switch(name, component)
        self._out.unmapped += self._values.unmapped
        if self._values.left_out:
            self._out.problems.append(
                f"{self._values.left_out} values beyond max_leaves were left out"
            )
        self._tell_of_the_clock()
        self._out.readings = self._columns.readings()
        return self._out

    def _part(self, own: str) -> str:
        return f"{self._switch}/{part_name(own)}"

    def _interface(self, device: str, leaves: Leaves) -> None:
        rest = {name: leaf for name, leaf in leaves.items() if name != OPER_STATUS}
        oper, admin = leaves.get(OPER_STATUS), leaves.get(ADMIN_STATUS)
        state = oper or admin
        if state is not None:
            raw: Raw = _OPER_WORDS.get(text_of(oper.value).upper() if oper else "", Quality.MISSING)
            if admin is not None and text_of(admin.value).upper() == "DOWN":
                raw = _DISABLED
            self._add(device, OPER_STATUS, raw, state)
        self._all(device, rest)

    def _all(self, device: str, leaves: Leaves, device_class: str = CLASS) -> None:
        for name, leaf in leaves.items():
            if self._columns.has(device_class, name):
                self._add(device, name, _read(name, leaf), leaf, device_class)

    def _part_of_the_switch(self, name: str, component: Component) -> None:
        """A supply is a device of its own; fans and temperatures are the switch's columns."""
        kind = without_module(component.text("state/type"))
        supply = kind == "POWER_SUPPLY" or any(
            leaf.startswith(POWER_SUPPLY) for leaf in component.leaves
        )
        device, device_class = self._switch, "host"
        if supply:
            device, device_class = self._part(name.replace(" ", "").lower()), "power_unit"
        self._all(device, component.leaves, device_class)
        temperature = component.leaves.get(_TEMPERATURE)
        if temperature is not None:
            place = "POWER_SUPPLY" if supply else _place_of(name, kind)
            raw = raw_of(temperature.value)
            self._add(device, f"temperature of {place}", raw, temperature, device_class)

    def _transceiver(self, name: str, component: Component) -> None:
        devices: list[tuple[str, Lanes]]
        module = self._tree.laser_of(name)
        if module is not None:
            number = _LASER_NUMBER.search(name)
            below = f"laser{int(number[1]) if number else 1}"
            devices = [(f"{self._part(port)}/{below}", None) for port, _ in self._ports(module)]
        else:
            devices = [(self._part(port), lanes) for port, lanes in self._ports(name)]
        for device, lanes in devices:
            self._module(device, component, lanes)
            self._identify(device, name, component)

    def _ports(self, name: str) -> list[tuple[str, Lanes]]:
        return self._tree.ports_of(name) or [(name, None)]

    def _module(self, device: str, component: Component, lanes: Lanes) -> None:
        if component.text("transceiver/state/present") == "NOT_PRESENT":
            self._columns.add(CLASS, device, _TEMPERATURE, Quality.ABSENT)
            return
        self._all(device, component.leaves)
        received = []
        for index, leaves in component.lanes.items():
            if lanes is not None and index not in lanes:
                continue
            self._all(device, _of_now(leaves))
            light = next((leaves[name] for name in _RECEIVED if name in leaves), None)
            if light is not None:
                received.append((self._fresh(_RECEIVED[0], from_leaf(light), light), light.time))
        powers = [power for power, _ in received if power is not Quality.MISSING]
        if powers:
            stale = Quality.STALE in powers
            dark: Raw = Quality.STALE if stale else sum(map(is_dark, powers))
            times = [time for _, time in received if time]
            self._columns.put(CLASS, device, "optics_dark_lanes", dark, min(times, default=None))

    def _add(self, device: str, name: str, raw: Raw, leaf: Leaf, device_class: str = CLASS) -> None:
        time = leaf.time
        if time is not None and (time.year < _FIRST_CREDIBLE_YEAR or time > self._now + _SKEW):
            time = None
        self._columns.add(device_class, device, name, self._fresh(name, raw, leaf), time)

    def _fresh(self, name: str, raw: Raw, leaf: Leaf) -> Raw:
        """The value, or ``stale``.

        What is told on change holds for as long as the target says anything at all: many targets
        pass over the heartbeat that they are asked for.
        """
        if name in ON_CHANGE:
            heard = self._values.last_arrival or leaf.arrived
            return Quality.STALE if heard < self._oldest else raw
        if leaf.arrived < self._oldest:
            return Quality.STALE
        return Quality.STALE if leaf.time and leaf.time < self._oldest else raw

    def _identify(self, device: str, name: str, component: Component) -> None:
        said = {
            "serial": component.text("state/serial-no")
            or component.text("transceiver/state/serial-no"),
            "manufacturer": component.text("state/mfg-name")
            or component.text("transceiver/state/vendor"),
            "part_number": component.text("state/part-no")
            or component.text("transceiver/state/vendor-part"),
            "firmware": component.text("state/firmware-version"),
        }
        if any(said.values()):
            self._out.identities.append(
                DeviceIdentity(
                    device=device,
                    device_class=CLASS,
                    host=self._host,
                    source=PROTOCOL,
                    model=said["part_number"],
                    address=name,
                    observed_at=self._now,
                    **said,
                )
            )

    def _tell_of_the_clock(self) -> None:
        """A clock that is wrong makes everything look stale: better said than guessed at."""
        newest = self._values.newest_time
        if newest is None or abs(newest - self._now) <= max(_SKEW, self._now - self._oldest):
            return
        seconds = (self._now - newest).total_seconds()
        way = "behind" if seconds > 0 else "ahead"
        self._out.problems.append(
            f"the newest value is {abs(seconds):.0f} seconds {way}; check the switch's clock (NTP)"
        )


def _place_of(name: str, kind: str) -> str:
    """Where a component's temperature is taken, by its type or, for plain sensors, its name."""
    if kind in ("INTEGRATED_CIRCUIT", "CPU"):
        return kind
    return "inlet" if _INLET.search(name) else "the rest"


def _of_now(leaves: Leaves) -> Leaves:
    """Without averages that stand beside a value of now: they tell of light that may be gone."""
    return {
        name: leaf
        for name, leaf in leaves.items()
        if not name.endswith("/avg") or f"{name.removesuffix('avg')}instant" not in leaves
    }


def from_leaf(leaf: Leaf) -> Raw:
    """A power in dBm as milliwatts."""
    raw = raw_of(leaf.value)
    return raw if isinstance(raw, Quality) else from_dbm(raw)


def _read(name: str, leaf: Leaf) -> Raw:
    """The number in a leaf: speeds are words, and light is in dBm."""
    if name.endswith("port-speed"):
        speed = _SPEED.fullmatch(text_of(leaf.value))
        if speed is None:
            return Quality.MISSING
        return float(speed[1]) if speed[2] == "GB" else float(speed[1]) / 1000
    if "-power/" in name:
        return from_leaf(leaf)
    return raw_of(leaf.value)
