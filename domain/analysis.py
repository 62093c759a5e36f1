"""Analyses: the interface of analyzers, their results and their errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from core.errors import InsightsError
from domain.fields.fieldsets import FieldAnswers

SCORE_UNIT = 10_000
CONFIDENCE_UNIT = 100
CONFIDENCE_SLACK = 0.05
MAX_CLUSTERS = 5
MAX_REASONING = 1_000
MAX_RAW = 65_536
NEUTRAL_BAND = 2_000  # scores from -0.2 to 0.2 are neutral; in units of 1/10,000
UNSURE = 2
"""The sentiment of a text whose analyzer does not know its language. It has no score, and the confidence 0."""
SENTIMENT_NAMES: Mapping[int, str] = {1: "positive", 0: "neutral", -1: "negative", UNSURE: "unsure"}


class Analysis(NamedTuple):
    """A validated row of an answer: the analysis of one conversation."""

    score: int
    """Sentiment in units of 1/10,000, from -10,000 to 10,000; 0 if it is unsure."""
    confidence: int
    """Percent, 0 to 100."""
    clusters: tuple[str, ...]
    """One to five topic slugs, the best match first."""
    reasoning: str
    """1 to 1,000 characters."""
    raw: str
    """The row as the model wrote it, JSON."""
    language: str | None = None
    """ISO 639-1; None if it is not known."""
    is_unsure: bool = False
    """Whether there is no score, because the analyzer does not know the language. The confidence is 0 then."""
    fields: FieldAnswers | None = None
    """Answers to the operator's fields; None if there are no fields."""

    @property
    def sentiment(self) -> int:
        """1 positive, 0 neutral, -1 negative, UNSURE."""
        return UNSURE if self.is_unsure else sentiment_of(self.score)


@dataclass(frozen=True, slots=True)
class Invalid:
    """A row that failed validation; its conversation is retried."""

    reason: str
    raw: str | None = None


Row = Analysis | Invalid


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call consumed. `cost_ticks` is in 1/10,000,000,000 USD, None if the server did not say."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The metadata of a completed call, of whatever kind."""

    model: str
    """The model that answered, by the name that the server gave."""
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    status: int | None = None
    """HTTP status, None for an analyzer without HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Envelope):
    """A completed analysis call: one row per text, in the order of the texts."""

    rows: Sequence[Row]
    ignored_ids: int = 0
    """Number of rows for ids that were not in the call."""


class CallFailed(InsightsError):
    """A call gave nothing usable. Each of its kinds calls for another reaction of the processor.

    `core/errors.py` draws the whole tree and names the reactions.
    """

    def __init__(
        self,
        outcome: str,
        detail: str,
        *,
        status: int | None = None,
        usage: Usage | None = None,
        request_id: str | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        """One word for metrics and logs: timeout, unreachable, server_error, malformed, ..."""
        self.detail = detail
        """One line for operators; it never contains a key or the text of a conversation."""
        self.status = status
        self.usage = usage
        self.request_id = request_id
        self.body = body
        """The body of the response if it could not be parsed."""


class ProviderFault(CallFailed):
    """The provider's fault: 5xx, time-out, refused connection, no chat completion, an oversized answer."""


class Unsent(ProviderFault):
    """The request never left: there was no connection to write it to. It costs nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__("unreachable", detail)


class RateLimited(ProviderFault):
    """A 429. `retry_after` is in seconds from now, None if the server did not say."""

    def __init__(
        self, detail: str, *, retry_after: float | None, status: int = 429, request_id: str | None = None
    ):
        super().__init__("rate_limited", detail, status=status, request_id=request_id)
        self.retry_after = retry_after


class Denied(CallFailed):
    """The key, the credit, the permission or the model was refused: further calls would fail as well."""


class BatchFault(CallFailed):
    """The batch's fault: malformed, truncated or refused content, or a 400, 413 or 422."""


Departed = Callable[[], None]
"""Called once the request is written, or when it will not be: the next call may leave."""
BeforeSend = Callable[[], Awaitable[Departed | None]]
"""Awaited before a request is sent, which then happens at once; gives whom to tell that it has left."""


class Analyzer(Protocol):
    """Grok, or an analyzer that replaces it."""

    name: str
    """The name that insights show, such as `grok` or `offline`."""
    model: str

    @property
    def prompt_version(self) -> str:
        """Version of everything but text and model that determines an answer; it changes when topics do."""
        ...

    @property
    def fixed_tokens(self) -> int:
        """Prompt tokens of a call without texts, estimated."""
        ...

    @property
    def row_tokens(self) -> int:
        """Tokens of an answer about one text, estimated."""
        ...

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        """Analyse 1 to MAX_BATCH texts in one call.

        `before_send` is awaited before the request is sent, which then happens at once. Raises CallFailed.
        """
        ...

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """The most that a call with these texts can consume, apart from reasoning."""
        ...


def sentiment_of(score: int) -> int:
    """1, 0 or -1 for a score in units of 1/10,000; scores up to 0.2 either way are neutral."""
    return (score > NEUTRAL_BAND) - (score < -NEUTRAL_BAND)
