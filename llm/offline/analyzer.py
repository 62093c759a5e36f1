"""The offline analyzer, which replaces Grok if there is no API key, and the languages of what Grok analyses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import structlog

from domain.analysis import BeforeSend, Invalid, ProviderFault, Reply, Row, Usage
from domain.deciding import Decided
from domain.row_validation import validate_row
from domain.summaries import DraftListener, Material, Summarised
from llm import summary_answers
from llm.offline.process import CHILD, ENCODER, ChildProcess

log = structlog.get_logger()

MODEL = "linear-1"  # part of the cache key: raise the number when the rules change
SUMMARY_MODEL = "luhn-2"  # the same for summaries
READ = 2_000
"""Characters of a text that are sent to find out its language."""


class OfflineAnalyzer:
    """An Analyzer without a network: `async with OfflineAnalyzer(topics) as analyzer`.

    Entering starts the child process and raises ProviderFault if that fails; leaving ends it. Without entering, the
    child starts with the first text.
    """

    name = "offline"
    model = MODEL
    fixed_tokens = 0
    summary_version = SUMMARY_MODEL

    def __init__(
        self, topics: Mapping[str, str], *, timeout_seconds: float = 60, command: Sequence[str] = CHILD
    ) -> None:
        self._topics = topics
        self._process = ChildProcess(topics, timeout_seconds=timeout_seconds, command=command)

    @property
    def prompt_version(self) -> str:
        """A digest of the topics that are told now."""
        return hashlib.sha256(",".join(self._topics).encode()).hexdigest()[:12]

    async def __aenter__(self) -> Self:
        await self._process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.__aexit__(*_)

    @property
    def pid(self) -> int | None:
        """The child's process id; None if it does not run."""
        return self._process.pid

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        """Return one row per text, in the same order. Raises ProviderFault, as `ChildProcess.call` does."""
        rows = await self._process.call({"texts": list(texts)}, before_send)
        return Reply(rows=[row_of(row) for row in rows], model=self.model)

    async def summarise(
        self, material: Material, before_send: BeforeSend, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise by extracting sentences; `on_draft` is never called. Otherwise like `analyse`."""
        (answer,) = await self._process.call({"summarise": material.document}, before_send)
        summary = summary_answers.validate_summary(answer, material.citable)
        return Summarised(summary=summary, raw=ENCODER.encode(answer), model=SUMMARY_MODEL)

    async def decide(self, question: str, texts: Sequence[str], before_send: BeforeSend) -> Decided:
        """Answer by the words of the question. Raises ProviderFault, as `ChildProcess.call` does."""
        rows = await self._process.call({"question": question, "about": list(texts)}, before_send)
        return Decided(answers=rows, model=self.model)

    def worst_decision(self, question: str, texts: Sequence[str]) -> Usage:
        """No usage: the offline analyzer costs nothing."""
        return Usage()

    def worst_summary(self, material: Material) -> Usage:
        """No usage: the offline analyzer costs nothing."""
        return Usage()

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """No usage: the offline analyzer costs nothing."""
        return Usage()


def row_of(row: Mapping[str, Any]) -> Row:
    """The row of the child, checked like any model's. Only here it may have no score: then it is unsure."""
    is_unsure = "sentiment_score" in row and row["sentiment_score"] is None
    checked = validate_row({**row, "sentiment_score": 0} if is_unsure else row)
    if isinstance(checked, Invalid):
        return checked
    return checked._replace(raw=ENCODER.encode(row), language=row["language"], is_unsure=is_unsure)


@dataclass(frozen=True, slots=True)
class LanguageDetector:
    """Finds out the languages of texts in a child process, which is C++ that reads what anybody may send.

    The child starts with the first texts. It takes 20 MB.
    """

    process: ChildProcess

    async def detect(self, texts: Sequence[str]) -> Sequence[str | None]:
        """The language of each text, ISO 639-1; None if it is not known, or cannot be found out now."""
        try:
            found = await self.process.call({"languages": [text[:READ] for text in texts]})
        except ProviderFault as fault:
            log.warning("languages_not_found", reason=fault.detail, consequence="insights say language: null")
            return [None] * len(texts)
        return [code if isinstance(code, str) else None for code in found]
