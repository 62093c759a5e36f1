"""The offline analyzer, which replaces Grok if there is no API key, and the languages of what Grok analyses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import structlog

from domain.analysis import MAX_REASONING, BeforeSend, Invalid, ProviderFault, Reply, Row, Usage
from domain.deciding import Decided
from domain.fields.fieldsets import NO_FIELDS, FieldSet
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
    fixed_tokens = row_tokens = 0

    def __init__(
        self,
        topics: Mapping[str, str],
        *,
        fields: FieldSet = NO_FIELDS,
        timeout_seconds: float = 60,
        command: Sequence[str] = CHILD,
    ) -> None:
        self._topics = topics
        self._fields, self._summary_fields = fields.of("conversations"), fields.of("summaries")
        self.summary_version = SUMMARY_MODEL + _digest_of(self._summary_fields)
        self._process = ChildProcess(topics, timeout_seconds=timeout_seconds, command=command)

    @property
    def prompt_version(self) -> str:
        """A digest of the topics that are told now, and of the fields with their words."""
        digest = hashlib.sha256(",".join(self._topics).encode()).hexdigest()[:12]
        return digest + _digest_of(self._fields)

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
        rows = await self._process.call({"texts": list(texts), "rules": self._fields.rules}, before_send)
        return Reply(rows=[row_of(row, self._fields) for row in rows], model=self.model)

    async def summarise(
        self, material: Material, before_send: BeforeSend, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise by extracting sentences; `on_draft` is never called. Otherwise like `analyse`."""
        request = {"summarise": material.document, "rules": self._summary_fields.rules}
        (answer,) = await self._process.call(request, before_send)
        answer["fields"] = _all_of(answer.get("fields"), self._summary_fields)
        summary = summary_answers.validate_summary(
            answer, material.citable, self._summary_fields, all_nullable=True
        )
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


def row_of(row: Mapping[str, Any], fields: FieldSet = NO_FIELDS) -> Row:
    """The row of the child, checked like any model's. Only here it may have no score: then it is unsure.

    A field that its rules do not answer is null, also where an answer is required, and the reasoning says so.
    """
    is_unsure = "sentiment_score" in row and row["sentiment_score"] is None
    given = {**row, **({"fields": _all_of(row.get("fields"), fields)} if fields else {})}
    checked = validate_row({**given, "sentiment_score": 0} if is_unsure else given, fields, all_nullable=True)
    if isinstance(checked, Invalid):
        return checked
    told = f"{checked.reasoning}{_left_open(given)}"[:MAX_REASONING]
    return checked._replace(
        raw=ENCODER.encode(given), language=row["language"], is_unsure=is_unsure, reasoning=told
    )


def _all_of(answered: Mapping[str, object] | None, fields: FieldSet) -> Mapping[str, object]:
    return {each.name: (answered or {}).get(each.name) for each in fields.fields}


def _left_open(row: Mapping[str, Any]) -> str:
    names = [name for name, value in row.get("fields", {}).items() if value is None]
    return f" No words of: {', '.join(names)}." if names else ""


def _digest_of(fields: FieldSet) -> str:
    """What distinguishes answers to these fields; empty without any."""
    words = ENCODER.encode([fields.version, fields.rules])
    return f"-{hashlib.sha256(words.encode()).hexdigest()[:12]}" if fields else ""


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
