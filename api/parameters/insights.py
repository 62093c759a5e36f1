"""The query parameters of insights and trends, and the cursor that leads to the next page."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.parameters import cursors
from api.parameters.chats import Keyword
from api.parameters.common import DownloadParameters, Limit, Moment, Slug, Word
from api.parameters.fields import FieldFilterParameters
from core.clock import END, EPOCH, MICROSECOND
from core.settings import METADATA_KEY
from domain.analysis import SCORE_UNIT, SENTIMENT_NAMES
from domain.fields.filters import FIELD, FieldFilter
from domain.fields.kinds import FARTHEST
from store.insights.metadata import LONGEST
from store.insights.windows import Position, Selection, Sort

Sentiment = Literal["positive", "neutral", "negative", "unsure"]
Language = Annotated[str, Field(pattern="^[a-z]{2}$")]
SortName = Literal["-timestamp", "timestamp", "score", "-score", "confidence", "-confidence"]
SENTIMENT_OF = {name: value for value, name in SENTIMENT_NAMES.items()}
SELECTED = tuple(field.name for field in fields(Selection))
METADATA = "metadata."
MetadataKey = Annotated[str, Field(pattern=METADATA_KEY)]

Share = Annotated[Decimal, Field(ge=0, le=1), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
Amount = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST)]
AskedOfField = tuple[Word, Word | None, Amount | None, Amount | None]
"""A filter by a field as a cursor carries it: its name, and a value or two limits."""
Microseconds = Annotated[int, Field(ge=0, le=(END - EPOCH) // MICROSECOND)]


class Cursor(BaseModel):
    """A selection and the position at which its last page ended. Clients see it as one opaque word."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    start: Microseconds
    end: Microseconds
    sentiment: Literal[-1, 0, 1, 2] | None
    min_confidence: Annotated[int, Field(ge=0, le=100)]
    cluster: Slug | None
    author: Word | None
    sort: Annotated[Sort, Field(strict=False)] = Sort.NEWEST
    analyzer: Word | None = None
    model: Word | None = None
    language: Language | None = None
    keyword: Keyword | None = None
    metadata: Annotated[tuple[tuple[MetadataKey, Word], ...], Field(strict=False)] = ()
    fields: Annotated[tuple[Annotated[AskedOfField, Field(strict=False)], ...], Field(strict=False)] = ()
    value: Annotated[int, Field(ge=-SCORE_UNIT, le=SCORE_UNIT)] | None = None
    """The score or confidence, if the list is sorted by it."""
    timestamp: Microseconds
    number: Annotated[int, Field(ge=0, lt=2**63)]

    @model_validator(mode="after")
    def _value_if_sorted_by_one(self) -> Self:
        if (self.value is not None) != self.sort.by_value:
            raise ValueError("value does not fit sort")
        return self

    @property
    def selection(self) -> Selection:
        """The insights being listed."""
        filters = tuple(FieldFilter(*each) for each in self.fields)
        return Selection(**{name: getattr(self, name) for name in SELECTED} | {"fields": filters})

    @property
    def after(self) -> Position:
        """The position after which the next page begins."""
        return (*(() if self.value is None else (self.value,)), self.timestamp, self.number)


def seal(selection: Selection, position: Position) -> str:
    """The cursor as clients see it: base64 of a checksum and JSON."""
    *values, timestamp, number = position
    value = values[0] if values else None
    asked = [each[: len(get_args(AskedOfField))] for each in selection.fields]
    place = {"fields": asked, "value": value, "timestamp": timestamp, "number": number}
    return cursors.to_word(Cursor.model_validate({**asdict(selection), **place}))


def unseal(word: object) -> Cursor:
    """The inverse of `seal`. Raises ValueError for anything that `seal` did not make."""
    return cursors.from_word(word, Cursor, "metadata.next_cursor")


class ListParameters(DownloadParameters):
    """Of a list of insights that may show their earlier versions."""

    include: Literal["history"] | None = Field(
        None, description="`history` adds the earlier versions of each insight, newest first."
    )

    @property
    def with_history(self) -> bool:
        """Whether earlier versions are asked for."""
        return self.include is not None


