"""What a run prints at its end."""

from collections import Counter
from collections.abc import Mapping
from textwrap import shorten

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.answers import Insight, Status
from client.importing.analysis import AnalysisCounts
from client.importing.delivery import Listing, Tally
from client.importing.summaries import SummaryCounts

SHOWN_ROWS = 50
SHOWN_TOPICS = 10
SHOWN_CHARACTERS = 80


def print_tally(console: Console, tally: Tally, blank: int, *, sends: bool, zone: str) -> None:
    """What was sent, and each row that was not, with its line and the reason. `zone` is what `tally` was read in."""
    counts = {
        "sent" if sends else "would be sent": tally.sent,
        **({"accepted": tally.accepted, "duplicates": tally.duplicates} if sends else {}),
        **({"conflicts": tally.conflicts.count} if sends else {}),
        "rejected rows": tally.rejected.count,
        "blank rows": blank,
    }
    table = Table(*counts, title=None if sends else "Dry run: nothing was sent")
    table.add_row(*(f"{count:,}" for count in counts.values()))
    console.print(table)
    _print_left_out(console, tally)
    if tally.undated:
        console.print(f"dated at intake: {tally.undated:,} (nothing says when they were said)")
    if tally.without_offset:
        console.print(f"times without an offset: {tally.without_offset:,}, read as {zone}", markup=False)
    _print_listing(console, "conflicts (not stored: the id is known with other content)", tally.conflicts)
    _print_listing(console, "rejected", tally.rejected)
    _print_listing(console, "warnings", tally.warnings)
    for name in tally.silent_agents:
        console.print(f"warning: --agent {name}: nobody in the file is that", markup=False, soft_wrap=True)


def _print_left_out(console: Console, tally: Tally) -> None:
    if tally.left_out:
        kinds = (f"{count:,} {_plural(kind, count)}" for kind, count in tally.left_out.most_common())
        console.print(f"left out: {', '.join(kinds)}", markup=False, soft_wrap=True)
    if tally.fields_left_out:
        console.print("fields left out (the service has no place for them):")
        for name, count in tally.fields_left_out.most_common(SHOWN_ROWS):
            console.print(f"  {name}: {count:,} times", markup=False)


def _plural(kind: str, count: int) -> str:
    if count == 1 or kind == "media":
        return kind
    return f"{kind.removesuffix('is')}es" if kind.endswith("is") else f"{kind}s"


def print_analysis(console: Console, analysed: AnalysisCounts, openings: Mapping[str, str]) -> None:
    """What the analysis made of it. `openings` has the text of the examples by conversation id."""
    numbers = Table(title="Analysis")
    for heading in ("status", "sentiment", "topics"):
        numbers.add_column(heading)
    numbers.add_row(*map(_counts, (analysed.statuses, analysed.sentiments, analysed.topics)))
    console.print(numbers)
    for error, count in analysed.errors.most_common(SHOWN_TOPICS):
        console.print(f"{count:,} {error}", markup=False)
    insights = Table("it begins", "sentiment", "score", "sure", "topics", title="Some insights")
    for status in analysed.examples:
        if status.insight is not None:
            insights.add_row(*_example(status, status.insight, openings))
    if insights.row_count:
        console.print(insights)


def print_summaries(console: Console, summaries: SummaryCounts) -> None:
    """What became of the summaries, and a few of them."""
    numbers = Table(title="Summaries")
    for heading in ("status", "sentiment", "outcome"):
        numbers.add_column(heading)
    numbers.add_row(*map(_counts, (summaries.statuses, summaries.sentiments, summaries.outcomes)))
    console.print(numbers)
    for error, count in summaries.errors.most_common(SHOWN_TOPICS):
        console.print(f"{count:,} {error}", markup=False)
    shown = Table("chat", "summary", "sentiment", "outcome", title="Some summaries")
    for each in summaries.examples:
        said = shorten(each.summary, SHOWN_CHARACTERS, placeholder="…")
        shown.add_row(*map(Text, (each.conversation_id, said, each.sentiment, each.outcome)))
    if shown.row_count:
        console.print(shown)


def _print_listing(console: Console, title: str, listing: Listing) -> None:
    if not listing.count:
        return
    console.print(f"{title}:")
    for line, what in sorted(listing.first)[:SHOWN_ROWS]:
        console.print(f"  line {line}: {what}", markup=False, soft_wrap=True)
    if listing.count > SHOWN_ROWS:
        console.print(f"  and {listing.count - SHOWN_ROWS:,} more")


def _counts(counter: Counter[str]) -> Text:
    return Text("\n".join(f"{count:,} {name}" for name, count in (+counter).most_common(SHOWN_TOPICS)))


def _example(status: Status, insight: Insight, openings: Mapping[str, str]) -> tuple[Text, ...]:
    said = openings.get(status.conversation_id) or status.conversation_id
    analysis = insight.grok_analysis
    cells = (
        shorten(said, SHOWN_CHARACTERS, placeholder="…"),
        insight.sentiment,
        "" if analysis.sentiment_score is None else f"{analysis.sentiment_score:+.2f}",
        f"{analysis.confidence:.0%}",
        ", ".join(analysis.clusters),
    )
    return tuple(map(Text, cells))
