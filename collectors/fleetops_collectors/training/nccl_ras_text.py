"""The RAS service's answer as text, which NCCL before 2.28.7 gives alone. Pure.

The text names ranks only where few of them stand out (``STATUS``: a quarter and at most ten;
``VERBOSE STATUS``: under a half), so less is known than from JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleetops_collectors.training.nccl_ras import Failure, Lag, Process, RasStatus
from fleetops_collectors.training.ranks import text_of

MAX_LINE = 4096
MAX_NUMBER = 18
"""Digits of a count."""
_NUMBER = rf"(\d{{1,{MAX_NUMBER}}})"
_MARK = re.compile(r"Job summary|Communicators\.\.\.|Group +Comms|RAS Monitor Mode|\] PEER_[A-Z]+:")
_SECTION = re.compile(
    r"(?:#\d+-\d+ \(([0-9a-f]{1,16})\) )?(INCOMPLETE|DEAD|ERROR|MISMATCH|TIMEOUT)$"
)
_SUMMARY = re.compile(rf"\d+ +{_NUMBER} +\d+ +[\d-]+ +\d+ +\d+ +[A-Z]+ +[A-Z,]+$")
_PROCESS = re.compile(rf"Process {_NUMBER} on node (\S{{1,64}}) managing GPUs? (.{{1,64}})$")
_DIFFERENT = re.compile(r"Communicator ranks have different (\w{1,64}) operation counts$")
_COUNT = re.compile(
    rf"{_NUMBER} ranks? have (?:launched up to operation {_NUMBER}|not launched any operations)$"
)
_RANK = re.compile(
    rf"Rank {_NUMBER}(?: has launched up to operation {_NUMBER}| (has not launched any operations)"
    rf"| has status \w+| reported ([\w ]{{1,64}}?))?"
    rf" -- (?:GPU (.{{1,64}}) managed by process {_NUMBER} on node (\S{{1,64}})|\[.*\])$"
)
_REPORTED = re.compile(rf"{_NUMBER} ranks reported ([\w ]{{1,64}})$")
_TIMEOUTS = re.compile(rf"Encountered {_NUMBER} communication timeouts?")
_PEER_EVENT = re.compile(r"\[[^\]]*\] (PEER_[A-Z]+): (.*)$")


def is_status_text(text: str) -> bool:
    """Whether this is the service's answer, or a part of it."""
    return _MARK.search(text) is not None or any(
        _SECTION.match(line.strip()) for line in text.splitlines()[:50]
    )


def parse_status_text(lines: Iterable[str]) -> RasStatus:
    """The answer in text (NCCL 2.24 and later) to ``STATUS``, ``VERBOSE STATUS`` or ``MONITOR``."""
    reader = _Reader()
    for line in lines:
        reader.take(text_of(line, MAX_LINE).strip())
    reader.end_counts()
    return reader.status


class _Reader:
    """Remembers which part of the answer a line belongs to."""

    def __init__(self) -> None:
        self.status = RasStatus()
        self._section = ""
        self._communicator = ""
        self._operation = ""
        self._error = ""
        self._counts: dict[int, int] = {}
        """By operations launched: ranks."""
        self._named: list[tuple[int, Process]] = []
        """Ranks that were named, with the operations they launched."""
        self._current = 0

    def take(self, line: str) -> None:
        """Takes the next line in."""
        if found := _SECTION.match(line):
            self.end_counts()
            self._communicator, self._section = found[1] or "", found[2]
        elif found := _DIFFERENT.match(line):
            self.end_counts()
            self._operation = found[1]
        elif found := _COUNT.match(line):
            self._current = int(found[2] or 0)
            self._counts[self._current] = self._counts.get(self._current, 0) + int(found[1])
        elif found := _REPORTED.match(line):
            self._error = found[2]
        elif found := _RANK.match(line):
            self._rank(found)
        elif found := _PROCESS.match(line):
            self._process(found)
        elif found := _SUMMARY.match(line):
            self.status.communicators += int(found[1])
        elif found := _TIMEOUTS.match(line):
            self.status.problems.append(line[:100])
        elif found := _PEER_EVENT.match(line):
            self._peer(found[1], found[2])

    def end_counts(self) -> None:
        """Makes a lag of the counts of one operation, which end with the next part."""
        newest = max(self._counts, default=0)
        behind = tuple(sorted((at, n) for at, n in self._counts.items() if at < newest))
        if self._operation and behind:
            named = tuple(process for count, process in self._named if count < newest)
            lag = Lag(self._communicator, self._operation, newest, behind, named)
            self.status.lags.append(lag)
        self._operation = ""
        self._counts = {}
        self._named = []
        self._error = ""

    def _rank(self, found: re.Match[str]) -> None:
        process = Process(found[7] or "", int(found[6] or 0), found[5] or "", int(found[1]))
        if found[2] or found[3]:  # a single rank has its count on its own line
            self._current = int(found[2] or 0)
            self._counts[self._current] = self._counts.get(self._current, 0) + 1
        if self._operation:
            self._named.append((self._current, process))
        elif self._section == "ERROR":
            what = found[4] or self._error or "error"
            self.status.failures.append(Failure(self._communicator, what, (process,)))

    def _process(self, found: re.Match[str]) -> None:
        process = Process(found[2], int(found[1]), found[3])
        if self._section == "DEAD":
            self.status.dead.append(process)
        elif self._section == "INCOMPLETE":
            self.status.silent.append(process)

    def _peer(self, event: str, rest: str) -> None:
        """A line of monitoring mode."""
        found = _PROCESS.match(rest)
        if event == "PEER_DEAD" and found:
            self.status.dead.append(Process(found[2], int(found[1]), found[3]))
        else:
            self.status.problems.append(f"{event}: {rest[:100]}")
