"""What can be asked of chats: pages, and filters by user, time and words."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Parameters, Word, moment, storable
from domain.buckets import DAY, MICROSECONDS
from domain.search_words import wanted
from store.conversations.chat_lists import ChatFilter

A_DATE_OR_TIME: Any = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}


def _end(value: object) -> int:
    """Where a window ends: after a date's whole day, at a time itself."""
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return moment(value)
    return moment(value) + MICROSECONDS[DAY]


Start = Annotated[int, BeforeValidator(moment), WithJsonSchema(A_DATE_OR_TIME)]
End = Annotated[int, BeforeValidator(_end), WithJsonSchema(A_DATE_OR_TIME)]
Keyword = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]


class PageParameters(Parameters):
    """Of a list of chats."""

    page: Annotated[int, Field(ge=1)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def offset(self) -> int:
        """How many entries stand before the page."""
        return (self.page - 1) * self.limit


class MessagesParameters(PageParameters):
    """Of a chat: a page of its messages."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50


class ChatsParameters(PageParameters):
    """Of chats with a message that meets every filter."""

    user_id: Word | None = Field(None, description="Who wrote it.")
    start_date: Start | None = Field(None, description="It was said then or later.")
    end_date: End | None = Field(None, description="A date is in the window to its end, a time is not.")
    keyword: Keyword | None = Field(
        None, description='Words that it contains, all of them; "in quotes" as they stand.'
    )

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.start_date is not None and self.end_date is not None and self.start_date >= self.end_date:
            raise PydanticCustomError("window", "start_date: is not before the end of the window")
        return self

    @property
    def asked(self) -> ChatFilter:
        """Which chats are asked for."""
        phrases = None if self.keyword is None else wanted(self.keyword)
        return ChatFilter(self.user_id, self.start_date, self.end_date, phrases)
