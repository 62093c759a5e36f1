"""Counts what became of conversations and summaries, and tells those who wait for them."""

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from core.metrics import Metrics
from domain.analysis import SENTIMENT_NAMES, Usage
from domain.jobs import Failed, Requeued
from llm.prices import TICKS_PER_USD
from store.queue import summaries
from store.queue.analysis import Completed, Outcome, Skipped

log = structlog.get_logger()


class Accounting:
    """Metrics of what the processors do.

    `ended` is told the ids of conversations that have ended, `summarised` the ids of those whose summary was
    written or given up.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        ended: Callable[[Iterable[str]], None],
        summarised: Callable[[Iterable[str]], None],
    ) -> None:
        self._metrics = metrics
        self._ended = ended
        self._summarised = summarised

    def of_reanalyses(self) -> "Accounting":
        """The same metrics for what is analysed again, for which nobody waits."""
        return Accounting(self._metrics, ended=lambda _: None, summarised=lambda _: None)

    def call_ended(self, usage: Usage, cost: int) -> None:
        """Count a call's tokens and its cost in ticks."""
        for kind in ("prompt", "cached", "completion", "reasoning"):
            self._metrics.tokens.labels(kind).inc(getattr(usage, f"{kind}_tokens"))
        self._metrics.cost_usd.inc(cost / TICKS_PER_USD)

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """Count what ended, and tell whoever waits for it."""
        ended = [outcome for outcome in outcomes if isinstance(outcome, Completed | Skipped | Failed)]
        for outcome in ended:
            match outcome:
                case Completed(insight=insight):
                    self._metrics.insights.labels(SENTIMENT_NAMES[insight.analysis.sentiment]).inc()
                    self._metrics.cache_hits.inc(insight.cached)
                case Skipped(reason=reason):
                    self._metrics.prefilter_skips.labels(reason).inc()
                case Failed(reason=reason):
                    log.warning("conversation_failed", **_why(outcome))
                    self._metrics.conversations_failed.labels(reason).inc()
        self._ended(outcome.job.id for outcome in ended)

    def job_ended(self, status: str) -> None:
        """Count a long job that has ended by itself."""
        self._metrics.jobs.labels(status).inc()

    def delivery_tried(self, outcome: str) -> None:
        """Count a try to deliver an event to a webhook."""
        self._metrics.count_delivery(outcome)

    def batched_requests_ended(self, outcome: str, number: int = 1) -> None:
        """Count requests of batches at the provider: `answered`, `failed` or `unanswered`."""
        self._metrics.lane_requests.labels(outcome).inc(number)

    def summary_settled(self, outcome: summaries.Outcome) -> None:
        """Count a summary that ended, and tell whoever waits for it."""
        match outcome:
            case summaries.Written(part=part):
                self._metrics.summaries.labels("written").inc()
                for item in part.summary.items:
                    self._metrics.summary_items.labels(str(item.verified).lower()).inc()
            case Failed():
                log.warning("summary_failed", **_why(outcome))
                self._metrics.summaries.labels("failed").inc()
            case Requeued():
                return
        self._summarised([outcome.job.id])


def _why(failed: Failed[Any]) -> dict[str, object]:
    """What the log says of a job that is given up; `error` holds no text of a conversation."""
    return {
        "conversation": failed.job.id,
        "reason": failed.reason,
        "error": failed.error,
        "failures": failed.failures,
    }
