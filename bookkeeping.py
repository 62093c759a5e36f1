"""What became of conversations, counted: metrics, the day's savings, and who waits for an ending is told."""

from collections.abc import Callable, Iterable

from analysis import Usage
from metrics import Metrics
from prices import TICKS_PER_USD
from store.queue import Completed, Failed, Outcome, Skipped

SENTIMENTS = {1: "positive", 0: "neutral", -1: "negative"}


class Bookkeeping:
    """Counts what the processor does. `ended` is told the ids of conversations that need nothing more."""

    def __init__(self, metrics: Metrics, *, ended: Callable[[Iterable[str]], None]) -> None:
        self._metrics = metrics
        self._ended = ended

    def call_ended(self, usage: Usage, cost: int) -> None:
        """Count a call's tokens and its cost in ticks."""
        for kind in ("prompt", "cached", "completion", "reasoning"):
            self._metrics.tokens.labels(kind).inc(getattr(usage, f"{kind}_tokens"))
        self._metrics.cost_usd.inc(cost / TICKS_PER_USD)

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
