"""The fake Batch API: batches, their requests, rows and counters, and a bill of its own.

It answers as xAI's was seen to, with the traps: times are dates, counters are not monotonic, rows come sorted by id and
may appear before a page that was read, an error is a bare text. `tests/fake_grok/server.py` puts it on a socket.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from tests.fake_grok.mishaps import BATCHES, CANCELS, REQUESTS, Mishap, refusal
from tests.fake_grok.requests import INVALID

MODELS = frozenset(
    {
        "grok-4.3",
        "grok-4.20",
        "grok-4.20-reasoning",
        "grok-4.20-non-reasoning",
        "grok-4.20-0309-reasoning",
        "grok-4.20-0309-non-reasoning",
    }
)
WRAPPER = "chat_get_completion"
MOST_BYTES = 25_000_000
CREATIONS, ADDS = (2, 1.0), (1_000, 30.0)
"""How many calls in how many seconds."""
KEPT_DAYS = 30
CANCELLED = "Batch cancelled"
REFUSED = "JSONL file validation failed: line 2: invalid JSON: expected value"
STATES = ("pending", "succeeded", "failed", "cancelled")


class Answered(NamedTuple):
    """What came of a request: its row's `batch_result`, and what was charged."""

    result: Any
    ticks: int = 0
    is_failed: bool = True
    well: Sequence[str] = ()
    """The texts whose rows are in it as they should be."""


@dataclass(slots=True)
class BatchedRequest:
    """A request of a batch, as it is at this moment."""

    id: str
    body: Mapping[str, Any]
    texts: Sequence[str]
    asked_at: float
    due: float
    state: str = "pending"
    result: Any = None
    ticks: int = 0
    """What was charged for it, after the discount."""
    well: Sequence[str] = ()
    answered_at: float | None = None
    read_at: float | None = None
    """When its row was sent first, once it had one that was no cancellation."""
    served: int = 0
    """How often its row was sent."""
    reverts_at: float | None = None


@dataclass(slots=True)
class Batch:
    """A batch with its requests by id."""

    id: str
    name: str
    day: datetime
    requests: dict[str, BatchedRequest] = field(default_factory=dict)
    cancelled_on: datetime | None = None
    stopped_at: float | None = None
    """When it was cancelled, by the clock that the rest of the record goes by."""
    message: str | None = None
    """What xAI says when it cancels one itself."""
    readings: int = 0
    is_doomed: bool | None = None
    """Whether the provider will refuse or stop it; None before it is known."""

    @property
    def counts(self) -> Counter[str]:
        return Counter(each.state for each in self.requests.values())


Answer = Callable[[bytes], Answered]
Reply = tuple[int, dict[str, Any]]


