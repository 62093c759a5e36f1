"""The query parameters of what changed, and of why."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import DownloadParameters, Limit, Moment, Word
from api.parameters.fields import FieldFilterParameters
from api.parameters.insights import SENTIMENT_OF, Sentiment, Share, check_window, percent
from domain.buckets import DAY, HOUR, MICROSECONDS
from domain.fields.filters import FieldFilter
from store.insights.compared_topics import TopicSort
from store.insights.topic_changes import Comparison
from store.insights.windows import Selection

SORTS = [sign + each for each in TopicSort for sign in ("", "-")]
PREVIOUS = "previous"


def known_sort(name: str) -> str:
    """The name itself. Raises PydanticCustomError, with all of them, if topics cannot be sorted by it."""
    if name in SORTS:
        return name
    names = {"names": ", ".join(TopicSort)}
    raise PydanticCustomError("sort", "must be one of {names}, with `-` before it to descend", names)


BASELINE = re.compile(r"([1-9][0-9]{0,3})([hdw])", re.ASCII)
LENGTHS = {"h": MICROSECONDS[HOUR], "d": MICROSECONDS[DAY], "w": 7 * MICROSECONDS[DAY]}
LONGEST_BASELINE = 3_660 * MICROSECONDS[DAY]


def length_of(name: str) -> int:
    """Microseconds of a length such as `28d`. Raises ValueError."""
    match = BASELINE.fullmatch(name)
    length = int(match[1]) * LENGTHS[match[2]] if match else 0
    if not 0 < length <= LONGEST_BASELINE:
        raise ValueError("must be a number of hours, days or weeks, such as 12h, 28d or 4w, up to ten years")
    return length


Length = Annotated[
    int, BeforeValidator(length_of), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,3}[hdw]$"})
]
Sorting = Annotated[str, AfterValidator(known_sort), WithJsonSchema({"type": "string", "enum": SORTS})]


class TopicsParameters(FieldFilterParameters, DownloadParameters):
    """Of the list of topics: two windows to compare, filters, an order, and a page."""

    start_time: Moment | None = Field(None, description="Required.")
    end_time: Moment | None = Field(None, description="Required; excluded.")
    compare: Literal["previous"] | None = Field(
        None, description="`previous`, the default: compare with the window of the same length before."
    )
    compare_start_time: Moment | None = Field(
        None, description="The beginning of another window to compare with."
    )
    compare_end_time: Moment | None = Field(None, description="Its end, excluded.")
    min_confidence: Share = Field(0, validate_default=True)
    analyzer: Word | None = Field(None, description="What made the insights: grok, gemini or offline.")
    sentiment: Sentiment | None = None
    sort: Sorting = Field(
        "-count", description="Any field; `-` stands for descending. Equal values go by slug."
    )
    limit: Limit = 100
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @model_validator(mode="after")
    def _windows(self) -> Self:
        check_window(self.start_time, self.end_time, "the window whose topics are asked for")
        if given := self.model_fields_set & {"compare_start_time", "compare_end_time"}:
            if self.compare is not None:
                names = ", ".join(sorted(given))
                raise PydanticCustomError(
                    "window", "compare: give either compare or {names}", {"names": names}
                )
            self._check_compared()
        return self

    def _check_compared(self) -> None:
        start, end = self.compare_start_time, self.compare_end_time
        if start is None or end is None:
            missing = "compare_start_time" if start is None else "compare_end_time"
            raise PydanticCustomError(
                "window", "{missing}: goes with the other end of the window", {"missing": missing}
            )
        if start > end:
            raise PydanticCustomError("window", "compare_start_time: must not be after compare_end_time")

    @property
    def comparison(self) -> Comparison:
        """The two windows."""
        start, end = self.start_time or 0, self.end_time or 0
        chosen = Selection(
            start,
            end,
            sentiment=None if self.sentiment is None else SENTIMENT_OF[self.sentiment],
            min_confidence=percent(self.min_confidence),
            analyzer=self.analyzer,
            fields=self._field_filters,
        )
        if self.compare_start_time is None or self.compare_end_time is None:
            return Comparison(chosen, max(0, start - (end - start)), start)
        return Comparison(chosen, self.compare_start_time, self.compare_end_time)

    @property
    def order(self) -> TopicSort:
        """The field to sort by."""
        return TopicSort(self.sort.removeprefix("-"))

    @property
    def descending(self) -> bool:
        """Whether its highest value comes first."""
        return self.sort.startswith("-")

    @property
    def offset(self) -> int:
        """How many topics the pages before have."""
        return (self.page - 1) * self.limit


class ExplainParameters(FieldFilterParameters):
    """Of an explanation: a window, and how long before it is looked at to compare."""

    start_time: Moment | None = Field(None, description="Required.")
    end_time: Moment | None = Field(None, description="Required; excluded.")
    baseline: Length = Field(
        28 * MICROSECONDS[DAY],
        description="How long the window is that ends where the other begins, and is compared with it:"
        " hours, days or weeks. 28d by default.",
        json_schema_extra={"default": "28d"},
    )

    @model_validator(mode="after")
    def _window_is_given(self) -> Self:
        check_window(self.start_time, self.end_time, "the window to explain")
        return self

    @property
    def fields(self) -> tuple[FieldFilter, ...]:
        """The filters by fields."""
        return self._field_filters

    @property
    def window(self) -> tuple[int, int]:
        """The window to explain."""
        return self.start_time or 0, self.end_time or 0

    @property
    def before(self) -> tuple[int, int]:
        """The window to compare it with."""
        start = self.start_time or 0
        return max(0, start - self.baseline), start
