"""Hostlists in Slurm's spelling: ``node[001-128],gpu7``."""

from __future__ import annotations

from collections.abc import Iterable

import hostlist

from fleetops.core.errors import InputError

MAX_HOSTS = 100_000


def expand(text: str) -> list[str]:
    """The hosts a hostlist names, in order, each once.

    Raises:
        InputError: the text is no hostlist, or names more than :data:`MAX_HOSTS`.
    """
    if not text.strip():
        raise InputError("the hostlist is empty; write for example node001 or node[001-004]")
    try:
        hosts: list[str] = hostlist.expand_hostlist(text, allow_duplicates=False, sort=False)
    except hostlist.BadHostlist as error:
        raise InputError(
            f"{text!r} is not a hostlist: {error}; write for example node[001-004,007]"
        ) from error
    if len(hosts) > MAX_HOSTS:
        raise InputError(f"{text!r} names {len(hosts)} hosts; the limit is {MAX_HOSTS}")
    return hosts


def fold(hosts: Iterable[str]) -> str:
    """The shortest hostlist that names the hosts."""
    folded: str = hostlist.collect_hostlist(list(hosts))
    return folded
