"""The metrics' names are a contract."""

import re

from prometheus_client.parser import text_string_to_metric_families

from core.metrics import CONDITIONS, FAILURES, OUTCOMES, PREFILTER_REASONS, Metrics
from llm.error_rules import RULES
from tests.support.product import ROOT

# Name, type and labels, as whoever scrapes relies on them.
CONTRACT = {
    ("grok_calls_total", "counter", ("outcome",)),
    ("grok_call_latency_seconds", "histogram", ()),
    ("analysis_cache_hits_total", "counter", ()),
    ("prefilter_skips_total", "counter", ("reason",)),
    ("estimated_tokens_total", "counter", ("kind",)),
    ("estimated_cost_usd_total", "counter", ()),
    ("processing_queue_depth", "gauge", ()),
    ("oldest_queued_age_seconds", "gauge", ()),
    ("calls_in_flight", "gauge", ()),
    ("batch_size", "gauge", ()),
    ("circuit_state", "gauge", ()),
    ("http_request_duration_seconds", "histogram", ("method", "route", "status")),
    ("replica_lag_seconds", "gauge", ()),
    ("storage_used_bytes", "gauge", ()),
    ("storage_limit_bytes", "gauge", ()),
    ("storage_free_bytes", "gauge", ()),
    ("processing_queue_limit", "gauge", ()),
    ("task_deaths_total", "counter", ("task",)),
    ("jobs_total", "counter", ("status",)),
    ("webhook_tries_total", "counter", ("outcome",)),
    ("webhook_deliveries_pending", "gauge", ()),
    ("webhook_oldest_pending_seconds", "gauge", ()),
    ("webhooks_disabled", "gauge", ()),
    ("batch_lane_open", "gauge", ()),
    ("batch_lane_refused", "gauge", ()),
    ("batch_lane_waiting", "gauge", ()),
    ("batch_lane_batches", "gauge", ()),
    ("batch_lane_requests_pending", "gauge", ()),
    ("batch_lane_requests_late", "gauge", ()),
    ("batch_lane_unchanged_seconds", "gauge", ()),
    ("batch_lane_time_used_ratio", "gauge", ()),
    ("batch_lane_requests_total", "counter", ("outcome",)),
    ("retention_swept_timestamp_seconds", "gauge", ()),
    ("audit_failures_total", "counter", ()),
    ("budget_spent_usd", "gauge", ()),
    ("budget_reserved_usd", "gauge", ()),
    ("budget_limit_usd", "gauge", ()),
    ("analysis_paused", "gauge", ()),
    ("database_up", "gauge", ()),
    ("open_sockets", "gauge", ()),
    ("service_condition", "gauge", ("condition",)),
    ("insights_platform_info", "gauge", ("version",)),
    ("process_virtual_memory_bytes", "gauge", ()),
    ("process_resident_memory_bytes", "gauge", ()),
    ("process_start_time_seconds", "gauge", ()),
    ("process_cpu_seconds_total", "counter", ()),
    ("process_open_fds", "gauge", ()),
    ("process_max_fds", "gauge", ()),
    ("rate_limited_total", "counter", ()),
    ("redactions_total", "counter", ("kind",)),
    ("insights_total", "counter", ("sentiment",)),
    ("conversations_failed_total", "counter", ("reason",)),
    ("summaries_total", "counter", ("outcome",)),
    ("summary_items_total", "counter", ("verified",)),
    ("summary_queue_depth", "gauge", ()),
    ("db_commit_seconds", "histogram", ()),
}


def used() -> Metrics:
    """Metrics of which each has a value."""
    metrics = Metrics()
    metrics.calls.labels("ok").inc()
    metrics.prefilter_skips.labels("thanks").inc()
    metrics.conversations_failed.labels("invalid_row").inc()
    metrics.count_death("jobs")
    metrics.http_request_duration.labels("POST", "/api/v1/conversations", 202).observe(0.004)
    return metrics


def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_metric_has_the_name_type_and_labels_that_were_promised() -> None:
    families = [
        family
        for family in text_string_to_metric_families(used().render().decode())
        if not family.name.endswith("_created")
    ]

    rendered = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            tuple(name for name in family.samples[0].labels if name != "le"),
        )
        for family in families
    }

    assert rendered == CONTRACT
    assert all(family.documentation for family in families)


def test_series_whose_labels_are_known_start_at_zero() -> None:
    fresh = values(Metrics())

    for condition in CONDITIONS:
        assert fresh["service_condition", (("condition", condition),)] == 0
    for outcome in OUTCOMES:
        assert fresh["grok_calls_total", (("outcome", outcome),)] == 0
    for reason in FAILURES:
        assert fresh["conversations_failed_total", (("reason", reason),)] == 0
    for reason in PREFILTER_REASONS:
        assert fresh["prefilter_skips_total", (("reason", reason),)] == 0
    for sentiment in ("positive", "neutral", "negative"):
        assert fresh["insights_total", (("sentiment", sentiment),)] == 0
    for kind in ("prompt", "cached", "completion", "reasoning"):
        assert fresh["estimated_tokens_total", (("kind", kind),)] == 0


def test_every_outcome_that_an_error_can_have_is_known() -> None:
    """An unknown one would begin at 1."""
    assert {rule.outcome for rule in RULES} <= {*OUTCOMES}
    manual = (ROOT / "docs" / "OPERATIONS.md").read_text().partition("| `grok_calls_total{outcome}` |")[2]
    told = {*re.findall(r"`([a-z_]+)`", manual.partition("\n")[0])} - {"grok_calls", "blocked"}

    assert told == {*OUTCOMES}


def test_two_processes_in_one_interpreter_count_apart() -> None:
    one, other = Metrics(), Metrics()

    one.rate_limited.inc()

    assert values(one)["rate_limited_total", ()] == 1
    assert values(other)["rate_limited_total", ()] == 0
