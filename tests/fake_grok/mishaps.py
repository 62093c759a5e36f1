"""Every way in which the fake Batch API can misbehave: a `Mishap` says what goes wrong, when and how often."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

CALLS = frozenset({"status", "lost_answer", "garbage", "hang"})
"""Of one HTTP call: it answers `status` and does nothing, does what is asked and breaks the connection, answers a
page of HTML, or never answers."""
REQUESTS = frozenset({"stuck", "error", "unknown", "nothing"})
"""Of one request: it stays pending, fails with a bare text, or has neither answer nor error as its row."""
BATCHES = frozenset({"refused", "stopped"})
"""Of a batch: the provider refuses it as a whole, or cancels it after half of its answers."""
CANCELS = frozenset({"reverts"})
"""Of a cancelled request: it was being answered, so the counters go back and its row comes, and is paid for."""
VIEWS = frozenset({"uncounted", "no_state", "late_rows", "twice", "short_pages", "empty_token", "no_token"})
"""Of what is read: counters are 0, or absent; half of the rows come later than the counters; each row comes twice;
pages have fewer rows than was asked for; the last page's token is empty or absent instead of null."""
OPERATIONS = frozenset({"create", "list", "add", "progress", "requests", "results", "cancel"})


@dataclass(slots=True)
class Mishap:
    """Something to do wrong, by `kind`.

    For the next `times` of what it is about, or until cleared. That of a call or a reading is thrown with
    `probability`; of requests and batches it is that share, by their ids, and with `marker` only those with a text that
    contains it.
    """

    kind: str
    on: str | None = None
    """The operation that it is about, for a kind of CALLS; None is any."""
    times: int | None = None
    probability: float = 1.0
    marker: str | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    met: int = 0
    """How often it came about."""

    def __post_init__(self) -> None:
        if self.kind not in CALLS | REQUESTS | BATCHES | CANCELS | VIEWS:
            raise ValueError(f"no mishap is called {self.kind!r}")
        if self.on is not None and self.on not in OPERATIONS:
            raise ValueError(f"no operation is called {self.on!r}")

    def befalls(self, operation: str, random: Random) -> bool:
        """Whether a call goes wrong this way; it is then counted."""
        is_meant = self.kind in CALLS and self.on in (None, operation) and self.times != 0
        return is_meant and random.random() < self.probability and self._counted()

    def shows(self, kind: str, random: Random) -> bool:
        """Whether a reading goes wrong this way; it is then counted."""
        return (
            self.kind == kind and self.times != 0 and random.random() < self.probability and self._counted()
        )

    def meets(self, kinds: frozenset[str], number: str, texts: Sequence[str] = ()) -> bool:
        """Whether something of one of these kinds befalls what has this id; it is then counted."""
        is_meant = self.kind in kinds and self.times != 0
        has_marker = self.marker is None or any(self.marker in text for text in texts)
        unlucky = zlib.crc32(f"{self.kind} {number}".encode()) % 10_000 < self.probability * 10_000
        return is_meant and has_marker and unlucky and self._counted()

    def _counted(self) -> bool:
        self.met += 1
        if self.times is not None:
            self.times -= 1
        return True


def refusal(status: int, code: str, error: str) -> tuple[int, dict[str, Any]]:
    """An answer with a complaint, as xAI's server writes it."""
    return status, {"code": code, "error": error}
