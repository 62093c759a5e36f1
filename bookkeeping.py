"""The books: each call in the log, each ending and each token in the metrics, and who waits is told."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

import prices
from analysis import CallFailed, Reply, Usage
from decisions import Work
from metrics import Metrics
from outbound import Gate
from store import calls
from store.queue import Completed, Failed, Outcome, Skipped
from times import Clock

SENTIMENTS = {1: "positive", 0: "neutral", -1: "negative"}
End = Reply | CallFailed | None
"""How a call ended; None where it was given back unfinished."""


class Bookkeeping:
    """Writes down what the processor does.

    `ended` is told the ids of conversations that need nothing more; `model` is billed at `cost_per_1k` USD per
    1,000 tokens, or at its list price.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        model: str,
        clock: Clock,
        cost_per_1k: float | None,
        ended: Callable[[Iterable[str]], None],
    ) -> None:
        self._metrics = metrics
        self._model = model
        self._clock = clock
        self._cost_per_1k = cost_per_1k
        self._ended = ended

    def start(self, connection: Connection, gate: Gate, held: Sequence[Work]) -> int | None:
        """Note a call that is about to leave; None where calls cost nothing."""
        if not gate.billed:
            return None
        analyzer = gate.analyzer
        return calls.start(
            connection,
            provider=analyzer.name,
            model=analyzer.model,
            conversations=len(held),
            now=self._clock(),
        )

    def finish(self, connection: Connection, call: int, end: End) -> None:
        """Note how it ended, and what it cost."""
        calls.finish(
            connection,
            call,
            outcome="given_back" if end is None else getattr(end, "outcome", "ok"),
            now=self._clock(),
            usage=_usage(end),
            cost_ticks=self._cost(end),
            status=end.status if end else None,
            request_id=end.request_id if end else None,
            error=end.detail if isinstance(end, CallFailed) else None,
            body=end.body if isinstance(end, CallFailed) else None,
        )

    def call_ended(self, end: End) -> None:
        """Count its tokens and dollars."""
        used = _usage(end)
        for kind in ("prompt", "cached", "completion", "reasoning"):
            self._metrics.tokens.labels(kind).inc(getattr(used, f"{kind}_tokens"))
        self._metrics.cost_usd.inc(self._cost(end) / prices.TICKS_PER_USD)

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """Count what ended, and wake who waits for it."""
        ended = [outcome for outcome in outcomes if isinstance(outcome, Completed | Skipped | Failed)]
        for outcome in ended:
            match outcome:
                case Completed(insight=insight):
                    self._metrics.insights.labels(SENTIMENTS[insight.analysis.sentiment]).inc()
                    self._metrics.cache_hits.inc(insight.cached)
                case Skipped(reason=reason):
                    self._metrics.prefilter_skips.labels(reason).inc()
                case Failed(reason=reason):
                    self._metrics.conversations_failed.labels(reason).inc()
        self._ended(outcome.job.id for outcome in ended)

    def _cost(self, end: End) -> int:
        return prices.cost_ticks(self._model, _usage(end), self._cost_per_1k)


def _usage(end: End) -> Usage:
    return (end.usage if end is not None else None) or Usage()
