"""The query parameters of chats: pages, and filters by user, time and words."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Parameters, Word, moment, without_nul
from domain.buckets import DAY, MICROSECONDS
from domain.search_words import phrases_in
from store.conversations.chat_lists import ChatFilter

WHAT_FRESHNESS_SAYS = "`day`: an answer within a day will do, so that it may be cheaper"
LAST_PAGE = 1_000_000_000
"""No list is that long; its offset fits the 64 bits of a database's integers."""
A_DATE_OR_TIME: Any = {"anyOf": [{"type": "string", "format": form} for form in ("date", "date-time")]}


def _end(value: object) -> int:
    """The end of a window in UTC microseconds: a date includes its whole day, a time is exclusive."""
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return moment(value)
    return moment(value) + MICROSECONDS[DAY]


Start = Annotated[int, BeforeValidator(moment), WithJsonSchema(A_DATE_OR_TIME)]
End = Annotated[int, BeforeValidator(_end), WithJsonSchema(A_DATE_OR_TIME)]
Keyword = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(without_nul)]


class PageParameters(Parameters):
    """Of any list: which page."""

    page: Annotated[int, Field(ge=1, le=LAST_PAGE)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def offset(self) -> int:
        """How many entries precede the page."""
        return (self.page - 1) * self.limit


class MessagesParameters(PageParameters):
    """Of one chat: which page of its messages."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50


class ChatsParameters(PageParameters):
    """Of the list of chats that have a message which meets every filter."""

    user_id: Word | None = Field(None, description="The author of the message.")
    start_date: Start | None = Field(None, description="The message was written then or later.")
    end_date: End | None = Field(None, description="A date includes its whole day; a time is excluded.")
    keyword: Keyword | None = Field(
        None, description='Words that the message contains, all of them; "in quotes": as a phrase.'
    )

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.start_date is not None and self.end_date is not None and self.start_date >= self.end_date:
            raise PydanticCustomError("window", "start_date: must be before the end of the window")
        return self

    @property
    def filter(self) -> ChatFilter:
        """The chats to list."""
        phrases = None if self.keyword is None else phrases_in(self.keyword)
        return ChatFilter(self.user_id, self.start_date, self.end_date, phrases)


class PostChatsParameters(Parameters):
    """Of messages that are added."""

    freshness: Annotated[Literal["now", "day"], Field(description=WHAT_FRESHNESS_SAYS)] = "now"
