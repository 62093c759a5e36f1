"""The content of the Grafana board: what each panel shows, and in which unit."""

from deploy.grafana.batches import BATCHES
from deploy.grafana.panels import FROM, Kind, Panel, Row, only, quantile, quantiles, rate

HTTP = "http_request_duration_seconds"
POSTS = only(method="POST", route="/api/v1/conversations|/api/v1/conversations/bulk|/chats")
EACH = "$__rate_interval"

NOW = Row(
    "Now",
    [
        Panel(
            "Processes",
            "Processes that Prometheus reaches.",
            "short",
            {"": f"sum(up{FROM})"},
            Kind.STAT,
            limit=1,
            more_is_better=True,
        ),
        Panel(
            "Waiting",
            "Conversations that have not ended.",
            "short",
            {"": f"max(processing_queue_depth{FROM})"},
            Kind.STAT,
        ),
        Panel(
            "Longest wait",
            "The age of the oldest conversation in the queue. Above 15 minutes the alert QueueWaits fires.",
            "s",
            {"": f"max(oldest_queued_age_seconds{FROM})"},
            Kind.STAT,
            limit=900,
        ),
        Panel(
            "Budget used",
            "The part of today's budget that is spent or reserved. 0 without a budget.",
            "percentunit",
            {"": f"max((budget_spent_usd{FROM} + budget_reserved_usd{FROM}) / budget_limit_usd{FROM})"},
            Kind.STAT,
            limit=0.8,
        ),
        Panel(
            "Room left",
            "The part of the room that is left before intake stops. Below a tenth StorageNearlyFull fires.",
            "percentunit",
            {"": f"min(storage_free_bytes{FROM} / (storage_free_bytes{FROM} + storage_used_bytes{FROM}))"},
            Kind.STAT,
            limit=0.1,
            more_is_better=True,
        ),
        Panel(
            "Server errors",
            "The part of all answers that are 5xx. Above a hundredth the alert ServerErrors fires.",
            "percentunit",
            {
                "": f"(sum(rate({HTTP}_count{only(status='5..')}[{EACH}])) or vector(0))"
                f" / sum(rate({HTTP}_count{FROM}[{EACH}]))"
            },
            Kind.STAT,
            limit=0.01,
        ),
        Panel(
            "Conditions",
            "What keeps the service from its work, from when to when. /health has the reasons in words.",
            "short",
            {"{{condition}}": f"max by (condition) (service_condition{FROM})"},
            Kind.STATES,
            limit=1,
            meanings={0: "no", 1: "lasts"},
        ),
    ],
)

REQUESTS = Row(
    "Requests",
    [
        Panel(
            "Answers by status",
            "Requests a second, by the status of their answers.",
            "reqps",
            {"{{status}}": rate(f"{HTTP}_count", "status")},
        ),
        Panel(
            "Posts",
            "How long it takes until a post is on disk and answered.",
            "s",
            quantiles(HTTP, 50, 95, 99, chosen=POSTS),
        ),
        Panel(
            "Slowest reads",
            "The 99th percentile of the ten slowest routes, calls that may wait (?wait=) and exports included.",
            "s",
            {"{{route}}": f"topk(10, {quantile(HTTP, 99, 'route, le', only(method='GET'))})"},
        ),
        Panel(
            "Refused requests",
            "Requests a second above the inbound limits, and without a good key or the right role (401, 403).",
            "reqps",
            {
                "limited": f"sum(rate(rate_limited_total{FROM}[{EACH}]))",
                "{{status}}": rate(f"{HTTP}_count", "status", only(status="401|403")),
            },
        ),
        Panel(
            "Sockets",
            "WebSocket connections that are open.",
            "short",
            {"{{instance}}": f"open_sockets{FROM}"},
        ),
        Panel(
            "Personal data found",
            "What redaction found in what was stored, a second, by kind.",
            "ops",
            {"{{kind}}": rate("redactions_total", "kind")},
        ),
    ],
)

