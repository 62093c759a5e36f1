"""Bad credentials: how many a client may send, and how slowly it is answered after that."""

import math
import time
from collections import OrderedDict

from core.errors import TooManyAttempts
from rate_limiter import MAX_CLIENTS, Clock, SlidingWindow, client_of

ALLOWED, WINDOW = 10, 900.0
"""Bad credentials and failed log-ins that one client may send in so many seconds."""
ANSWERS_PER_SECOND = 10
LONGEST_WAIT = 30.0
"""Seconds that a refusal waits at most."""


class Attempts:
    """Counts the bad credentials of each client; a good one is never counted and never refused.

    A client over the limit gets ten answers a second and no more: a scan of keys would otherwise cost a core what it
    costs to refuse each at once.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._window = SlidingWindow(ALLOWED, WINDOW, clock)
        self._next: OrderedDict[str, float] = OrderedDict()

    def count(self, address: str) -> None:
        """Count a bad credential from an address. Raises TooManyAttempts if there were too many before."""
        decision = self._window.take(client_of(address))
        if not decision.allowed:
            raise TooManyAttempts(max(1, math.ceil(decision.retry_after)))

    def is_over(self, address: str) -> bool:
        """Whether a client has used up what it may send, without counting."""
        client = client_of(address)
        decision = self._window.take(client)
        if decision.allowed:
            self._window.give_back(client)
        return not decision.allowed

    def pause(self, address: str) -> float:
        """Seconds to wait before a client over the limit is answered."""
        client, now = client_of(address), self._clock()
        due = max(now, self._next.pop(client, 0.0))
        self._next[client] = min(due + 1 / ANSWERS_PER_SECOND, now + LONGEST_WAIT)
        if len(self._next) > MAX_CLIENTS:
            self._next.popitem(last=False)
        return due - now
