"""The offline analyzer's child process, `python -m llm.offline.child`: what it finds in a text, and how it answers.

A line of JSON for each request, as `analyzer` sends them. It imports nothing of the server, and has 18 MB;
with asyncio and pydantic they were 28.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import fsum
from typing import Any, BinaryIO

from domain.analysis import CONFIDENCE_UNIT, NEUTRAL_BAND, SCORE_UNIT, Analysis
from domain.analysis import sentiment_of as band
from llm.offline import summaries
from llm.offline.sentiment import Sentiment, sentiment
from llm.offline.text import clean, customer_words, ngrams
from llm.offline.topics import find_topics

NICENESS = 10  # intake keeps the CPU
QUOTED = 3
ENCODER = json.JSONEncoder(separators=(",", ":"))


def analyse_text(text: str, topics: Mapping[str, str]) -> Analysis:
    """The analysis of a text or a transcript, by the customer's words; the same for the same text, always.

    `topics` are slugs and their meanings (topics.BUILT_IN, or the operator's own): no other slug comes out.
    """
    cleaned = clean(customer_words(text))
    spoken = ngrams(cleaned)
    felt = sentiment(cleaned, spoken)
    score = round(felt.score * SCORE_UNIT)
    clusters = find_topics(spoken, band(score), topics)
    confidence = round(_confidence(felt) * CONFIDENCE_UNIT)
    reasoning = _reasoning(felt, clusters)
    row = {
        "sentiment_score": score / SCORE_UNIT,
        "clusters": clusters,
        "confidence": confidence / CONFIDENCE_UNIT,
        "reasoning": reasoning,
    }
    raw = ENCODER.encode(row)
    return Analysis(score=score, confidence=confidence, clusters=clusters, reasoning=reasoning, raw=raw)


def _confidence(felt: Sentiment) -> float:
    """From 0.3 to 0.9: less near the edge of a band, less where praise and complaint are mixed.

    In either public set the share that is right is within 0.13 of it from 0.4 upwards, in steps of 0.1.
    """
    praise, complaint = fsum(felt.praise.values()), -fsum(felt.complaint.values())
    mixed = min(praise, complaint) / max(praise, complaint, 1)
    edge = abs(abs(felt.score) - NEUTRAL_BAND / SCORE_UNIT)
    return 0.5 + 0.4 * min(1, edge / 0.6) - 0.2 * mixed


def _reasoning(felt: Sentiment, clusters: Sequence[str]) -> str:
    """What was found: entries of the rules, never the text's own sentences."""
    found = (("Complaint", felt.complaint), ("Praise", felt.praise))
    said = "; ".join(f"{kind}: {_strongest(words)}" for kind, words in found if words)
    return f"{said or 'No word of praise or complaint'}. Keywords of: {', '.join(clusters)}."


def _strongest(words: Mapping[str, float]) -> str:
    return ", ".join(sorted(words, key=lambda word: (-abs(words[word]), word))[:QUOTED])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The child's work: a line of topics, then a line of answers for every line of requests, until the end."""
    topics: dict[str, str] = json.loads(requests.readline())
    analyse_text("", topics)  # loads the lexicon
    for line in requests:
        request = json.loads(line)
        rows = ",".join(_rows(request, topics))
        answers.write(f'{{"id":{request["id"]},"rows":[{rows}]}}\n'.encode())
        answers.flush()


def _rows(request: Mapping[str, Any], topics: Mapping[str, str]) -> Iterator[str]:
    if "summarise" in request:
        yield _guarded(lambda: ENCODER.encode(summaries.summarise(request["summarise"])))
    for text in request.get("texts", ()):
        yield _guarded(partial(_row, text, topics))


def _row(text: str, topics: Mapping[str, str]) -> str:
    return analyse_text(text, topics).raw


def _guarded(work: Callable[[], str]) -> str:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  one text that no rule foresaw must not take its batch with it
        return json.dumps({"error": type(error).__name__})


def main() -> None:
    """Serve whoever started this process. Ctrl-C reaches the whole group, and only the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(1)  # nobody is left to tell, and a flush at exit would complain of it


if __name__ == "__main__":
    main()