class FakeBatches:
    """The batches of a team. `answer` is how a request is answered; it is not asked before the request is due."""

    def __init__(
        self,
        answer: Answer,
        texts_of: Callable[[Mapping[str, Any]], Sequence[str]],
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._answer, self._texts_of = answer, texts_of
        self._seed, self._clock, self._today = seed, clock, today
        self.seconds = 0.0
        """The longest that a request takes, if it is answered at all."""
        self.revert_seconds = 0.3
        """How long a cancelled request that reverts says that it is cancelled."""
        self.at_once = 500
        """How many requests are answered at one reading, so that no reading takes long."""
        self.limited = True
        """Whether the documented rates are kept."""
        self.reset()

    def reset(self) -> None:
        self.random = Random(self._seed)  # noqa: S311  a fault's dice, no secret
        self.batches: dict[str, Batch] = {}
        self.mishaps: list[Mishap] = []
        self.operations: Counter[str] = Counter()
        """Calls by operation, and by operation and status."""
        self.asked: Counter[str] = Counter()
        """How often each text was admitted."""
        self._made: deque[float] = deque()
        self._added: deque[float] = deque()

    def misbehave(self, kind: str, **how: Any) -> Mishap:
        mishap = Mishap(kind, **how)
        self.mishaps.append(mishap)
        return mishap

    def told(self, order: Mapping[str, Any]) -> None:
        """Do what a control request says: mishaps, and values of the public fields."""
        for name, value in order.items():
            if name == "mishaps":
                for mishap in value:
                    self.misbehave(**mishap)
            elif name in ("seconds", "revert_seconds", "at_once", "limited"):
                setattr(self, name, value)
            else:
                raise ValueError(f"nothing of the Batch API is called {name!r}")

    def hurry(self) -> None:
        """Answer everything that is pending by the next look at it."""
        for each in self._requests():
            each.due = 0.0

    @property
    def billed_ticks(self) -> int:
        """What all rows so far were charged."""
        return sum(each.ticks for each in self._requests())

    def bill(self) -> list[dict[str, Any]]:
        """What was charged, request by request, and when what happened, on the monotonic clock."""
        return [
            {"batch": batch.id, "name": batch.name, "id": each.id, "texts": list(each.texts)}
            | {"state": each.state, "ticks": each.ticks, "served": each.served, "well": list(each.well)}
            | {"asked_at": each.asked_at, "answered_at": each.answered_at, "read_at": each.read_at}
            | {"stopped_at": batch.stopped_at}
            for batch in list(self.batches.values())
            for each in list(batch.requests.values())
        ]

    def stats(self) -> dict[str, Any]:
        return {
            "batches": len(self.batches),
            "operations": self.operations,
            "states": Counter(each.state for each in self._requests()),
            "texts": len(self.asked),
            "texts_asked": self.asked.total(),
            "most_often_asked": max(self.asked.values(), default=0),
            "billed_ticks": self.billed_ticks,
        }

    def _requests(self) -> list[BatchedRequest]:
        """A copy: tests read it while the server's thread adds to it."""
        return [each for batch in list(self.batches.values()) for each in list(batch.requests.values())]

    def note(self, operation: str, status: int) -> None:
        self.operations.update([operation, f"{operation} {status}"])

    def create(self, body: Mapping[str, Any]) -> Reply:
        if not isinstance(body.get("name"), str) or set(body) != {"name"}:
            return refusal(422, INVALID, "name: a string, and nothing else is taken here")
        if self._is_over(self._made, *CREATIONS):
            return _too_many("batch creations per second")
        batch = self.put(body["name"])
        return 200, self._shown(batch)

    def put(self, name: str) -> Batch:
        """A batch that is there, whoever of the team has made it."""
        number = f"batch_{self.random.getrandbits(128):032x}"
        batch = self.batches[number] = Batch(number, name, self._today())
        return batch

    def listed(self, limit: int, token: str | None) -> Reply:
        """In the order of their ids, which is that of nothing."""
        shown = [self._shown(self.batches[number]) for number in sorted(self.batches)]
        return self._page("batches", shown, [each["batch_id"] for each in shown], limit, token)

    def progress(self, number: str) -> Reply:
        batch = self.batches.get(number)
        if batch is None:
            return not_found()
        self.advance(batch)
        batch.readings += 1
        return 200, self._shown(batch, hidden=True)

    def add(self, number: str, body: Mapping[str, Any], size: int) -> Reply:
        """All of the requests or none."""
        batch = self.batches.get(number)
        if batch is None:
            return not_found()
        if self._is_over(self._added, *ADDS):
            return _too_many("add-request calls per 30 seconds")
        if size > MOST_BYTES:
            return refusal(413, INVALID, "the body is over 25 MB")
        if batch.cancelled_on is not None:
            return refusal(
                403, "permission-denied", f"Batch {number} was cancelled: no requests can be added"
            )
        return self._admitted(batch, body.get("batch_requests"))

    def _admitted(self, batch: Batch, given: Any) -> Reply:
        new: dict[str, BatchedRequest] = {}
        for each in given if isinstance(given, list) and given else [None]:
            made = self._made_of(each)
            if isinstance(made, tuple):
                return made
            known = batch.requests.get(made.id)
            if made.id in new or (known is not None and known.body != made.body):
                said = f"batch_request_id '{made.id}' content differs from originally submitted"
                return refusal(412, "failed-precondition", said)
            if known is None:
                new[made.id] = made
        batch.requests |= new
        for each in new.values():
            self.asked.update(each.texts)
        return 200, {}

    def _made_of(self, given: Any) -> BatchedRequest | Reply:
        """A request as it was sent, or the refusal of the whole call."""
        if not isinstance(given, dict) or not set(given) <= {"batch_request_id", "batch_request"}:
            return refusal(422, INVALID, "batch_requests: batch_request_id and batch_request, of one or more")
        wrapped = given.get("batch_request")
        body = wrapped.get(WRAPPER) if isinstance(wrapped, dict) and len(wrapped) == 1 else None
        if not isinstance(body, dict):
            return refusal(422, INVALID, f"batch_request: {WRAPPER} alone is known here")
        if body.get("model") not in MODELS:
            said = f"Model {body.get('model')} is not supported for batch processing."
            return refusal(400, INVALID, said)
        number = given.get("batch_request_id") or f"batch_request_{self.random.getrandbits(128):032x}"
        now, takes = self._clock(), self.random.random() * self.seconds
        return BatchedRequest(number, body, self._texts_of(body), now, now + takes)

    def results(self, number: str, limit: int, token: str | None) -> Reply:
        batch = self.batches.get(number)
        if batch is None:
            return not_found()
        self.advance(batch)
        done = [batch.requests[each] for each in sorted(batch.requests)]
        done = [each for each in done if each.result is not None and each.state != "pending"]
        if self._sees("late_rows"):
            done = done[: len(done) // 2]
        copies = range(2 if self._sees("twice") else 1)
        rows = [{"batch_request_id": each.id, "batch_result": each.result} for each in done for _ in copies]
        numbers = [f"{each.id} {copy}" for each in done for copy in copies]
        status, page = self._page("results", rows, numbers, limit, token)
        for row in page["results"]:
            each = batch.requests[row["batch_request_id"]]
            each.served += 1
            if each.read_at is None and each.state != "cancelled":
                each.read_at = self._clock()
        return status, page

    def metadata(self, number: str, limit: int, token: str | None) -> Reply:
        batch = self.batches.get(number)
        if batch is None:
            return not_found()
        self.advance(batch)
        shown = [
            {
                "batch_request_id": each.id,
                "endpoint": "xai_api.Chat/GetCompletion",
                "model": each.body["model"],
            }
            | {"state": each.state, "create_time": f"{batch.day:%Y-%m-%d}", "finish_time": None}
            for _, each in sorted(batch.requests.items())
        ]
        numbers = [each["batch_request_id"] for each in shown]
        return self._page("batch_request_metadata", shown, numbers, limit, token)

    def cancel(self, number: str) -> Reply:
        batch = self.batches.get(number)
        if batch is None:
            return not_found()
        self.advance(batch)
        if batch.cancelled_on is None:
            self._stop_pending(batch)
        return 200, self._shown(batch)

    def _stop_pending(self, batch: Batch) -> None:
        batch.cancelled_on, batch.stopped_at = self._today(), self._clock()
        for each in batch.requests.values():
            if each.state == "pending":
                each.state, each.result = "cancelled", {"error": CANCELLED}
                if any(mishap.meets(CANCELS, each.id, each.texts) for mishap in self.mishaps):
                    each.reverts_at = self._clock() + self.revert_seconds

    def advance(self, batch: Batch) -> None:
        """Do what has become due in a batch, at most `at_once` answers of it."""
        now = self._clock()
        if batch.requests and batch.is_doomed is None:
            batch.is_doomed = self._doom(batch)
        left = min(self.at_once, -(-len(batch.requests) // 2)) if batch.is_doomed else self.at_once
        for each in batch.requests.values():
            if left and self._is_due(each, now):
                left -= 1
                self._work(each)
        if (
            batch.is_doomed
            and batch.cancelled_on is None
            and 2 * batch.counts["pending"] <= len(batch.requests)
        ):
            batch.message = "Batch stopped by xAI"
            self._stop_pending(batch)

    def _doom(self, batch: Batch) -> bool:
        """Whether the provider will stop it; one that it refuses has lost its requests at once."""
        doom = next((each for each in self.mishaps if each.meets(BATCHES, batch.id)), None)
        if doom is None or doom.kind == "stopped":
            return doom is not None
        batch.cancelled_on, batch.stopped_at = self._today(), self._clock()
        batch.message = doom.text or REFUSED
        for each in batch.requests.values():
            each.state, each.result, each.reverts_at = "refused", None, None
        return False

    def _is_due(self, each: BatchedRequest, now: float) -> bool:
        if each.state == "cancelled":
            return each.reverts_at is not None and each.reverts_at <= now
        return each.state == "pending" and each.due <= now

    def _work(self, each: BatchedRequest) -> None:
        each.reverts_at = None
        mishap = next((it for it in self.mishaps if it.meets(REQUESTS, each.id, each.texts)), None)
        kind = mishap.kind if mishap is not None else None
        if kind == "stuck":
            each.due = float("inf")
        elif kind == "error":
            said = mishap.text if mishap is not None else None
            each.state, each.result = "failed", {"error": said or "max_tokens must be positive"}
        else:
            answered = self._answer(json.dumps(each.body).encode())
            each.state = "failed" if answered.is_failed else "succeeded"
            each.result, each.ticks, each.well = answered.result, answered.ticks, answered.well
            if kind is not None:
                each.result, each.well = {"response": "unknown"} if kind == "unknown" else {}, ()
        if each.state != "pending":
            each.answered_at = self._clock()

    def _shown(self, batch: Batch, *, hidden: bool = False) -> dict[str, Any]:
        """A batch as it is shown; `hidden` where it is read, and may lack its counters."""
        counts = batch.counts
        counts.pop("refused", None)
        if hidden and self._sees("uncounted"):
            counts.clear()
        state = {
            "num_requests": counts.total(),
            "num_pending": counts["pending"],
            "num_success": counts["succeeded"],
            "num_error": counts["failed"],
            "num_cancelled": counts["cancelled"],
        }
        shown = {
            "batch_id": batch.id,
            "name": batch.name,
            "create_time": f"{batch.day:%Y-%m-%d}",
            "expire_time": f"{batch.day + timedelta(days=KEPT_DAYS):%Y-%m-%d}",
            "create_api_key_id": "key-1",
            "cancel_time": None if batch.cancelled_on is None else f"{batch.cancelled_on:%Y-%m-%d}",
            "cancel_by_xai_message": batch.message,
        }
        return shown if hidden and self._sees("no_state") else shown | {"state": state}

    def _sees(self, kind: str) -> bool:
        return any(each.shows(kind, self.random) for each in self.mishaps)

    def _page(
        self, name: str, rows: Sequence[Any], numbers: Sequence[str], limit: int, token: str | None
    ) -> Reply:
        """The rows after the one that the token names. A row that has come before it since then is not seen."""
        if self._sees("short_pages"):
            limit = min(limit, 3)
        first = next((n for n, number in enumerate(numbers) if token is None or number > token), len(rows))
        some = list(rows[first : first + limit])
        if first + limit < len(rows):
            return 200, {name: some, "pagination_token": numbers[first + limit - 1]}
        if self._sees("no_token"):
            return 200, {name: some}
        return 200, {name: some, "pagination_token": "" if self._sees("empty_token") else None}

    def _is_over(self, times: deque[float], most: int, seconds: float) -> bool:
        now = self._clock()
        while times and times[0] <= now - seconds:
            times.popleft()
        if self.limited and len(times) >= most:
            return True
        times.append(now)
        return False


def not_found() -> Reply:
    return refusal(404, "not-found", "Batch not found")


def _too_many(what: str) -> Reply:
    return refusal(429, "resource-exhausted", f"Too many requests: the limit of {what} is reached")
