"""gNMI's protobuf messages, into this package's own form and out of it.

The messages are pygnmi's (``pygnmi.spec``). Its client is not used: it has no deadline, keeps what
it received in an unbounded queue, and without a CA trusts whatever certificate it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.gnmi.notifications import Notification, time_of
from fleetops_collectors.gnmi.paths import Elem, Path, parse_path, without_module
from fleetops_collectors.gnmi.values import decimal
from fleetops_collectors.json_input import parse_json

STREAM, ON_CHANGE, SAMPLE = 0, 1, 2
"""Of gnmi.proto: the list's mode, and two of SubscriptionMode."""


def notification_of(message: Any) -> Notification:  # noqa: ANN401 (pygnmi ships no types)
    """A ``Notification`` of gnmi.proto."""
    prefix = path_of(message.prefix)
    return Notification(
        time_of(message.timestamp),
        [((*prefix, *path_of(one.path)), value_of(one.val)) for one in message.update],
        [(*prefix, *path_of(one)) for one in message.delete],
        prefix if message.atomic else None,
        message.prefix.target,
    )


def path_of(path: Any) -> Path:  # noqa: ANN401
    """The elements of a ``Path``; old targets send them as texts.

    A target says the same paths over and over: each is taken apart once.
    """
    return _path_in(path.SerializeToString())


@lru_cache(maxsize=65_536)
def _path_in(data: bytes) -> Path:
    from pygnmi.spec.v080 import gnmi_pb2  # noqa: PLC0415 (an extra of its own)

    path = gnmi_pb2.Path.FromString(data)
    if path.elem:
        return tuple(
            Elem(without_module(elem.name), tuple(sorted(elem.key.items()))) for elem in path.elem
        )
    return parse_path("/".join(path.element))


def value_of(value: Any) -> object:  # noqa: ANN401
    """What a ``TypedValue`` holds; None for what has no meaning here, as ``any_val``."""
    kind = value.WhichOneof("value")
    if kind in ("json_ietf_val", "json_val"):
        try:
            return parse_json(getattr(value, kind), "value")
        except InputError:
            return None
    if kind == "decimal_val":
        places = value.decimal_val.precision
        return decimal(value.decimal_val.digits, places) if places < 19 else None  # noqa: PLR2004
    if kind == "leaflist_val":
        return [value_of(one) for one in value.leaflist_val.element]
    return None if kind in (None, "any_val") else getattr(value, kind)


def subscription(
    on_change: Iterable[str],
    sampled: Iterable[str],
    *,
    encoding: int,
    sample_seconds: float,
    heartbeat_seconds: float,
) -> Any:  # noqa: ANN401
    """A ``SubscribeRequest`` that stays open.

    Args:
        on_change: Paths that are told when they change, and every ``heartbeat_seconds``.
        sampled: Paths that are told every ``sample_seconds``.
        encoding: Of the values, as gnmi.proto numbers them.
        sample_seconds: See ``sampled``.
        heartbeat_seconds: See ``on_change``.
    """
    from pygnmi.spec.v080 import gnmi_pb2  # noqa: PLC0415 (an extra of its own)

    request = gnmi_pb2.SubscribeRequest()
    listed = request.subscribe
    listed.mode, listed.encoding = STREAM, encoding
    for text in on_change:
        one = listed.subscription.add(
            mode=ON_CHANGE, heartbeat_interval=round(heartbeat_seconds * 1e9)
        )
        _fill(one.path, parse_path(text))
    for text in sampled:
        one = listed.subscription.add(mode=SAMPLE, sample_interval=round(sample_seconds * 1e9))
        _fill(one.path, parse_path(text))
    return request


def _fill(message: Any, path: Path) -> None:  # noqa: ANN401
    for elem in path:
        message.elem.add(name=elem.name, key=dict(elem.keys))
