"""The questions for `/insights` and `/trends`, and the same questions in plain SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.plain_sql import Plain
from benchmarks.questions import WINDOWS, Case, Filters, Window, placed
from benchmarks.timing import Client, Times
from domain.buckets import DAY, MICROSECONDS

INSIGHTS, TRENDS, PEOPLE = "/api/v1/insights", "/api/v1/trends", "/api/v1/people"
HUNDREDTH, PAGE, BIGGEST_PAGE = 100, 100, 1_000
PAGES_PER_WALK = 5
Question = tuple[Window, Filters]


@dataclass
class Run:
    """A service to query, the database behind it, and the number of requests per question."""

    client: Client
    plain: Plain
    requests: int
    first: int
    last: int
    dice: Random = field(default_factory=lambda: Random(7))  # noqa: S311  nothing is kept secret with it

    def questions(self, case: Case, window: str) -> list[Question]:
        """`requests` questions of a case, each for a window at a random place."""
        first = self.last - round((self.last - self.first) * case.newest)
        places = (placed(self.dice, first, self.last, WINDOWS[window]) for _ in range(self.requests))
        return [(place, case.filters(self.dice)) for place in places]

    def pages(self, asked: Sequence[Question]) -> Times:
        """Request the first page of each question."""
        for place, filters in asked:
            self.client.get(INSIGHTS, place.parameters() | filters)
        return self.client.taken()

    def pages_in_sql(self, asked: Sequence[Question]) -> list[float]:
        """The milliseconds of the same questions in plain SQL, whose counts must agree."""
        return [self._page_in_sql(place, filters) for place, filters in asked]

    def _page_in_sql(self, place: Window, filters: Filters) -> float:
        count, milliseconds = self.plain.window(place, filters)
        found = self.client.get(INSIGHTS, place.parameters() | filters)["metadata"]["total_count"]
        self.client.taken()
        return _agreed(milliseconds, found, count, f"{place} {filters}")

    def hundredth_pages(self, case: Case) -> Times:
        """The hundredth page of everything and the four after it, by cursor."""
        times = Times()
        for place, filters in self.questions(case, "everything")[::PAGES_PER_WALK]:
            cursor = self._walked(place, filters)
            for _ in range(PAGES_PER_WALK):
                body = self.client.get(INSIGHTS, {"cursor": cursor, "limit": PAGE})
                cursor = body["metadata"]["next_cursor"]
            times.add(self.client.taken())
        return times

    def _walked(self, place: Window, filters: Filters) -> str:
        """The cursor of the hundredth page, got with few big ones."""
        cursor, left = "", (HUNDREDTH - 1) * PAGE
        while left:
            size = min(BIGGEST_PAGE, left)
            asked = {"cursor": cursor} if cursor else place.parameters() | filters
            cursor = self.client.get(INSIGHTS, asked | {"limit": str(size)})["metadata"]["next_cursor"]
            left -= size
        self.client.taken()
        return cursor

    def trend_windows(self, days: int) -> list[Window]:
        """`requests` windows of so many days at random places."""
        length = days * MICROSECONDS[DAY]
        return [placed(self.dice, self.first, self.last, length) for _ in range(self.requests)]

    def trends(self, places: Sequence[Window]) -> Times:
        """The trends of these windows."""
        for place in places:
            self.client.get(TRENDS, place.parameters())
        return self.client.taken()

    def trends_in_sql(self, places: Sequence[Window]) -> list[float]:
        """The same in plain SQL, whose counts have to agree."""
        return [self._trends_in_sql(place) for place in places]

    def _trends_in_sql(self, place: Window) -> float:
        count, milliseconds = self.plain.trends(place)
        found = self.client.get(TRENDS, place.parameters())["total_insights"]
        self.client.taken()
        return _agreed(milliseconds, found, count, str(place))

    def people(self, places: Sequence[Window], sort: str) -> Times:
        """Who wrote in these windows."""
        for place in places:
            self.client.get(PEOPLE, place.parameters() | {"sort": sort})
        return self.client.taken()

    def people_in_sql(self, places: Sequence[Window], sort: str) -> list[float]:
        """The same in plain SQL, whose counts have to agree."""
        return [self._people_in_sql(place, sort) for place in places]

    def _people_in_sql(self, place: Window, sort: str) -> float:
        negative, milliseconds = self.plain.people(place, descending=sort.startswith("-"))
        listed = self.client.get(PEOPLE, place.parameters() | {"sort": sort})["people"]
        self.client.taken()
        return _agreed(milliseconds, sum(each["negative"] for each in listed), negative, f"{place} {sort}")


def _agreed(milliseconds: float, found: int, counted: int, what: str) -> float:
    if found != counted:
        raise RuntimeError(f"{what}: the service says {found}, plain SQL {counted}")
    return milliseconds
