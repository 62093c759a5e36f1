"""Groups of conversations that might be topics."""

from typing import Literal

from pydantic import AwareDatetime

from .base import Answer
from .insights import ListedInsight


class ProposalGrowth(Answer):
    """How many people there are in a group, in the window and in the equally long one before it."""

    people: int
    people_before: int
    p: float
    is_significant: bool


class GroupShare(Answer):
    """A share of a group's conversations that is in another group."""

    id: str
    share: float


class ProposalExample(Answer):
    """A conversation that is typical of a group."""

    conversation_id: str
    timestamp: AwareDatetime
    text: str


class Proposal(Answer):
    """A group of conversations that might be a topic. `went_to` is None while it is found."""

    id: str
    state: Literal["proposed", "accepted", "rejected"]
    name: str
    named_by: str | None
    description: str | None
    slug: str
    words: list[str]
    language: str | None
    size: int
    people: int
    growth: ProposalGrowth
    part_of: str | None
    came_from: list[GroupShare]
    went_to: list[GroupShare] | None
    topic: str | None
    examples: list[ProposalExample]
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    decided_by: str | None
    decided_at: AwareDatetime | None


class ProposalsPage(Answer):
    """A page of proposals, the largest first."""

    proposals: list[Proposal]
    next_cursor: str | None


class ProposalPage(Proposal):
    """A proposal with a page of its conversations, in the order of their intake."""

    insights: list[ListedInsight]
    next_cursor: str | None
