"""How well the offline analyzer reads public sets (not shipped): `python benchmarks/offline_quality.py`.

Prints macro-recall over the service's three bands (always answering "negative" would have 0.333), what was taken for
what, how often each step of confidence is right, how often the clusters name the reason of an airline complaint, how
many words summaries share with those that people picked, and one core's speed beside bare VADER in the same run.

Rules may be chosen on the rows with an even number (from 0), never on the odd ones: those say what the rules are worth.
"""

import argparse
import csv
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from domain.analysis import CONFIDENCE_UNIT, Analysis  # noqa: E402  found by the line above, wherever this is started
from domain.topics import BUILT_IN  # noqa: E402  the same
from llm.offline.child import analyse_text  # noqa: E402  the same
from llm.offline.summaries import summarise  # noqa: E402  the same

DATA = ROOT.parent / "shared" / "data"
AIRLINE = "airline_half.csv"
TWEETEVAL = "tweeteval_val_text.txt", "tweeteval_val_labels.txt"
DIALOGS = "support_dialogs_300.jsonl"

NOT_WORDS = re.compile(r"https?://\S+|@\w+|^(?:Customer|Agent):", re.MULTILINE)
BANDS = {"negative": -1, "neutral": 0, "positive": 1}
CLUSTER_OF_REASON = {
    "Customer Service Issue": "customer_service",
    "Late Flight": "delay",
    "Cancelled Flight": "cancellation",
    "Lost Luggage": "lost_or_damaged_item",
    "Damaged Luggage": "lost_or_damaged_item",
    "Bad Flight": "product_quality",
    "Flight Booking Problems": "booking",
    "Flight Attendant Complaints": "staff_behaviour",
    "longlines": "waiting_time",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, the band that people gave it (-1, 0, 1), and the reason of a complaint where there is one."""

    text: str
    band: int
    reason: str = ""


def airline(folder: Path) -> list[Labelled]:
    """The airline set of `folder`. Raises FileNotFoundError where it is not there, as the next two do."""
    with (folder / AIRLINE).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [Labelled(row["text"], BANDS[row["sentiment"]], row["negative_reason"]) for row in rows]


def tweeteval(folder: Path) -> list[Labelled]:
    """TweetEval's validation split; its labels count from 0, negative."""
    texts, labels = ((folder / name).read_text(encoding="utf-8").split("\n") for name in TWEETEVAL)
    return [Labelled(text, int(label) - 1) for text, label in zip(texts, labels, strict=False) if label]


def dialogs(folder: Path) -> list[dict[str, Any]]:
    """The support dialogs: `messages` with `role` and `text`, and the sentences that people picked of them."""
    lines = (folder / DIALOGS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def summary_of(dialog: Mapping[str, Any]) -> str:
    """The text of the offline summary of a dialog."""
    messages = [{"position": at, **message} for at, message in enumerate(dialog["messages"], 1)]
    return str(summarise({"messages": messages})["summary"])


def overlap(text: str, reference: str) -> float:
    """ROUGE-1: the F measure of the words that two texts share, links, mentions and who speaks aside."""
    ours, theirs = _words(text), _words(reference)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", NOT_WORDS.sub(" ", text).lower()))


def _transcript(messages: Iterable[dict[str, str]]) -> str:
    roles = {"customer": "customer", "support_agent": "agent"}
    return "\n".join(f"{roles[message['role']]}: {message['text']}" for message in messages)


def recalls(rows: Sequence[Labelled], found: Sequence[Analysis]) -> dict[str, float]:
    """The share of each band that was recognised, and their mean as `macro`."""
    total = Counter(row.band for row in rows)
    right = Counter(
        row.band for row, analysis in zip(rows, found, strict=True) if row.band == analysis.sentiment
    )
    by_band = {name: right[band] / total[band] for name, band in BANDS.items()}
    return {"macro": sum(by_band.values()) / len(by_band), **by_band}


def confusion(rows: Sequence[Labelled], found: Sequence[Analysis]) -> dict[str, dict[str, int]]:
    """How many texts of each band were taken for each band."""
    counts = Counter((row.band, analysis.sentiment) for row, analysis in zip(rows, found, strict=True))
    return {
        name: {told: counts[band, other] for told, other in BANDS.items()} for name, band in BANDS.items()
    }


def calibration(rows: Sequence[Labelled], found: Sequence[Analysis]) -> dict[float, tuple[int, float, float]]:
    """For each step of 0.1 of confidence that occurs: the texts, their mean confidence, the share that is right."""
    steps: dict[float, list[tuple[float, bool]]] = {}
    for row, analysis in zip(rows, found, strict=True):
        step = analysis.confidence * 10 // CONFIDENCE_UNIT / 10
        right = row.band == analysis.sentiment
        steps.setdefault(step, []).append((analysis.confidence / CONFIDENCE_UNIT, right))
    return {
        step: (len(pairs), *(sum(column) / len(pairs) for column in zip(*pairs, strict=True)))
        for step, pairs in sorted(steps.items())
    }


def hit_rates(rows: Sequence[Labelled], found: Sequence[Analysis], *, first: bool) -> dict[str, float]:
    """The share of complaints whose clusters name their reason, or the `first` of them, over `all` and by reason."""
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row, analysis in zip(rows, found, strict=True):
        cluster = CLUSTER_OF_REASON.get(row.reason)
        if cluster:
            total.update(("all", row.reason))
            right.update(("all", row.reason) if cluster in analysis.clusters[: 1 if first else None] else ())
    return {reason: right[reason] / count for reason, count in total.most_common()}


def mean_clusters(found: Sequence[Analysis]) -> float:
    """Clusters per text."""
    return sum(len(analysis.clusters) for analysis in found) / len(found)


def analysed(texts: Iterable[str]) -> list[Analysis]:
    """Each text as the service's offline analyzer sees it."""
    return [analyse_text(text, BUILT_IN) for text in texts]


def speeds(texts: Sequence[str], slices: int = 20) -> tuple[float, float]:
    """Texts a second on one core: the offline analyzer's and bare VADER's, slice by slice in turn."""
    vader = SentimentIntensityAnalyzer()
    analyse_text("", BUILT_IN)
    ours = theirs = 0.0
    for start in range(slices):
        part = texts[start::slices]
        ours += _seconds(lambda text: analyse_text(text, BUILT_IN), part)
        theirs += _seconds(vader.polarity_scores, part)
    return len(texts) / ours, len(texts) / theirs


def _seconds(work: Callable[[str], object], texts: Iterable[str]) -> float:
    start = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - start


def report(folder: Path, console: Console) -> None:
    """Print what the files of `folder` allow to measure, and name those that are not there."""
    for name, show in (
        ("Airline tweets", _airline),
        ("TweetEval", _tweeteval),
        ("Support dialogs", _dialogs),
    ):
        try:
            show(folder, console)
        except FileNotFoundError as error:
            console.print(f"{name}: skipped, {error.filename} not found", soft_wrap=True)


def _airline(folder: Path, console: Console) -> None:
    rows = airline(folder)
    found = analysed(row.text for row in rows)
    show_sentiment(AIRLINE, rows, found, console)
    _show("Complaints whose clusters name the reason", hit_rates(rows, found, first=False), console)
    _show("Complaints whose first cluster is the reason", hit_rates(rows, found, first=True), console)
    of_reason = [one for row, one in zip(rows, found, strict=True) if row.reason in CLUSTER_OF_REASON]
    console.print(f"{mean_clusters(of_reason):.3f} clusters a complaint")
    _show_speed([row.text for row in rows], found, console)


def _tweeteval(folder: Path, console: Console) -> None:
    rows = tweeteval(folder)
    found = analysed(row.text for row in rows)
    show_sentiment(TWEETEVAL[0], rows, found, console)


def show_sentiment(name: str, rows: Sequence[Labelled], found: Sequence[Analysis], console: Console) -> None:
    """Print recalls, what was taken for what, and confidence."""
    for which, part in (
        ("all", slice(None)),
        ("even rows", slice(0, None, 2)),
        ("odd rows", slice(1, None, 2)),
    ):
        title = f"{name}, {which}, {len(rows[part]):,} texts: recall"
        _show(title, recalls(rows[part], found[part]), console)
    table = Table("taken for", *BANDS, title="Confusion")
    for band, counts in confusion(rows, found).items():
        table.add_row(band, *map(str, counts.values()))
    console.print(table)
    table = Table("from", "texts", "confidence", "right", title="Confidence")
    for step, (texts, claimed, right) in calibration(rows, found).items():
        table.add_row(f"{step:.1f}", f"{texts:,}", f"{claimed:.2f}", f"{right:.2f}")
    console.print(table)


def _dialogs(folder: Path, console: Console) -> None:
    chats = dialogs(folder)
    texts = [_transcript(chat["messages"]) for chat in chats]
    found = analysed(texts)
    bands = Counter(analysis.sentiment for analysis in found)
    shares = {name: bands[band] / len(texts) for name, band in BANDS.items()}
    _show(f"{DIALOGS}, {len(texts):,} transcripts (no labels): share", shares, console)
    shared = [overlap(summary_of(chat), chat["extractive_summary"]) for chat in chats]
    console.print(
        f"Summaries: {sum(shared) / len(shared):.3f} of words shared with what people picked (ROUGE-1, F)"
    )
    _show_speed(texts, found, console)


def _show(title: str, figures: dict[str, float], console: Console) -> None:
    table = Table(show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    console.print(title)
    console.print(table)


def _show_speed(texts: Sequence[str], found: Sequence[Analysis], console: Console) -> None:
    ours, theirs = speeds(texts)
    console.print(f"{mean_clusters(found):.2f} clusters a text")
    console.print(f"{ours:,.0f} texts/s on one core, bare VADER {theirs:,.0f}: ratio {ours / theirs:.2f}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Quality and speed of the offline analyzer")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the public sets (default: %(default)s)"
    )
    report(parser.parse_args().data, Console(highlight=False))


if __name__ == "__main__":
    main()
