"""The query parameters of facets and of the list of summaries."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from api.parameters import cursors
from api.parameters.common import Limit, Slug, Word
from api.parameters.fields import FieldFilterParameters
from api.parameters.insights import Microseconds
from api.parameters.windows import OpenWindowParameters, refuse_other
from domain.fields.filters import NAMED, FieldFilter
from domain.summaries import Outcome
from store.insights.case_list import CaseSelection, Moment

FIELDS = ("author", "analyzer", "model", "outcome")
METADATA = "metadata."
POSSIBLE = f"{', '.join(FIELDS)}, metadata.KEY or a field of FIELDS_FILE"


def _field(name: str) -> str:
    is_metadata = name.startswith(METADATA) and len(name) > len(METADATA)
    if not is_metadata and NAMED.fullmatch(name) is None:
        raise ValueError(f"must be one of {POSSIBLE}")
    return name


class FacetsParameters(FieldFilterParameters, OpenWindowParameters):
    """Of the values of a field."""

    field: Annotated[str, Field(max_length=80), AfterValidator(_field)]
    limit: Limit = 100

    @property
    def narrowed(self) -> tuple[FieldFilter, ...]:
        """The filters by fields."""
        return self._field_filters

    @property
    def can_be_narrowed(self) -> bool:
        """Whether filters by fields narrow what is counted."""
        return self.own_field is not None or self.field in ("analyzer", "model")

    @property
    def own_field(self) -> str | None:
        """The field of FIELDS_FILE whose values are asked for; None if it is not one of those."""
        return None if self.field in FIELDS or self.field.startswith(METADATA) else self.field


class CasesCursor(BaseModel):
    """A list of summaries and the place at which its last page ended. Clients see it as one opaque word."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    start: Microseconds
    end: Microseconds
    outcome: Outcome | None
    has_open_questions: bool | None
    cluster: Slug | None
    person: Word | None
    timestamp: Microseconds
    number: Annotated[int, Field(ge=0, lt=2**63)]


FILTERS = ("start", "end", "outcome", "has_open_questions", "cluster", "person")


def cases_cursor(word: object) -> CasesCursor:
    """The inverse of `CasesParameters.next_page`. Raises ValueError."""
    return cursors.from_word(word, CasesCursor, "next_cursor")


class CasesParameters(OpenWindowParameters):
    """Of the list of summaries."""

    outcome: Literal["yes", "no", "maybe", "curious"] | None = None
    has_open_questions: bool | None = None
    cluster: Slug | None = Field(None, description="A topic: its slug, an alias or its label, in any case.")
    person: Word | None = None
    limit: Limit = 100
    cursor: (
        Annotated[CasesCursor, BeforeValidator(cases_cursor), WithJsonSchema({"type": "string"})] | None
    ) = Field(None, description="From next_cursor. It carries the window and the filters.")

    @model_validator(mode="after")
    def _same_as_cursor(self) -> Self:
        if self.cursor is not None:
            names = {"start": "start_time", "end": "end_time"}
            given = {name for name in FILTERS if names.get(name, name) in self.model_fields_set}
            other = [name for name in given if getattr(self, name) != getattr(self.cursor, name)]
            refuse_other(sorted(names.get(name, name) for name in other))
        return self

    @property
    def chosen(self) -> "CasesParameters | CasesCursor":
        """What carries the window and the filters."""
        return self if self.cursor is None else self.cursor

    def selection(self, topic: int) -> CaseSelection:
        """The chats to list; `topic` is the number that the cluster is counted under."""
        c = self.chosen
        return CaseSelection(c.start, c.end, c.outcome, c.has_open_questions, topic, c.person)

    @property
    def after(self) -> Moment | None:
        """The moment at which the previous page ended."""
        return None if self.cursor is None else (self.cursor.timestamp, self.cursor.number)

    def next_page(self, place: Moment) -> str:
        """The cursor that leads to the page after a moment."""
        carried = {name: getattr(self.chosen, name) for name in FILTERS}
        return cursors.to_word(CasesCursor(**carried, timestamp=place[0], number=place[1]))
