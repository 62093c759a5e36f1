"""The views, for tests that hold for each: where it is, and an address at which the sample fills it."""

import re
from collections.abc import Mapping
from typing import NamedTuple

ALL_DAYS = {"from": "2026-11-12", "to": "2026-11-19"}


class View(NamedTuple):
    """A view; `{chat}` in the address stands for the id of a chat with a summary."""

    path: str
    title: str
    full: str | re.Pattern[str]
    """What only stands there once it is all drawn."""
    address: Mapping[str, str] = {}

    def filled(self, chat: str) -> dict[str, str]:
        """Its address, for a chat."""
        return {name: value.format(chat=chat) for name, value in self.address.items()}


VIEWS = (
    View("", "What changed", "A bar or a row opens"),
    View("day", "Why this day", "A row opens its conversation"),
    View("pair", "Two topics", "A row opens", {**ALL_DAYS, "topic": "delay", "other": "customer_service"}),
    View("who", "Who", "What they have in common", ALL_DAYS),
    View("person", "Person", "None of their conversations has a summary", {**ALL_DAYS, "person": "318842"}),
    View("cases", "Open cases", "What they are about", {**ALL_DAYS, "outcome": "all"}),
    View("conversations", "Conversations", "A row opens", ALL_DAYS),
    View("conversation", "Conversation", "Summary", {"id": "{chat}"}),
    View("topics", "Topics", "A row opens", ALL_DAYS),
    View("topic", "Topic", "Split", {"topic": "billing"}),
    View("topic-changes", "What was done to topics", re.compile("Nobody has changed|The next undo")),
    View("health", "Health and money", "Jobs"),
    View("new-topics", "New topics", "There is none", ALL_DAYS),
)
