"""Paths of an OpenConfig tree, and the JSON that they ask for."""

from __future__ import annotations

import json

import pytest

from fleetops.emulator.interfaces.gnmi_lists import Elem, Entries, Leaf, Path, select, template

NAMES = ("eth1", "eth2", "eth3")
INTERFACES = Entries(
    [(Elem("interfaces"), Elem("interface", {"name": name})) for name in NAMES],
    [
        Leaf("state/oper-status", lambda _: ['"UP"', '"DOWN"', '"UP"']),
        Leaf("state/counters/in-octets", lambda _: ['"81"', '"82"', ""]),
        Leaf("ethernet/state/port-speed", lambda _: ['"S"', '"S"', '"S"']),
    ],
)
QUEUES = Entries([(Elem("qos"), Elem("queue", {"name": "3"}))], [Leaf("state/x", lambda _: ["1"])])
NOTHING = Entries([], [Leaf("state/y", lambda _: [])])


def asked(*elems: str | tuple[str, dict[str, str]]) -> Path:
    return tuple(Elem(one) if isinstance(one, str) else Elem(*one) for one in elems)


def told(path: Path) -> dict[str, object]:
    """JSON by the path that it stands at."""
    return {
        "/".join(f"{one.name}{dict(one.keys) or ''}" for one in at): json.loads(text)
        for selected in select([INTERFACES, QUEUES, NOTHING], path)
        for at, text in zip(selected.paths(), selected.values({}), strict=True)
    }


def test_a_path_above_leaves_gets_an_object_with_modules_where_they_change() -> None:
    found = told(asked("interfaces", ("interface", {"name": "eth1"})))
    assert found == {
        "interfaces/interface{'name': 'eth1'}": {
            "openconfig-interfaces:state": {"oper-status": "UP", "counters": {"in-octets": "81"}},
            "openconfig-if-ethernet:ethernet": {"state": {"port-speed": "S"}},
        }
    }


def test_a_path_at_a_leaf_gets_its_value_of_every_entry() -> None:
    assert told(asked("interfaces", "interface", "state", "oper-status")) == {
        f"interfaces/interface{{'name': '{name}'}}/state/oper-status": status
        for name, status in zip(NAMES, ("UP", "DOWN", "UP"), strict=True)
    }


def test_a_reading_that_is_not_there_is_left_out() -> None:
    found = told(asked("interfaces", ("interface", {"name": "*"}), "state"))
    assert found["interfaces/interface{'name': 'eth3'}/state"] == {
        "openconfig-interfaces:oper-status": "UP"
    }
    found = told(asked("interfaces", "interface", "state", "counters"))
    assert found["interfaces/interface{'name': 'eth3'}/state/counters"] == {}
    found = told(asked("interfaces", "interface", "state", "counters", "in-octets"))
    assert found["interfaces/interface{'name': 'eth3'}/state/counters/in-octets"] is None


def test_the_root_asks_for_everything() -> None:
    assert len(told(())) == 4
    assert len(told(asked("interfaces"))) == 3
    assert len(told(asked("*", "*", "state"))) == 4


@pytest.mark.parametrize(
    "path",
    [
        asked("components"),
        asked("interfaces", ("interface", {"name": "eth9"})),
        asked("interfaces", "interface", "state", "mtu"),
        asked("interfaces", "interface", "state", "oper-status", "deeper"),
        asked("interfaces", "interface", "st"),
    ],
)
def test_a_path_to_nothing_gets_nothing(path: Path) -> None:
    assert told(path) == {}


def test_values_follow_the_order_of_leaves() -> None:
    shape = template(("components", "component"), (("transceiver", "state", "a"), ("fan", "b")))
    assert json.loads(shape % ("1", "2")) == {
        "openconfig-platform-transceiver:transceiver": {"state": {"a": 1}},
        "openconfig-platform-fan:fan": {"b": 2},
    }
