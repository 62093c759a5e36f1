"""How long requests take, on the clock and in CPU time of the process that serves them."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode, urlsplit

Json = dict[str, Any]
CPUCLOCK_SCHED = 2
PACE_ALONE = 10
"""Of the 2.5 GHz Xeon that the figures are from."""
JSON = {"Content-Type": "application/json"}


@dataclass
class Times:
    """Milliseconds of each of some requests."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of the whole process, so that whatever else it does meanwhile counts as well."""

    def add(self, other: "Times") -> None:
        """Take over another's."""
        self.wall += other.wall
        self.cpu += other.cpu


def percentile(values: Iterable[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def pace() -> float:
    """Milliseconds that 100,000 steps of a loop take here and now; where a core is all its own, PACE_ALONE."""
    since, total = time.perf_counter(), 0
    for number in range(100_000):
        total += number * number
    return (time.perf_counter() - since) * 1_000


def cpu_seconds(pid: int) -> float:
    """CPU time of a process of this machine so far, all its threads together, to the nanosecond."""
    # As clock_getcpuclockid(3) makes it; /proc counts in hundredths of a second.
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


class Client:
    """One kept-alive connection to a service of this machine."""

    def __init__(self, url: str, pid: int) -> None:
        where = urlsplit(url)
        self._connection = HTTPConnection(where.hostname or "", where.port, timeout=120)
        self._pid = pid
        self.times = Times()

    def get(self, path: str, parameters: Mapping[str, object]) -> Json:
        """The body of an answer, which has to be a 200; how long it took is in `times`."""
        return self._timed("GET", f"{path}?{urlencode(parameters)}", expected=200)

    def post(self, path: str, body: Json) -> Json:
        """The body of an answer, which has to be a 201; how long it took is in `times`."""
        return self._timed("POST", path, json.dumps(body), expected=201)

    def _timed(self, method: str, target: str, body: str | None = None, *, expected: int) -> Json:
        cpu, since = cpu_seconds(self._pid), time.perf_counter()
        self._connection.request(method, target, body, JSON)
        answer = self._connection.getresponse()
        answered = answer.read()
        self.times.wall.append((time.perf_counter() - since) * 1_000)
        self.times.cpu.append((cpu_seconds(self._pid) - cpu) * 1_000)
        if answer.status != expected:
            raise RuntimeError(f"{method} {target}: {answer.status} {answered[:300]!r}")
        found: Json = json.loads(answered)
        return found

    def taken(self) -> Times:
        """The times since this was asked last."""
        taken, self.times = self.times, Times()
        return taken
