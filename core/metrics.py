"""Every metric of the service. Dashboards and alerts depend on the names."""

import math
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from core.version import VERSION

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Posts take from under a millisecond to 50; `?wait=30` waits for half a minute.
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
# A model takes seconds; the default time-out of a call is 60.
CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
# A disk sync takes from tenths to tens of milliseconds; above a second something is wrong.
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

SENTIMENTS = ("positive", "neutral", "negative", "unsure")
SUMMARY_OUTCOMES = ("written", "failed")
VERIFIED = ("true", "false")
_NO_ANSWER = ("server_error", "timeout", "unreachable", "no_completion", "too_large")
_NO_GOOD_ANSWER = ("malformed", "truncated", "refused", "unfinished", "rejected")
OUTCOMES = (
    *("ok", "rate_limited", *_NO_ANSWER, "cut_off"),
    *("credentials", "credits", "model", "parameter", *_NO_GOOD_ANSWER),
    "given_back",
)
FAILURES = ("invalid_row", *_NO_ANSWER, *_NO_GOOD_ANSWER)
"""Why a conversation is given up: its row, or what every call ended with that it was in."""
PREFILTER_REASONS = ("too_short", "only_links_and_mentions", "thanks")
CONDITIONS = (
    *("database_unavailable", "writes_refused", "storage_full", "worker_restarting", "analysis_paused"),
    *("results_waiting", "budget_spent", "rate_limited", "circuit_open", "key_refused", "credits_used_up"),
    *("model_refused", "no_worker"),
)
"""What `service_condition` is 1 for, and the names of the log lines about it."""
JOB_STATUSES = ("completed", "capped", "failed")
"""How a long job ends by itself."""
LANE_OUTCOMES = ("answered", "failed", "unanswered")
DELIVERY_OUTCOMES = (
    *("delivered", "refused", "gone", "redirected", "timeout", "unreachable", "forbidden_address"),
)
"""How a try to deliver an event ends."""
REDACTED_KINDS = ("email", "phone", "card", "iban", "ip", "custom")
TOKEN_KINDS = ("prompt", "cached", "completion", "reasoning")