class InsightsParameters(FieldFilterParameters, ListParameters):
    """Of the list of insights."""

    start_time: Moment | None = Field(None, description="Required without a cursor.")
    end_time: Moment | None = Field(None, description="Required without a cursor; excluded.")
    limit: Limit = 100
    min_confidence: Share = Field(0, validate_default=True)
    sentiment: Sentiment | None = None
    cluster: Slug | None = Field(None, description="A topic: its slug or its label, in any case.")
    author: Word | None = None
    sort: SortName = Field(
        "-timestamp",
        description="`-` stands for descending. Equal values go by timestamp in the same direction.",
    )
    keyword: Keyword | None = Field(
        None, description='Words that one message contains, all of them; "in quotes": as a phrase.'
    )
    analyzer: Word | None = Field(None, description="What made the insight: grok, gemini or offline.")
    model: Word | None = Field(None, description="The model that made the insight.")
    language: Language | None = Field(None, description="The conversation's language, ISO 639-1: en, de.")
    cursor: Annotated[Cursor, BeforeValidator(unseal), WithJsonSchema({"type": "string"})] | None = Field(
        None, description="From metadata.next_cursor. It carries the window and the filters."
    )

    # No field, because its parameters are as many as there are keys: `metadata.KEY=value` of each.
    _metadata: tuple[tuple[str, str], ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _with_metadata(cls, given: dict[str, Any], handler: ModelWrapValidatorHandler[Self]) -> Self:
        pairs = {name: value for name, value in given.items() if name.startswith(METADATA)}
        found = handler({name: value for name, value in given.items() if name not in pairs})
        found._metadata = tuple(sorted(_metadata_pair(*pair) for pair in pairs.items()))
        found._check_window_or_cursor()
        return found

    def _check_window_or_cursor(self) -> None:
        if self.cursor is None:
            check_window(self.start_time, self.end_time, "the newest are at /api/v1/insights/recent")
        elif differing := [*self._differing(self.cursor.selection)]:
            raise PydanticCustomError(
                "cursor",
                "cursor: belongs to another {names}; leave that out, or begin without the cursor",
                {"names": ", ".join(differing)},
            )

    def _differing(self, carried: Selection) -> Iterator[str]:
        """The parameters beside a cursor that differ from those it carries."""
        given = self._selection
        for parameter in sorted(self.model_fields_set - {"bom", "cursor", "include", "limit"}):
            name = {"start_time": "start", "end_time": "end"}.get(parameter, parameter)
            if getattr(given, name) != getattr(carried, name):
                yield parameter
        yield from (METADATA + key for key, value in self._metadata if (key, value) not in carried.metadata)
        yield from (FIELD + each.name for each in self._field_filters if each not in carried.fields)

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
            min_confidence=percent(self.min_confidence),
            cluster=self.cluster,
            author=self.author,
            sort=Sort(self.sort),
            analyzer=self.analyzer,
            model=self.model,
            language=self.language,
            keyword=self.keyword,
            metadata=self._metadata,
            fields=self._field_filters,
        )

    @property
    def after(self) -> Position | None:
        """The position at which the previous page ended."""
        return None if self.cursor is None else self.cursor.after


def _metadata_pair(name: str, value: str) -> tuple[str, str]:
    """The key and the value of a parameter `metadata.KEY`."""
    if not 0 < len(value) <= LONGEST or "\0" in value:
        raise PydanticCustomError("metadata", "metadata.KEY: a value has 1 to 255 characters without U+0000")
    return name.removeprefix(METADATA), value


class RecentParameters(ListParameters):
    """Of the list of the newest insights."""

    limit: Limit = 100


def check_window(start: int | None, end: int | None, instead: str) -> tuple[int, int]:
    """The window `[start, end)`. Raises PydanticCustomError if one end is missing, or the start is after the end."""
    missing = [name for name, time in (("start_time", start), ("end_time", end)) if time is None]
    if start is None or end is None:
        context = {"names": ", ".join(missing), "instead": instead}
        raise PydanticCustomError("window", "Missing required parameter: {names}; {instead}", context)
    if start > end:
        raise PydanticCustomError("window", "start_time: must not be after end_time")
    return start, end


def percent(confidence: Decimal) -> int:
    """Percent, rounded up so that nothing below the requested confidence matches; `ceil(0.07 * 100)` would be 8."""
    return int(confidence.quantize(Decimal("0.01"), ROUND_CEILING) * 100)
