"""The query parameters of the list of people."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from api.parameters import cursors
from api.parameters.common import Limit
from api.parameters.insights import Microseconds
from api.parameters.windows import OpenWindowParameters, refuse_other
from models import AGENT, CUSTOMER
from store.insights.people_sums import PeopleSort, PeopleWindow, Place

RoleName = Literal["customer", "support_agent"]
ROLE_OF: dict[str, int] = {"customer": CUSTOMER, "support_agent": AGENT}
SortName = Literal[
    "-negative",
    "negative",
    "-conversations",
    "conversations",
    "-mean",
    "mean",
    "-open_cases",
    "open_cases",
    "-last_seen",
    "last_seen",
    "id",
    "-id",
]


class PeopleCursor(BaseModel):
    """A list of people and the place at which its last page ended. Clients see it as one opaque word."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Literal[1, 2]
    start: Microseconds
    end: Microseconds
    sort: Annotated[PeopleSort, Field(strict=False)]
    value: int | str
    person: Annotated[int, Field(ge=0, lt=2**63)]


def people_cursor(word: object) -> PeopleCursor:
    """The inverse of `next_people`. Raises ValueError."""
    return cursors.from_word(word, PeopleCursor, "next_cursor")


def next_people(window: PeopleWindow, sort: PeopleSort, place: Place) -> str:
    """The cursor that leads to the page after a place."""
    given: dict[str, Any] = {"role": window.role, "start": window.start, "end": window.end, "sort": sort}
    return cursors.to_word(PeopleCursor(**given, value=place.value, person=place.person))


class PeopleParameters(OpenWindowParameters):
    """Of the list of people."""

    role: RoleName = Field("customer", description="In which role they wrote.")
    sort: SortName = Field(
        "-negative", description="A field; `-` stands for descending. Ascending is the reverse of descending."
    )
    limit: Limit = 100
    cursor: (
        Annotated[PeopleCursor, BeforeValidator(people_cursor), WithJsonSchema({"type": "string"})] | None
    ) = Field(None, description="From next_cursor. It carries the window, the role and the order.")

    @model_validator(mode="after")
    def _same_as_cursor(self) -> Self:
        if self.cursor is not None:
            refuse_other(self._differing(self.cursor))
        return self

    def _differing(self, carried: PeopleCursor) -> list[str]:
        given = {
            "end_time": self.end_time == carried.end,
            "role": ROLE_OF[self.role] == carried.role,
            "sort": self.sort == carried.sort,
            "start_time": self.start_time == carried.start,
        }
        return [name for name, same in given.items() if name in self.model_fields_set and not same]

    @property
    def window(self) -> PeopleWindow:
        """The conversations to count."""
        carried = self.cursor
        if carried is not None:
            return PeopleWindow(carried.role, carried.start, carried.end)
        return PeopleWindow(ROLE_OF[self.role], self.start, self.end)

    @property
    def order(self) -> PeopleSort:
        """The order of the list."""
        return PeopleSort(self.sort) if self.cursor is None else self.cursor.sort

    @property
    def after(self) -> Place | None:
        """The place at which the previous page ended."""
        return None if self.cursor is None else Place(self.cursor.value, self.cursor.person)
