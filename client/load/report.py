"""What a run prints at its end: the same numbers as a table, as plain lines, or as JSON."""

import json
import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from client.load.posting import Tally
from client.load.snapshot import CACHE_HITS, CALLS, COST, FAILED, INSIGHTS, SKIPS, TOKENS, Snapshot

Section = dict[str, object]
Report = dict[str, Section]
PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
OFFLINE = "offline"


def intake(tally: Tally) -> Section:
    """What the service took in, and how fast. Rates are None where nothing was."""
    return {
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "given_up": tally.given_up,
        "refused": dict(sorted(tally.refused.items())),
        "errors": dict(tally.errors.most_common()),
        "seconds": round(tally.seconds, 3),
        "accepted_per_second": _ratio(tally.accepted, tally.seconds, 1),
        "latency_ms": percentiles(tally.latencies),
    }


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Milliseconds that so many percent of the requests did not exceed: nearest rank, so each was measured."""
    ordered = sorted(latencies)
    ranks = {name: math.ceil(percent * len(ordered) / 100) for name, percent in PERCENTILES.items()}
    return {name: round(ordered[rank - 1] * 1000, 2) for name, rank in ranks.items() if ordered}


def drain(tally: Tally, queued_before: int, drained_after: float | None) -> Section:
    """How long the queue took; `drained_after` is in seconds from the first request, None if it was not seen."""
    after = None if drained_after is None else round(max(0.0, drained_after - tally.seconds), 1)
    return {
        "queued_before": queued_before,
        "seconds_after_last_post": after,
        "conversations_per_second": _ratio(tally.accepted, drained_after or 0, 1),
    }


def analysis(before: Snapshot, after: Snapshot) -> Section:
    """What the analysis did between two moments, and what that cost; None where nothing is paid for."""
    calls, tokens, insights, skips, failed = (
        {label: round(value) for label, value in after.since(before, metric).items()}
        for metric in (CALLS, TOKENS, INSIGHTS, SKIPS, FAILED)
    )
    hits = round(sum(after.since(before, CACHE_HITS).values()))
    ended = sum((*insights.values(), *skips.values(), *failed.values()))
    paid = after.health.analyzer != OFFLINE
    dollars = sum(after.since(before, COST).values())
    return {
        "analyzer": after.health.analyzer,
        "model": after.health.model,
        "degraded_because": after.health.reasons,
        "restarted_meanwhile": after.restarted_since(before),
        "insights": insights,
        "failed": failed,
        "prefilter_skips": skips,
        "cache_hits": hits,
        "grok_calls": calls,
        "conversations_per_call": _ratio(sum(insights.values()) - hits, sum(calls.values()), 1),
        "tokens": tokens,
        "dollars": round(dollars, 4) if paid else None,
        "dollars_per_1000_conversations": _ratio(1000 * dollars, ended, 4) if paid else None,
    }


def _ratio(part: float, whole: float, digits: int) -> float | None:
    return round(part / whole, digits) if whole else None


def write(report: Report, console: Console, *, as_json: bool) -> None:
    """JSON, or a table on a terminal, or lines of name and value anywhere else."""
    if as_json:
        _line(console, json.dumps(report, indent=2))
    elif console.is_terminal:
        console.print(_table(report))
    else:
        for title, section in report.items():
            _line(console, title)
            for name, value in section.items():
                _line(console, f"  {_words(name):<32}{_shown(value)}")


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table("", "", show_header=False)
    for title, section in report.items():
        table.add_row(f"[bold]{title}[/bold]", "")
        for name, value in section.items():
            table.add_row(f"  {_words(name)}", _shown(value))
        table.add_section()
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return "n/a" if value is None else str(value)