class Metrics:
    """The metrics of one process, in a registry of their own. Durations are in seconds."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()

        self.calls = Counter("grok_calls", "Calls to the model, by outcome", ["outcome"], registry=own)
        self.call_latency = Histogram(
            "grok_call_latency_seconds",
            "Duration of a call, from the request to the parsed answer",
            buckets=CALL_SECONDS,
            registry=own,
        )
        self.cache_hits = Counter(
            "analysis_cache_hits",
            "Conversations answered from the cache",
            registry=own,
        )
        self.prefilter_skips = Counter(
            "prefilter_skips", "Conversations skipped by the prefilter, by reason", ["reason"], registry=own
        )
        self.tokens = Counter(
            "estimated_tokens", "Tokens by kind, as the model reports them", ["kind"], registry=own
        )
        self.cost_usd = Counter(
            "estimated_cost_usd", "Dollars, as reported or by the price table", registry=own
        )

        self.queue_depth = Gauge(
            "processing_queue_depth", "Conversations that are queued or processing", registry=own
        )
        self.oldest_queued_age = Gauge(
            "oldest_queued_age_seconds", "Age of the oldest conversation that has not ended", registry=own
        )
        self.calls_in_flight = Gauge("calls_in_flight", "Calls in flight", registry=own)
        self.batch_size = Gauge("batch_size", "Present size of a full batch, in conversations", registry=own)
        self.circuit_state = Gauge("circuit_state", "0 closed, 1 half-open, 2 open", registry=own)

        self._add_summaries(own)
        self._add_edges(own)
        self._add_operation(own)
        self._add_background(own)
        self._start_at_zero()

    def _add_summaries(self, own: CollectorRegistry) -> None:
        """Metrics of summaries."""
        self.summaries = Counter(
            "summaries", "Summaries by outcome: written, failed", ["outcome"], registry=own
        )
        self.summary_items = Counter(
            "summary_items",
            "Items of summaries, by whether their quote was found in its message",
            ["verified"],
            registry=own,
        )
        self.summary_queue_depth = Gauge(
            "summary_queue_depth", "Summaries that are queued or being written", registry=own
        )

    def _add_edges(self, own: CollectorRegistry) -> None:
        """Metrics of HTTP and the database."""
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "Requests by method, route template and status, until the last byte of the answer",
            ["method", "route", "status"],
            buckets=REQUEST_SECONDS,
            registry=own,
        )
        self.rate_limited = Counter(
            "rate_limited", "Requests answered 429 by the inbound limit", registry=own
        )
        self.insights = Counter("insights", "Insights stored, by sentiment", ["sentiment"], registry=own)
        self.conversations_failed = Counter(
            "conversations_failed", "Failed conversations, by reason", ["reason"], registry=own
        )
        self.redactions = Counter(
            "redactions", "Personal data that was found in what was stored, by kind", ["kind"], registry=own
        )
        self.replica_lag = Gauge(
            "replica_lag_seconds",
            "By how much the read replica is behind; NaN without one, or while it does not answer",
            registry=own,
        )
        self.replica_lag.set(math.nan)
        self.db_commit = Histogram(
            "db_commit_seconds",
            "Duration of a commit, as its caller sees it",
            buckets=COMMIT_SECONDS,
            registry=own,
        )

    def _add_operation(self, own: CollectorRegistry) -> None:
        """Metrics for whoever runs the service: room, money, what is wrong, the process itself."""

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(name, meaning, registry=own)

        self.queue_limit = gauge("processing_queue_limit", "MAX_QUEUE_DEPTH, at which intake stops")
        self.storage_used = gauge("storage_used_bytes", "Used pages of the database and its WAL")
        self.storage_limit = gauge("storage_limit_bytes", "MAX_STORAGE_GB, at which intake stops")
        self.storage_free = gauge("storage_free_bytes", "Bytes that fit in before intake stops")
        self.budget_spent = gauge("budget_spent_usd", "Dollars spent on the present UTC day")
        self.budget_reserved = gauge(
            "budget_reserved_usd", "Dollars reserved for calls that have not settled"
        )
        self.budget_limit = gauge("budget_limit_usd", "DAILY_BUDGET_USD; +Inf if there is no limit")
        self.paused = gauge("analysis_paused", "1 while an operator pauses analysis")
        self.database_up = gauge("database_up", "1 if the database answered when it was last asked")
        self.open_sockets = gauge("open_sockets", "WebSocket connections that are open")
        self.conditions = Gauge(
            "service_condition",
            "1 while it lasts; /health gives the reason, and the log says when it began",
            ["condition"],
            registry=own,
        )
        self.info = Info("insights_platform", "The version of the service", registry=own)
        self.info.info({"version": VERSION})
        ProcessCollector(registry=own)

    def _add_background(self, own: CollectorRegistry) -> None:
        """Metrics of what works beside the requests."""
        self.task_deaths = Counter(
            "task_deaths", "Background tasks that died and were started again", ["task"], registry=own
        )
        self.jobs = Counter("jobs", "Long jobs that ended by themselves, by status", ["status"], registry=own)
        self.retention_swept = Gauge(
            "retention_swept_timestamp_seconds",
            "When retention had last deleted all that is too old, or the start; 0 without RETENTION_DAYS",
            registry=own,
        )
        self.webhook_tries = Counter(
            "webhook_tries", "Tries to deliver an event to a webhook, by outcome", ["outcome"], registry=own
        )
        self.webhooks_pending = Gauge(
            "webhook_deliveries_pending", "Events that wait for a webhook that is enabled", registry=own
        )
        self.webhooks_oldest = Gauge(
            "webhook_oldest_pending_seconds", "Age of the oldest of them", registry=own
        )
        self.webhooks_disabled = Gauge(
            "webhooks_disabled",
            "Webhooks that the service has disabled, because their receivers take nothing",
            registry=own,
        )
        self.audit_failures = Counter(
            "audit_failures", "Entries of the audit log that could not be written", registry=own
        )
        self._add_lane(own)

    def _add_lane(self, own: CollectorRegistry) -> None:
        """Metrics of batches at the provider."""

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"batch_lane_{name}", meaning, registry=own)

        self.lane_open = gauge("open", "1 while batches at xAI are begun")
        self.lane_refused = gauge("refused", "1 for an hour after xAI has refused batches as such")
        self.lane_waiting = gauge("waiting", "Conversations that wait for a batch at xAI")
        self.lane_batches = gauge("batches", "Batches at xAI that are not over")
        self.lane_pending = gauge("requests_pending", "Their requests that are not answered")
        self.lane_late = gauge("requests_late", "Requests whose conversations went live before the answer")
        self.lane_unchanged = gauge("unchanged_seconds", "For how long a batch stands still, at most")
        self.lane_time_used = gauge("time_used_ratio", "The part of its time a batch has used, at most")
        self.lane_requests = Counter(
            "batch_lane_requests",
            "Requests of batches at xAI that have ended, by outcome",
            ["outcome"],
            registry=own,
        )

    def count_redactions(self, counts: Mapping[str, int]) -> None:
        """Count personal data that was found, by kind."""
        for kind, found in counts.items():
            self.redactions.labels(kind).inc(found)

    def count_death(self, task: str) -> None:
        """Count a background task that has died."""
        self.task_deaths.labels(task).inc()

    def count_delivery(self, outcome: str) -> None:
        """Count a try to deliver an event."""
        self.webhook_tries.labels(outcome).inc()

    def show_webhooks(self, pending: int, oldest_seconds: float, disabled: int) -> None:
        """Show what waits for webhooks."""
        self.webhooks_pending.set(pending)
        self.webhooks_oldest.set(oldest_seconds)
        self.webhooks_disabled.set(disabled)

    def show_whether_lane_is_open(self, is_open: bool, *, is_refused: bool) -> None:
        """Show whether batches at the provider are begun, and whether it has refused them."""
        self.lane_open.set(is_open)
        self.lane_refused.set(is_refused)

    def show_lane_progress(self, unchanged_seconds: float, time_used: float, late: int) -> None:
        """Show how batches at the provider get on."""
        self.lane_unchanged.set(unchanged_seconds)
        self.lane_time_used.set(time_used)
        self.lane_late.set(late)

    def show_lane(self, waiting: int, batches: int, pending: int) -> None:
        """Show what there is in the lane of batches at the provider."""
        self.lane_waiting.set(waiting)
        self.lane_batches.set(batches)
        self.lane_pending.set(pending)

    def show_conditions(self, present: Iterable[str]) -> None:
        """Show which of CONDITIONS last at present."""
        names = set(present)
        for name in CONDITIONS:
            self.conditions.labels(name).set(name in names)

    def _start_at_zero(self) -> None:
        # A series that begins at 1 hides its first event from rate().
        known: dict[Counter, Iterable[str]] = {
            self.insights: SENTIMENTS,
            self.tokens: TOKEN_KINDS,
            self.calls: OUTCOMES,
            self.conversations_failed: FAILURES,
            self.prefilter_skips: PREFILTER_REASONS,
            self.redactions: REDACTED_KINDS,
            self.jobs: JOB_STATUSES,
            self.webhook_tries: DELIVERY_OUTCOMES,
            self.lane_requests: LANE_OUTCOMES,
            self.summaries: SUMMARY_OUTCOMES,
            self.summary_items: VERIFIED,
        }
        for counter, labels in known.items():
            for label in labels:
                counter.labels(label)
        self.show_conditions(())

    def render(self) -> bytes:
        """The metrics in the text format of Prometheus; its media type is CONTENT_TYPE."""
        return generate_latest(self.registry)
