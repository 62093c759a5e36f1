"""The query parameters of insights and trends, and the cursor that leads to the next page."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Limit, Moment, Parameters, Slug, Word
from api.views.conversations import SENTIMENTS
from core.clock import END, EPOCH, MICROSECOND
from domain.buckets import DAY, MICROSECONDS
from store.insights.windows import Position, Selection

Sentiment = Literal["positive", "neutral", "negative"]
SENTIMENT_OF = {name: value for value, name in SENTIMENTS.items()}
LONGEST_TRENDS = 3_660
"""Days: ten years."""
CHECK_BYTES = 6

Microseconds = Annotated[int, Field(ge=0, le=(END - EPOCH) // MICROSECOND)]


class Cursor(BaseModel):
    """A selection and the position at which its last page ended. Clients see it as one opaque word."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    start: Microseconds
    end: Microseconds
    sentiment: Literal[-1, 0, 1] | None
    min_confidence: Annotated[int, Field(ge=0, le=100)]
    cluster: Slug | None
    author: Word | None
    timestamp: Microseconds
    number: Annotated[int, Field(ge=0, lt=2**63)]

    @property
    def selection(self) -> Selection:
        """The insights being listed."""
        return Selection(**self.model_dump(exclude={"version", "timestamp", "number"}))

    @property
    def before(self) -> Position:
        """The position before which the next page begins."""
        return self.timestamp, self.number


def seal(selection: Selection, position: Position) -> str:
    """The cursor as clients see it: base64 of a checksum and JSON."""
    timestamp, number = position
    cursor = Cursor.model_validate({**asdict(selection), "timestamp": timestamp, "number": number})
    content = cursor.model_dump_json().encode()
    return base64.urlsafe_b64encode(_check(content) + content).rstrip(b"=").decode()


def unseal(word: object) -> Cursor:
    """The inverse of `seal`. Raises ValueError for anything that `seal` did not make."""
    try:
        sealed = base64.b64decode(str(word) + "=" * (-len(str(word)) % 4), altchars=b"-_", validate=True)
        content = sealed[CHECK_BYTES:]
        if sealed[:CHECK_BYTES] != _check(content):
            raise ValueError
        return Cursor.model_validate_json(content)
    except ValueError:
        raise ValueError("must be a value of metadata.next_cursor") from None


def _check(content: bytes) -> bytes:
    # Detects a cursor that was cut or mangled. Forging one gains nothing: it only selects other insights.
    return hashlib.blake2b(content, digest_size=CHECK_BYTES).digest()


class InsightsParameters(Parameters):
    """Of the list of insights."""

    start_time: Moment | None = Field(None, description="Required without a cursor.")
    end_time: Moment | None = Field(None, description="Required without a cursor; excluded.")
    limit: Limit = 100
    min_confidence: Annotated[
        Decimal, Field(ge=0, le=1), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
    ] = Decimal(0)
    sentiment: Sentiment | None = None
    cluster: Slug | None = Field(None, description="A topic: its slug or its label, in any case.")
    author: Word | None = None
    cursor: Annotated[Cursor, BeforeValidator(unseal), WithJsonSchema({"type": "string"})] | None = Field(
        None, description="From metadata.next_cursor. It carries the window and the filters."
    )

    @model_validator(mode="after")
    def _window_or_cursor(self) -> Self:
        if self.cursor is None:
            _check_window(self.start_time, self.end_time, "the newest are at /api/v1/insights/recent")
        elif differing := [*self._differing(self.cursor.selection)]:
            raise PydanticCustomError(
                "cursor",
                "cursor: belongs to another {names}; leave that out, or begin without the cursor",
                {"names": ", ".join(differing)},
            )
        return self

    def _differing(self, carried: Selection) -> Iterator[str]:
        """The parameters beside a cursor that differ from those it carries."""
        given = self._selection
        for parameter in sorted(self.model_fields_set - {"cursor", "limit"}):
            name = {"start_time": "start", "end_time": "end"}.get(parameter, parameter)
            if getattr(given, name) != getattr(carried, name):
                yield parameter

    @property
    def selection(self) -> Selection:
        """The insights to list."""
        return self._selection if self.cursor is None else self.cursor.selection

    @property
    def _selection(self) -> Selection:
        """The selection that the parameters other than the cursor describe."""
        return Selection(
            start=self.start_time or 0,
            end=self.end_time or 0,
            sentiment=None if self.sentiment is None else SENTIMENT_OF[self.sentiment],
            min_confidence=_percent(self.min_confidence),
            cluster=self.cluster,
            author=self.author,
        )

    @property
    def before(self) -> Position | None:
        """The position at which the previous page ended."""
        return None if self.cursor is None else self.cursor.before


class RecentParameters(Parameters):
    """Of the list of the newest insights."""

    limit: Limit = 100


class TrendsParameters(Parameters):
    """Of trends: a number of days, or a window."""

    days: Annotated[int, Field(ge=1, le=365, description="Days before now.")] = 7
    start_time: Moment | None = None
    end_time: Moment | None = None
    cluster: Slug | None = Field(None, description="A topic: its slug or its label, in any case.")

    @model_validator(mode="after")
    def _days_or_window(self) -> Self:
        given = self.model_fields_set & {"start_time", "end_time"}
        if not given:
            return self
        if "days" in self.model_fields_set:
            raise PydanticCustomError(
                "window", "days: give either days or {names}", {"names": _listed(given)}
            )
        start, end = _check_window(self.start_time, self.end_time, "or give days instead")
        if end - start > LONGEST_TRENDS * MICROSECONDS[DAY]:
            raise PydanticCustomError("window", "end_time: must be within ten years of start_time")
        return self

    def window(self, now: int) -> tuple[int, int]:
        """The window `[start, end)` in UTC microseconds."""
        if self.start_time is None or self.end_time is None:
            return max(0, now - self.days * MICROSECONDS[DAY]), now
        return self.start_time, self.end_time


def _check_window(start: int | None, end: int | None, instead: str) -> tuple[int, int]:
    missing = [name for name, time in (("start_time", start), ("end_time", end)) if time is None]
    if start is None or end is None:
        context = {"names": ", ".join(missing), "instead": instead}
        raise PydanticCustomError("window", "Missing required parameter: {names}; {instead}", context)
    if start > end:
        raise PydanticCustomError("window", "start_time: must not be after end_time")
    return start, end


def _percent(confidence: Decimal) -> int:
    """Percent, rounded up so that nothing below the requested confidence matches; `ceil(0.07 * 100)` would be 8."""
    return int(confidence.quantize(Decimal("0.01"), ROUND_CEILING) * 100)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
