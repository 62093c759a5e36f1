"""What the service answers about people, the values of fields, and open cases."""

from pydantic import AwareDatetime

from .base import Answer
from .chats import ChatSummary, Participant


class Person(Answer):
    """Somebody who wrote in a window, and what they have in it; `mean` is a score from -1 to 1."""

    id: str | None
    conversations: int
    negative: int
    mean: float | None
    topics: list[str]
    last_seen: AwareDatetime
    open_cases: int


class PeoplePage(Answer):
    """A page of people, in the order that was asked for."""

    people: list[Person]
    next_cursor: str | None


class FacetValue(Answer):
    """A value of a field, and how many have it; None if it cannot be decrypted."""

    value: str | None
    count: int


class Facets(Answer):
    """The values of a field, the commonest first."""

    field: str
    values: list[FacetValue]
    has_more: bool


class Case(ChatSummary):
    """A chat with its summary. Its case is open while the outcome is `maybe`."""

    timestamp: AwareDatetime
    participants: list[Participant]
    topics: list[str]
    has_open_questions: bool


class SummariesEstimate(Answer):
    """How many conversations lack a summary, and what these cost."""

    conversations: int
    usd: float
    usd_per_summary: float
    seconds: float
    based_on: str


class CasesPage(Answer):
    """A page of chats with their summaries, the newest first; `counts` are by outcome."""

    summaries: list[Case]
    counts: dict[str, int]
    next_cursor: str | None
