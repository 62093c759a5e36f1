"""Those who wrote, and the values of fields, as rows and as a sentence: no drawing, no calls."""

import re
from collections.abc import Mapping, Sequence
from math import inf, nextafter
from typing import Any

from client.answers import ChatItem, Facets, PeoplePage, Person
from client.answers.conversations import FieldValue
from dashboard import words
from dashboard.address import Address, PeopleOrder, Role
from dashboard.text import Row

SHOWN = 10
ROLES: Mapping[Role, str] = {"customer": "customers", "support_agent": "agents and companies"}
ORDERS: Mapping[PeopleOrder, str] = {
    "-negative": "most negative conversations first",
    "-conversations": "who came again most often first",
    "mean": "lowest mean sentiment first",
    "-open_cases": "most open cases first",
    "-last_seen": "seen last first",
    "id": "by name",
}
BARS: Mapping[PeopleOrder, tuple[str, str]] = {
    "-negative": ("negative", "Negative conversations"),
    "mean": ("mean", "Mean sentiment"),
    "-open_cases": ("open", "Open cases"),
}
"""Which column a chart of the people in an order has, and its title; else their conversations."""
CONVERSATIONS = ("conversations", "Conversations")
FIELDS: Mapping[str, str] = {
    "author": "author",
    "analyzer": "analyzer",
    "model": "model",
    "outcome": "outcome of the summary",
}
METADATA = "metadata."
RANGE = re.compile(
    r"(?P<opening>[\[(])(?P<low>-?(?:[0-9.]+|inf)), (?P<high>-?(?:[0-9.]+|inf))(?P<closing>[\])])"
)
FARTHEST = 1e12
"""Numbers of fields lie between this and its opposite."""
UNREADABLE = "(cannot be decrypted)"


def sentence(found: PeoplePage, role: Role, order: PeopleOrder) -> str:
    """How many wrote, how many of them came again, and who is first; true of the first page of a list."""
    if not found.people:
        return f"None of the {ROLES[role]} wrote in this window."
    more = "More than " if found.next_cursor else ""
    opening = f"{more}{len(found.people):,} {ROLES[role]} wrote in this window"
    return f"{opening}{_came_again(found, order)}. {_foremost(found.people[0], order)}".rstrip()


def _came_again(found: PeoplePage, order: PeopleOrder) -> str:
    """How many have several conversations, where the page has all of them."""
    again = sum(each.conversations > 1 for each in found.people)
    if found.next_cursor and not (order == "-conversations" and again < len(found.people)):
        return ""
    return f", {again:,} of them in more than one conversation" if again else ", each in one conversation"


def _foremost(first: Person, order: PeopleOrder) -> str:
    name = f"“{_name(first)}”"
    match order:
        case "-negative" if first.negative:
            return f"Nobody has more negative conversations than {name}: {first.negative:,} of {first.conversations:,}."
        case "-conversations":
            return f"Nobody came more often than {name}: {words.conversations(first.conversations)}."
        case "mean" if first.mean is not None:
            of = words.conversations(first.conversations)
            return f"Nobody has a lower mean than {name}: {words.score(first.mean)}, of {of}."
        case "-open_cases" if first.open_cases:
            return f"Nobody has more open cases than {name}: {first.open_cases:,}."
    return ""


def rows(people: Sequence[Person]) -> list[Row]:
    """A row for each of them; `id` is empty where the name cannot be decrypted."""
    return [
        {
            "id": each.id or "",
            "name": _name(each),
            "conversations": each.conversations,
            "negative": each.negative,
            "share": each.negative / each.conversations,
            "mean": each.mean,
            "open": each.open_cases,
            "open share": each.open_cases / each.conversations,
            "topics": ", ".join(each.topics),
            "last seen": each.last_seen,
        }
        for each in people
    ]


def _name(person: Person) -> str:
    return person.id or UNREADABLE


def values(found: Facets) -> list[Row]:
    """A row for each value of a field."""
    return [{"value": each.value or UNREADABLE, "n": each.count} for each in found.values]


def opened(address: Address, value: str) -> Address:
    """The address of a list of what has a value of the field that is counted."""
    if address.facet == "author":
        return address.but(author=value, value=None)
    if address.facet == "outcome":
        return address.but(outcome=value)
    return address.but(value=value)


def narrowed(address: Address) -> dict[str, Any]:
    """How a list of insights is narrowed to the value of a field, as arguments of the call."""
    if address.value is None:
        return {}
    if address.facet.startswith(METADATA):
        return {"metadata": {address.facet.removeprefix(METADATA): address.value}}
    if address.facet in FIELDS:
        return {address.facet: address.value} if address.facet in ("analyzer", "model") else {}
    return {"fields": {address.facet: _asked(address.value)}}


def _asked(value: str) -> str | tuple[float, float]:
    """The value of a field of the service's own as a call takes it: two numbers for a range such as `[10, 20)`."""
    found = RANGE.fullmatch(value)
    if found is None:
        return value
    low, high = float(found["low"]), float(found["high"])
    if found["opening"] == "(":
        low = nextafter(low, inf)
    return max(low, -FARTHEST), min(nextafter(high, -inf) if found["closing"] == ")" else high, FARTHEST)


def answers(fields: Mapping[str, FieldValue] | None) -> str:
    """The answers to fields, a line each; what has none is left out."""
    given = {name: value for name, value in (fields or {}).items() if value not in (None, [])}
    return "\n".join(f"{name}: {_answer(value)}" for name, value in given.items())


def _answer(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def chats(found: Sequence[ChatItem]) -> list[Row]:
    """A row for each conversation of somebody."""
    return [
        {
            "when": each.timestamp,
            "text": each.first_line,
            "sentiment": each.sentiment or each.status,
            "topics": ", ".join(each.topics),
            "messages": each.message_count,
        }
        for each in found
    ]
