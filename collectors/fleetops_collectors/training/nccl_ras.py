"""NCCL's RAS service: who of a job does not answer, reports an error, or is behind the others.

The text and JSON of ``src/ras/client_support.cc`` (NCCL 2.24 to 2.29). The service answers for the
whole job, from one of its processes. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.happenings import Happening, as_event
from fleetops_collectors.training.ranks import (
    RankNames,
    folded,
    reading_of,
    text_of,
    whole_of,
)
from fleetops_schemas.records import RecommendedAction, Severity

LOST = "training_process_lost"
ERROR = "collective_error"
STALLED = "collective_stalled"
MAX_TOLD = 64
"""Processes of one answer that become events."""
OUTLIER_SHARE = 0.25
"""A set of ranks that is behind and larger than this share is not told one by one (as NCCL's
``RAS_CLIENT_OUTLIER_FRACTION``)."""
_OK = frozenset((0, 7))
"""``ncclSuccess`` and ``ncclInProgress``."""


class Process(NamedTuple):
    """A rank as the service names it."""

    address: str
    pid: int
    gpu: str
    rank: int | None = None
    """Within its communicator."""


class Lag(NamedTuple):
    """Ranks of a communicator that have launched fewer collectives than others."""

    communicator: str
    operation: str
    newest: int
    behind: tuple[tuple[int, int], ...]
    """By how far they are (operations launched): how many ranks."""
    processes: tuple[Process, ...] = ()
    """Those behind, where the service names them."""

    @property
    def key(self) -> tuple[str, str, int, tuple[tuple[int, int], ...]]:
        """The same as long as nothing moves."""
        return self.communicator, self.operation, self.newest, self.behind


class Failure(NamedTuple):
    """An error that a rank's communicator reports."""

    communicator: str
    what: str
    processes: tuple[Process, ...]


@dataclass(slots=True)
class RasStatus:
    """One answer of the service."""

    communicators: int = 0
    dead: list[Process] = field(default_factory=list)
    """Given up by the others after 60 seconds."""
    silent: list[Process] = field(default_factory=list)
    """Did not answer this query."""
    failures: list[Failure] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    launched: dict[Process, int] = field(default_factory=dict)
    """Of the job's widest communicator: collectives launched by each of its ranks."""
    problems: list[str] = field(default_factory=list)


def is_status(document: object) -> bool:
    """Whether this is the service's answer in JSON."""
    return isinstance(document, dict) and isinstance(document.get("communicators"), list)


def parse_status(document: Mapping[str, Any]) -> RasStatus:
    """The answer in JSON (NCCL 2.28.7 and later)."""
    status = RasStatus()
    widest = (0, 0)
    for communicator in _dicts(document.get("communicators")):
        status.communicators += 1
        name = text_of(communicator.get("hash")).removeprefix("0x").rjust(16, "0")
        ranks = list(_dicts(communicator.get("ranks")))
        _missing(communicator, status)
        _failures(name, ranks, status)
        counts = {_process(rank): _counts(rank) for rank in ranks}
        status.lags += _lags(name, counts)
        size = (whole_of(communicator.get("size")) or 0, len(counts))
        if size > widest:
            widest = size
            status.launched = {one: sum(by_op.values()) for one, by_op in counts.items()}
    if not _is_whole_job(status, document):
        status.launched = {}
    service = document.get("ras")
    timeouts = whole_of(service.get("timeouts_count")) if isinstance(service, dict) else 0
    if timeouts:
        status.problems.append(f"{timeouts} timeouts while the service asked its processes")
    return status


def is_peer_event(document: object) -> bool:
    """Whether this is an event of the service's monitoring mode, in JSON."""
    return isinstance(document, dict) and "event" in document and "group" in document


def parse_peer_event(document: Mapping[str, Any]) -> RasStatus:
    """An event of monitoring mode (NCCL 2.29 and later); a dead peer is one, others are told."""
    status = RasStatus()
    peer = document.get("peer")
    event = text_of(document.get("event"), 64)
    if event == "PEER_DEAD" and isinstance(peer, dict):
        gpus = peer.get("cuda_devs")
        gpu = ",".join(str(whole_of(one)) for one in gpus[:64]) if isinstance(gpus, list) else ""
        address = text_of(peer.get("host"), 64) or text_of(peer.get("addr"), 64)
        status.dead.append(Process(address, whole_of(peer.get("pid")) or 0, gpu))
    else:
        status.problems.append(f"{event}: {text_of(document.get('details'))}")
    return status


def decode_status(status: RasStatus, names: RankNames, now: datetime) -> Decoded:
    """What an answer says by itself.

    Counts that differ are told and are no event: they differ in every busy job, and mean a stall
    only where they stay (:func:`stalled`).
    """
    decoded = Decoded(problems=list(status.problems))
    seen: set[int] = set()
    for process, launched in status.launched.items():
        if process.rank is None or process.rank in seen:
            continue
        seen.add(process.rank)
        device = names.device(process.rank, said=process.address)
        decoded.readings.append(reading_of(device, "rank", process.rank, None))
        decoded.readings.append(reading_of(device, "collectives_launched_total", launched, None))
        if names.job:
            decoded.labels[device] = {"job": names.job}
    happenings = [*_losses(status, now), *_errors(status, now)]
    decoded.events += [as_event(one, names) for one in happenings[:MAX_TOLD]]
    if len(happenings) > MAX_TOLD:
        decoded.problems.append(f"{len(happenings) - MAX_TOLD} more processes left out")
    decoded.problems += [f"{_said(lag)}; a stall if it stays so" for lag in status.lags]
    return decoded


