"""The words that processor and analyzers share: what goes in, what comes out, and what can go wrong."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from core.errors import InsightsError
from domain.topics import slug

SCORE_UNIT = 10_000
CONFIDENCE_UNIT = 100
CONFIDENCE_SLACK = 0.05
MAX_CLUSTERS = 5
MAX_REASONING = 1_000
MAX_RAW = 65_536
NEUTRAL_BAND = 2_000  # scores from -0.2 to 0.2, in units of 1/10,000


class Analysis(NamedTuple):
    """A validated row: what an analyzer found out about one conversation."""

    score: int
    """Sentiment in units of 1/10,000, from -10,000 to 10,000."""
    confidence: int
    """Percent, 0 to 100."""
    clusters: tuple[str, ...]
    """One to five slugs, the best first."""
    reasoning: str
    """1 to 1,000 characters."""
    raw: str
    """The row as the model wrote it, JSON."""

    @property
    def sentiment(self) -> int:
        """1 positive, 0 neutral, -1 negative."""
        return sentiment_of(self.score)


@dataclass(frozen=True, slots=True)
class Invalid:
    """A row that cannot be used; it is asked again."""

    reason: str
    raw: str | None = None


Row = Analysis | Invalid


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call consumed. `cost_ticks` is in 1/10,000,000,000 USD, None where the server did not say."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is known of a call that came back, whatever it was about."""

    model: str
    """The model that answered, as the server names it."""
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    status: int | None = None
    """HTTP status, None where there was no HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Envelope):
    """A call about texts that came back: one row per text, in the order asked."""

    rows: Sequence[Row]
    ignored_ids: int = 0
    """Rows for ids that were not asked for."""


class CallFailed(InsightsError):
    """A call without usable rows. Its three kinds are the three things the processor can do about it.

    CallFailed
     ├─ ProviderFault    nobody's fault: give the conversations back and wait
     │   └─ RateLimited  the whole outbound side pauses
     ├─ Denied           key, credit, permission or model refused: stop calling
     └─ BatchFault       this batch's fault: split it until one conversation owns it
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
        """A short word for metrics and logs: timeout, unreachable, server_error, malformed, ..."""
        self.detail = detail
        """One line for people; never the text of a conversation, never a key."""
        self.status = status
        self.usage = usage
        self.request_id = request_id
        self.body = body
        """What came back, where it could not be parsed."""


class ProviderFault(CallFailed):
    """5xx, time-out, refused connection, no chat completion, an answer too large: nobody's fault."""


class RateLimited(ProviderFault):
    """429. `retry_after` is seconds from now, None where the server did not say."""

    def __init__(
        self, detail: str, *, retry_after: float | None, status: int = 429, request_id: str | None = None
    ):
        super().__init__("rate_limited", detail, status=status, request_id=request_id)
        self.retry_after = retry_after


class Denied(CallFailed):
    """The key, the credit, the permission or the model was refused: calling on makes no sense."""


class BatchFault(CallFailed):
    """Malformed, truncated or refused content, or a 400, 413, 422 for these conversations."""


class Analyzer(Protocol):
    """Grok, or who stands in its place."""

    name: str
    """`grok` or `offline`, as insights show it."""
    model: str
    prompt_version: str
    """What, beside text and model, decides its answers."""
    fixed_tokens: int
    """About how many prompt tokens every call has, whatever it carries."""

    async def analyse(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        """Analyse 1 to MAX_BATCH texts in one call.

        `before_send` is awaited immediately before the request is written. Raises CallFailed.
        """
        ...

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """The most that a call with these texts can use up, reasoning apart."""
        ...


def sentiment_of(score: int) -> int:
    """1, 0 or -1 for a score in 1/10,000; the bands lie at 0.2, which is neutral."""
    return (score > NEUTRAL_BAND) - (score < -NEUTRAL_BAND)


def validate_row(row: Mapping[str, object]) -> Row:
    """One row of a model's answer, believed or not. A row is never filled with a default."""
    raw = json.dumps(row, separators=(",", ":"))
    if len(raw) > MAX_RAW:
        return Invalid("the row is too long")
    try:
        return Analysis(
            score=_scaled(row, "sentiment_score", low=-1, slack=0, unit=SCORE_UNIT),
            confidence=_scaled(row, "confidence", low=0, slack=CONFIDENCE_SLACK, unit=CONFIDENCE_UNIT),
            clusters=_clusters(row),
            reasoning=_reasoning(row),
            raw=raw,
        )
    except ValueError as error:
        return Invalid(str(error), raw)


def _scaled(row: Mapping[str, object], name: str, *, low: float, slack: float, unit: int) -> int:
    value = row.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    if not low - slack <= value <= 1 + slack:  # false for NaN too
        raise ValueError(f"{name} is outside [{low:g}, 1]")
    return round(min(max(value, low), 1) * unit)


def _clusters(row: Mapping[str, object]) -> tuple[str, ...]:
    value = row.get("clusters")
    if not isinstance(value, list):
        raise ValueError("clusters is no list" if value is not None else "clusters is missing")
    slugs = dict.fromkeys(slug(name) for name in value if isinstance(name, str))
    slugs.pop("", None)
    if not slugs:
        raise ValueError("clusters names no topic")
    return tuple(slugs)[:MAX_CLUSTERS]


def _reasoning(row: Mapping[str, object]) -> str:
    value = row.get("reasoning")
    if not isinstance(value, str) or not value.strip():
        raise ValueError("reasoning is missing")
    return storable(value.strip())[:MAX_REASONING]


def storable(text: str) -> str:
    """The text with what PostgreSQL (U+0000) or UTF-8 (lone surrogates) cannot hold marked as replaced."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
