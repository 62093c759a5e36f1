"""The offline analyzer: who answers in Grok's place where there is no key.

Analysing is arithmetic, and arithmetic on the event loop or in a thread of it costs intake a third of its
throughput. So it is done in one child process, `python -m offline_analyzer`, which reads requests and writes
answers as lines of JSON. The end of its input ends it: it cannot outlive its parent, however that one dies.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import fsum
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import offline_summaries
import summary_answers
from analysis import (
    CONFIDENCE_UNIT,
    NEUTRAL_BAND,
    SCORE_UNIT,
    Analysis,
    ProviderFault,
    Reply,
    Usage,
    validate_row,
)
from analysis import sentiment_of as band
from offline_sentiment import Sentiment, sentiment
from offline_text import clean, customer_words, ngrams
from offline_topics import find_topics
from streaming import Heard
from summaries import Material, Summarised

MODEL = "vader-1"  # part of the cache's key: count up when the rules change
SUMMARY_MODEL = "luhn-1"  # the same for summaries

CHILD = (sys.executable, "-m", Path(__file__).stem)
NICENESS = 10  # intake keeps the CPU
SECONDS_TO_END = 0.5
LONGEST_ANSWER = 2**23  # bytes; 256 rows need under 2**20, and asyncio's own limit is 2**16
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


@dataclass(frozen=True, slots=True)
class _Child:
    process: asyncio.subprocess.Process
    requests: asyncio.StreamWriter
    answers: asyncio.StreamReader


class OfflineAnalyzer:
    """`analysis.Analyzer` without a network: `async with OfflineAnalyzer(topics) as analyzer`.

    Entering starts the child process and raises ProviderFault where it does not come up; leaving ends it.
    """

    name = "offline"
    model = MODEL
    fixed_tokens = 0
    summary_version = SUMMARY_MODEL

    def __init__(
        self, topics: Mapping[str, str], *, timeout_seconds: float = 60, command: Sequence[str] = CHILD
    ) -> None:
        self.prompt_version = ",".join(topics)
        self._topics = topics
        self._command = command
        self._timeout = timeout_seconds
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._asked = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        try:
            await self.analyse([], _no_pace)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        await self._end(patience=SECONDS_TO_END)

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none alive."""
        child = self._child
        return child.process.pid if child and child.process.returncode is None else None

    async def analyse(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        """One row per text, in the order asked. Calls may overlap; they are answered one after another.

        Raises ProviderFault where the child is gone (the next call starts another), does not answer in time,
        or this analyzer is closed.
        """
        rows = await self._answered({"texts": list(texts)}, before_send)
        return Reply(rows=[validate_row(row) for row in rows], model=self.model)

    async def summarise(
        self, material: Material, before_send: Callable[[], Awaitable[None]], heard: Heard | None = None
    ) -> Summarised:
        """A summary by extracts, there all at once. Everything else as in `analyse`."""
        (answer,) = await self._answered({"summarise": material.document}, before_send)
        summary = summary_answers.validate(answer, material.citable)
        return Summarised(summary=summary, raw=ENCODER.encode(answer), model=SUMMARY_MODEL)

    def worst_summary(self, material: Material) -> Usage:
        """Nothing: there are no tokens and no bill."""
        return Usage()

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """Nothing: there are no tokens and no bill."""
        return Usage()

    async def _running(self) -> _Child:
        if self._child and self.pid:
            return self._child
        if self._closed:
            raise ProviderFault("unreachable", "the offline analyzer is closed")
        await self._end()
        try:
            self._child = await _spawn(self._command)
        except OSError as error:
            raise ProviderFault("unreachable", f"no child process: {type(error).__name__}") from error
        self._child.requests.write(_line(dict(self._topics)))
        return self._child

    async def _answered(
        self, request: Mapping[str, object], before_send: Callable[[], Awaitable[None]]
    ) -> list[dict[str, object]]:
        async with self._turn:
            child = await self._running()
            await before_send()
            return await self._in_time(child, request)

    async def _in_time(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(child, request)
        except TimeoutError:
            await self._end()
            raise ProviderFault("timeout", f"no answer from the child in {self._timeout:g} s") from None
        except OSError as error:
            await self._end()
            raise ProviderFault("unreachable", f"the child is gone: {type(error).__name__}") from error

    async def _ask(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
        """A call that was cancelled leaves its answer behind, hence the numbers: who comes next skips it."""
        self._asked += 1
        child.requests.write(_line({"id": self._asked, **request}))
        await child.requests.drain()
        while line := await child.answers.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer["id"] == self._asked:
                return list(answer["rows"])
        raise ConnectionResetError("end of answers")

    async def _end(self, *, patience: float = 0) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.requests.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await child.process.wait()
        with suppress(ProcessLookupError):
            child.process.kill()
        await child.process.wait()


async def _spawn(command: Sequence[str]) -> _Child:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=Path(__file__).parent,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_ANSWER,
    )
    requests, answers = cast(asyncio.StreamWriter, process.stdin), cast(asyncio.StreamReader, process.stdout)
    return _Child(process, requests, answers)


async def _no_pace() -> None:
    """Entering is no call: there is nothing to pace."""


def _line(value: object) -> bytes:
    return ENCODER.encode(value).encode() + b"\n"


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
        yield _guarded(lambda: ENCODER.encode(offline_summaries.summarise(request["summarise"])))
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