def stalled(lag: Lag, names: RankNames, now: datetime, seconds: float) -> Happening:
    """A communicator in which nothing moved for so long.

    Args:
        lag: The counts that stayed.
        names: How the ranks are called.
        now: Now.
        seconds: For how long.
    """
    one = lag.processes[0] if len(lag.processes) == 1 else None
    return Happening(
        kind=STALLED,
        severity=Severity.WARNING,
        action=RecommendedAction.INSPECT if one else RecommendedAction.CHECK_JOB,
        time=now,
        text=f"{_said(lag)} for {seconds:.0f} s",
        identity=f"{names.job}:{lag.key}",
        host=lag.processes[0].address if lag.processes else "",
        attributes={
            "communicator": lag.communicator,
            "operation": lag.operation,
            "sequence": lag.newest,
            "lagging_ranks": folded([p.rank for p in lag.processes if p.rank is not None]),
        },
    )


def _said(lag: Lag) -> str:
    counts = ", ".join(f"{ranks} ranks have launched {count}" for count, ranks in lag.behind[:4])
    who = ""
    if lag.processes:
        who = f" (ranks {folded([p.rank for p in lag.processes if p.rank is not None])})"
    return f"communicator {lag.communicator}: {lag.operation} {lag.newest}: {counts}{who}"


def _losses(status: RasStatus, now: datetime) -> Iterator[Happening]:
    dead = {process[:3] for process in status.dead}
    for process in dict.fromkeys((*status.dead, *status.silent)):
        gone = process[:3] in dead
        if not gone or process in status.dead:
            yield Happening(
                kind=LOST,
                severity=Severity.CRITICAL if gone else Severity.WARNING,
                action=RecommendedAction.INSPECT,
                time=now,
                text=f"process {process.pid} on {process.address} with GPU {process.gpu} "
                + ("is considered dead by its peers" if gone else "does not answer its peers"),
                identity=f"{process.address}:{process.pid}:{process.gpu}:{gone}",
                host=process.address,
                attributes={"pid": process.pid, "gpu": process.gpu, "address": process.address},
            )


def _errors(status: RasStatus, now: datetime) -> Iterator[Happening]:
    for failure in status.failures:
        for process in failure.processes or (Process("", 0, ""),):
            who = f"rank {process.rank} (process {process.pid} on {process.address})"
            yield Happening(
                kind=ERROR,
                severity=Severity.WARNING,
                action=RecommendedAction.CHECK_JOB,
                time=now,
                text=f"communicator {failure.communicator}: {who}: {failure.what}",
                identity=f"{failure.communicator}:{process.address}:{process.pid}:{failure.what}",
                host=process.address,
                attributes={"communicator": failure.communicator, "error": failure.what},
            )


def _missing(communicator: Mapping[str, Any], status: RasStatus) -> None:
    for rank in _dicts(communicator.get("missing_ranks")):
        state = rank.get("status")
        if not isinstance(state, dict):
            continue
        process = _process(rank)._replace(rank=None)  # a process is told once, of all its ranks
        if state.get("considered_dead") is True:
            if process not in status.dead:
                status.dead.append(process)
        elif state.get("unresponsive") is True and process not in status.silent:
            status.silent.append(process)


def _failures(name: str, ranks: Iterable[Mapping[str, Any]], status: RasStatus) -> None:
    found: dict[str, list[Process]] = {}
    for rank in ranks:
        state = rank.get("status")
        for key in ("init_state", "async_error"):
            code = whole_of(state.get(key)) if isinstance(state, dict) else None
            if code is not None and code not in _OK:
                what = f"{key} {code}: {RESULTS.get(code, 'unexpected error')}"
                found.setdefault(what, []).append(_process(rank))
    status.failures += [Failure(name, what, tuple(them)) for what, them in found.items()]


RESULTS = {
    1: "unhandled CUDA error",
    2: "system error",
    3: "internal error",
    4: "invalid argument",
    5: "invalid usage",
    6: "remote process error",
}
"""``ncclResult_t`` (nccl.h)."""


def _lags(name: str, counts: Mapping[Process, Mapping[str, int]]) -> Iterator[Lag]:
    operations = dict.fromkeys(op for by_op in counts.values() for op in by_op)
    for operation in operations:
        launched = {process: by_op.get(operation, 0) for process, by_op in counts.items()}
        newest = max(launched.values())
        late = {process: count for process, count in launched.items() if count < newest}
        if late:
            behind = tuple(sorted(Counter(late.values()).items()))
            few = len(late) == 1 or len(late) <= OUTLIER_SHARE * len(launched)
            yield Lag(name, operation, newest, behind, tuple(late) if few else ())


def _is_whole_job(status: RasStatus, document: Mapping[str, Any]) -> bool:
    """Whether ranks of the widest communicator are the job's: it holds every GPU there is."""
    everybody = {
        _process(rank)[:3]
        for communicator in _dicts(document.get("communicators"))
        for rank in _dicts(communicator.get("ranks"))
    }
    return {process[:3] for process in status.launched} == everybody


def _process(rank: Mapping[str, Any]) -> Process:
    gpu = whole_of(rank.get("nvml_dev"))
    return Process(
        address=text_of(rank.get("host"), 64),
        pid=whole_of(rank.get("pid")) or 0,
        gpu="" if gpu is None else str(gpu),
        rank=whole_of(rank.get("rank")),
    )


def _counts(rank: Mapping[str, Any]) -> dict[str, int]:
    counts = rank.get("collective_counts")
    if not isinstance(counts, dict):
        return {}
    whole = {text_of(name, 64): whole_of(count) for name, count in counts.items()}
    return {name: count for name, count in whole.items() if count is not None}


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))