ANALYSIS = Row(
    "Analysis",
    [
        Panel(
            "Queue",
            "Conversations and summaries that have not ended, and how many conversations may wait.",
            "short",
            {
                "conversations": f"max(processing_queue_depth{FROM})",
                "summaries": f"max(summary_queue_depth{FROM})",
                "limit": f"max(processing_queue_limit{FROM})",
            },
        ),
        Panel(
            "Insights",
            "Insights stored a second, by sentiment.",
            "ops",
            {"{{sentiment}}": rate("insights_total", "sentiment")},
        ),
        Panel(
            "Given up",
            "Conversations that were given up a second, by reason; summaries and jobs that failed.",
            "ops",
            {
                "{{reason}}": rate("conversations_failed_total", "reason"),
                "summaries": rate("summaries_total", "outcome", only(outcome="failed")),
                "jobs": rate("jobs_total", "status", only(status="failed")),
            },
        ),
        Panel(
            "Calls",
            "Calls to the provider: in flight, and ended a second.",
            "short",
            {
                "in flight": f"sum(calls_in_flight{FROM})",
                "a second": f"sum(rate(grok_calls_total{FROM}[{EACH}]))",
            },
        ),
        Panel(
            "Calls by outcome",
            "Calls a second, by how they ended. OPERATIONS.md says what each outcome means.",
            "ops",
            {"{{outcome}}": rate("grok_calls_total", "outcome")},
        ),
        Panel(
            "Duration of calls",
            "From the request's first byte to the parsed answer.",
            "s",
            quantiles("grok_call_latency_seconds", 50, 90, 99),
        ),
        Panel(
            "Batch size",
            "Conversations that a full batch takes at present. It is halved after a fault of the batch.",
            "short",
            {"{{instance}}": f"batch_size{FROM}"},
        ),
        Panel(
            "Answered without a call",
            "Conversations a second that were answered from the cache, or skipped by the prefilter.",
            "ops",
            {
                "cache": f"sum(rate(analysis_cache_hits_total{FROM}[{EACH}]))",
                "{{reason}}": rate("prefilter_skips_total", "reason"),
            },
        ),
        Panel(
            "Summaries",
            "Summaries a second, by how they ended, and their items by whether the quote is in the message.",
            "ops",
            {
                "{{outcome}}": rate("summaries_total", "outcome"),
                "quote found: {{verified}}": rate("summary_items_total", "verified"),
            },
        ),
        Panel(
            "Circuit and pause",
            "Whether calls may leave: 0 closed, 1 half-open, 2 open. Whether an operator has paused analysis.",
            "short",
            {"circuit": f"max(circuit_state{FROM})", "paused": f"max(analysis_paused{FROM})"},
        ),
        Panel(
            "Jobs",
            "Jobs that ended by themselves in the last hour, by status.",
            "short",
            {"{{status}}": f"sum by (status) (increase(jobs_total{FROM}[1h]))"},
        ),
    ],
)

MONEY_AND_ROOM = Row(
    "Money and room",
    [
        Panel(
            "Budget",
            "Dollars of the present UTC day.",
            "currencyUSD",
            {
                "spent": f"max(budget_spent_usd{FROM})",
                "reserved": f"max(budget_reserved_usd{FROM})",
                "limit": f"max(budget_limit_usd{FROM})",
            },
        ),
        Panel(
            "Cost of the last hour",
            "Dollars, as reported by the provider or by the price table.",
            "currencyUSD",
            {"{{instance}}": f"sum by (instance) (increase(estimated_cost_usd_total{FROM}[1h]))"},
        ),
        Panel(
            "Tokens",
            "Tokens a second, by kind. Cached ones are part of the prompt.",
            "short",
            {"{{kind}}": rate("estimated_tokens_total", "kind")},
        ),
        Panel(
            "Room",
            "What is stored, what still fits in before intake stops, and MAX_STORAGE_GB.",
            "decbytes",
            {
                "used": f"max(storage_used_bytes{FROM})",
                "free": f"min(storage_free_bytes{FROM})",
                "limit": f"max(storage_limit_bytes{FROM})",
            },
        ),
        Panel(
            "Since the last sweep of retention",
            "With RETENTION_DAYS a sweep ends every minute, unless it has much to delete. Empty without it.",
            "s",
            {"{{instance}}": f"time() - (retention_swept_timestamp_seconds{FROM} > 0)"},
        ),
    ],
)

PROCESS = Row(
    "Process",
    [
        Panel(
            "CPU",
            "Seconds of CPU a second. The event loop has one CPU; near 1 it has no time left.",
            "short",
            {"{{instance}}": f"rate(process_cpu_seconds_total{FROM}[{EACH}])"},
        ),
        Panel(
            "Memory", "Resident memory.", "bytes", {"{{instance}}": f"process_resident_memory_bytes{FROM}"}
        ),
        Panel(
            "Open files",
            "Open files and connections, and how many there may be.",
            "short",
            {"{{instance}}": f"process_open_fds{FROM}", "limit of {{instance}}": f"process_max_fds{FROM}"},
        ),
        Panel(
            "Commits",
            "How long a commit takes. On SQLite this is the sync of the disk.",
            "s",
            quantiles("db_commit_seconds", 50, 99),
        ),
        Panel(
            "Tasks that died",
            "Background tasks that died in the last hour, and entries of the audit log that were not written.",
            "short",
            {
                "{{task}}": f"sum by (task) (increase(task_deaths_total{FROM}[1h]))",
                "audit entries": f"sum(increase(audit_failures_total{FROM}[1h]))",
            },
        ),
        Panel(
            "Starts",
            "Starts of each process in the last hour, and how many processes run which version.",
            "short",
            {
                "{{instance}}": f"changes(process_start_time_seconds{FROM}[1h])",
                "{{version}}": f"count by (version) (insights_platform_info{FROM})",
            },
        ),
    ],
)

ROWS = (NOW, REQUESTS, ANALYSIS, BATCHES, MONEY_AND_ROOM, PROCESS)
