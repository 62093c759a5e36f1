"""The query parameters of trends: a window, its filters, and the time zone and interval of the series."""

from collections.abc import Set
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Moment, Slug, Word
from api.parameters.fields import FieldFilterParameters
from api.parameters.insights import Share, check_window, percent
from domain.buckets import DAY, HOUR, MICROSECONDS
from domain.fields.filters import FieldFilter
from domain.local_time import Interval
from store.insights.trends import Calendar

LONGEST = 3_660
"""Days: ten years."""
MOST_POINTS = 4_000
"""Points of a series: the hours of five months, or the days of ten years."""
SHORTEST = {"hour": MICROSECONDS[HOUR], "day": MICROSECONDS[DAY]}
"""Microseconds, of the intervals of which a window of LONGEST may have too many."""
NEAR = 5


def known_zone(name: str) -> str:
    """The name itself. Raises PydanticCustomError, with the zones of a similar name, if it is not that of a zone."""
    known = _zones()
    if name in known:
        return name
    lower = {each.lower(): each for each in sorted(known)} | {_city(each): each for each in sorted(known)}
    near = [lower[each] for each in get_close_matches(name.lower(), lower, n=NEAR, cutoff=0.6)]
    alike = f"; similar ones: {', '.join(dict.fromkeys(near))}" if near else ", such as Europe/Berlin"
    raise PydanticCustomError("zone", "no time zone of this name is known{alike}", {"alike": alike})


@cache
def _zones() -> Set[str]:
    """The names of all zones, read once: the library looks through a folder of 600 files each time, in 7 ms."""
    return available_timezones()


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].lower()


Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(known_zone)]


class TrendsParameters(FieldFilterParameters):
    """Of trends: a number of days, or a window."""

    days: Annotated[int, Field(ge=1, le=365, description="Days before now.")] = 7
    start_time: Moment | None = None
    end_time: Moment | None = None
    interval: Literal["hour", "day", "week", "month"] | None = Field(
        None,
        description="The length of the series' buckets; by default hours for up to 7 days, longer in days.",
    )
    tz: Zone = Field(
        "UTC",
        description="The time zone whose clocks the buckets go by, such as `Europe/Berlin`. Weeks begin on Monday.",
    )
    min_confidence: Share = Field(0, validate_default=True)
    analyzer: Word | None = Field(None, description="What made the insights: grok, gemini or offline.")
    cluster: Slug | None = Field(None, description="A topic: its slug or its label, in any case.")

    @model_validator(mode="after")
    def _days_or_window(self) -> Self:
        given = self.model_fields_set & {"start_time", "end_time"}
        if not given:
            self._check_points(self.days * MICROSECONDS[DAY])
            return self
        if "days" in self.model_fields_set:
            names = ", ".join(sorted(given))
            raise PydanticCustomError("window", "days: give either days or {names}", {"names": names})
        start, end = check_window(self.start_time, self.end_time, "or give days instead")
        if end - start > LONGEST * MICROSECONDS[DAY]:
            raise PydanticCustomError("window", "end_time: must be within ten years of start_time")
        self._check_points(end - start)
        return self

    def _check_points(self, length: int) -> None:
        shortest = SHORTEST.get(self.interval or "")
        if shortest and length > MOST_POINTS * shortest:
            context = {"interval": self.interval, "most": f"{MOST_POINTS:,}"}
            reason = "interval: the window has more than {most} points by the {interval}; take a longer one"
            raise PydanticCustomError("interval", reason, context)

    def window(self, now: int) -> tuple[int, int]:
        """The window `[start, end)` in UTC microseconds."""
        if self.start_time is None or self.end_time is None:
            return max(0, now - self.days * MICROSECONDS[DAY]), now
        return self.start_time, self.end_time

    @property
    def calendar(self) -> Calendar:
        """How the series is divided."""
        return Calendar(ZoneInfo(self.tz), None if self.interval is None else Interval(self.interval))

    @property
    def percent(self) -> int:
        """The lowest confidence."""
        return percent(self.min_confidence)

    @property
    def reads_insights(self) -> bool:
        """Whether insights may be read one by one, which takes longer than a request should keep others waiting."""
        return self.percent > 0 or self.analyzer is not None or bool(self._field_filters)

    @property
    def fields(self) -> tuple[FieldFilter, ...]:
        """The filters by the operator's fields."""
        return self._field_filters
