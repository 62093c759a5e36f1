"""The address of a page says what it shows: window, filters, opened record. It can be sent, and Back works by it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, Self

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST = 1_000
Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Sentiment = Literal["positive", "neutral", "negative", "unsure"]
Baseline = Literal["7d", "14d", "28d", "91d"]
Role = Literal["customer", "support_agent"]
PeopleOrder = Literal["-negative", "-conversations", "mean", "-open_cases", "-last_seen", "id"]
Outcome = Literal["maybe", "yes", "no", "curious", "all"]
EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)


class Window(NamedTuple):
    """Whole UTC days, from the first to the last, both of them included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """The moment it begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The moment it ends, which is not in it."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Window":
        """The window of the same length before it."""
        return Window(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


class Address(BaseModel):
    """What an address says. Every field has a default, which is left out of the address."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    first: date | None = Field(None, alias="from", ge=EARLIEST, le=LATEST)
    last: date | None = Field(None, alias="to", ge=EARLIEST, le=LATEST)
    confidence: int = Field(0, ge=0, le=100)
    """The lowest confidence, in percent."""
    sentiment: Sentiment | None = None
    topic: Text | None = None
    words: Text | None = Field(None, alias="q")
    author: Text | None = None
    sort: Literal["-timestamp", "timestamp", "score", "-score", "confidence", "-confidence"] = "-timestamp"
    cursor: Text | None = None
    """Where a page of a list begins."""
    id: Text | None = None
    """The record that is opened, such as a conversation."""
    proposal: Text | None = None
    """The group of conversations that might be a topic, and is opened."""
    state: Literal["active", "hidden", "merged", "proposed", "accepted", "rejected"] | None = None
    """Of topics, or of what might become one."""
    page: int = Field(1, ge=1, le=1_000_000_000)
    message: int | None = Field(None, ge=1)
    """The message of the conversation that is pointed to, counted from 1."""
    baseline: Baseline = "28d"
    """The days before the window with which it is compared."""
    role: Role = "customer"
    order: PeopleOrder = "-negative"
    """In which order people are listed."""
    person: Text | None = None
    """Somebody who wrote."""
    facet: Text = "author"
    """The field whose values are counted."""
    value: Text | None = None
    """One of its values."""
    outcome: Outcome = "maybe"
    """How a case stands; `maybe` is open."""
    questions: Literal["any", "open"] = "any"
    """Whether only cases with a question that is not answered are shown."""
    step: Literal["price"] | None = None
    """How far somebody is on the way to a job."""
    job: Text | None = None
    """The job that is watched."""
    other: Text | None = None
    """The topic that `topic` is compared with."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> tuple[Self, frozenset[str]]:
        """What an address says, and the names of its parameters that make no sense; those count as left out."""
        try:
            return cls.model_validate(given)._in_order(), frozenset()
        except ValidationError as error:
            bad = frozenset(str(each["loc"][0]) for each in error.errors())
        kept, more = cls.of({name: value for name, value in given.items() if name not in bad})
        return kept, bad | more

    @classmethod
    def current(cls) -> Self:
        """What the address of this page says."""
        return cls.of(st.query_params.to_dict())[0]

    @property
    def window(self) -> Window | None:
        """The window that it names, if it does."""
        return Window(self.first, self.last) if self.first and self.last else None

    @property
    def min_confidence(self) -> float | None:
        """The lowest confidence as the service takes it, from 0 to 1."""
        return self.confidence / 100 if self.confidence else None

    def but(self, **changes: object) -> Self:
        """The same with other values. Raises ValidationError for one that makes no sense."""
        return self.model_validate({**self.model_dump(), **changes})

    def within(self, window: Window) -> Self:
        """The same for a window, which stays the same however late the address is opened."""
        return self.but(first=window.first, last=window.last)

    def only(self, *names: str) -> Self:
        """The same without anything but these fields."""
        return self.model_validate(self.model_dump(include=set(names)))

    @property
    def parameters(self) -> dict[str, str]:
        """As they stand in an address."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {name: str(value) for name, value in given.items()}

    def write(self) -> None:
        """Make it the address of this page, with an entry in the browser's history."""
        st.query_params.from_dict(self.parameters)

    def _in_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            return self.but(first=self.last, last=self.first)
        return self


WINDOW = ("first", "last")
"""The fields that go along from view to view."""


def changed(**changes: object) -> None:
    """Write another address: this page's with other values, from the first page of the list again."""
    Address.current().but(cursor=None, page=1, message=None, **changes).write()
