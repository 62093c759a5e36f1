"""What a run is given, and what it tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llm.discovery.vectors import Matrix, Numbers


class Utterance(NamedTuple):
    """A conversation: its number, a number for who said it, whether in the window or before it, its language ('' for an
    unknown one), its cleaned text, and the numbers of its topics."""

    number: int
    person: int
    recent: bool
    language: str
    text: str
    topics: Sequence[int]


class GroupTopic(NamedTuple):
    """The topic that explains a group, or else the one that lumps most of it together with others; None: no such."""

    number: int | None
    explains: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A group that was found.

    `now` and `before` count people in the window and in the equally long one before it, `p` is the chance of as much
    growth without a reason, `grew` says that it is significant. `former` is the id that it had in the last run;
    `came_from` are the groups of then that its conversations were in, with their shares.
    """

    language: str
    members: Numbers
    centroid: Matrix
    people: int
    now: int
    before: int
    p: float
    grew: bool
    words: list[str]
    examples: list[int]
    former: str | None
    came_from: list[tuple[str, float]]
    topic: GroupTopic


class Lost(NamedTuple):
    """A group of the last run that is gone, and the places of the groups that its conversations are in now."""

    id: str
    now_in: list[tuple[int, float]]
