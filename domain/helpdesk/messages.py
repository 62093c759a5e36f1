"""A help desk's conversation, whichever help desk it comes from, and the values that its fields may have.

A body that cannot be mapped is a ValueError. It names the field and what is wrong with it, never the value.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Speaker = Literal["customer", "support_agent"]
CUSTOMER: Speaker = "customer"
AGENT: Speaker = "support_agent"

NOTE, NOTICE, MEDIA = "internal note", "system notice", "media"
"""Kinds of what is left out: private notes, what the system says, and messages without any text."""
ATTACHMENT, DELETED = "attachment", "deleted message"
"""Files beside a text that is kept, and messages whose text was taken away."""

ROLES_APART = frozenset({"chatwoot"})
"""Help desks where a customer and an agent may have the same id."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HelpdeskMessage:
    """What customer or agent said to the other. `said_at` has an offset; it is None where nothing says when."""

    id: str
    author: str | None
    role: Speaker
    text: str
    said_at: datetime | None


@dataclass(slots=True)
class HelpdeskConversation:
    """Messages of one conversation, all of it or one message of a webhook, in the order of the body.

    `left_out` counts by kind what is in the body and is not a message of customer or agent.
    """

    id: str
    messages: list[HelpdeskMessage] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def required_id(fields: Body, name: str) -> str:
    """An id as a text. Raises ValueError where there is none."""
    found = optional_id(fields, name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def optional_id(fields: Body, name: str) -> str | None:
    """An id as a text; None where there is none. Raises ValueError where it is neither a text nor a whole number."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} is neither a text nor a whole number")
    return str(value)


def text_in(fields: Body, name: str) -> str:
    """The text of a field; empty where there is none. Raises ValueError where it is something else."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def moment_in(fields: Body, name: str) -> datetime | None:
    """When it was said: epoch seconds, ISO 8601, or `2020-03-03 13:05:57 UTC`; no offset means UTC.

    In whole seconds, because APIs and exports say no more of a message of which the webhook has milliseconds. None
    where there is nothing. Raises ValueError.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC).replace(microsecond=0)
        if isinstance(value, str):
            return _from_text(value.strip()).replace(microsecond=0)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"{name} is not a time that is read: epoch seconds or ISO 8601")


def _from_text(written: str) -> datetime:
    if written.replace(".", "", 1).isdecimal():
        return datetime.fromtimestamp(float(written), UTC)
    found = datetime.fromisoformat(f"{written[:-4]}+00:00" if written.endswith(" UTC") else written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def flag_in(fields: Body, name: str) -> bool:
    """True or false. Raises ValueError where it is neither, or not there: absent is not public."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is missing" if value is None else f"{name} is neither true nor false")
    return value


def object_in(fields: Body, name: str) -> Body:
    """The object in a field; empty where there is none. Raises ValueError where it is something else."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is not an object")
    return value


def objects_in(fields: Body, name: str) -> Iterator[Body]:
    """The objects of a list; none where there is no list. Raises ValueError where it holds something else."""
    value = fields.get(name)
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ValueError(f"{name} is not a list of objects")
    yield from value


def keeps(conversation: HelpdeskConversation, text: str, files: int) -> bool:
    """Whether a message goes in: it does where it has a text. Counts as left out what does not, media or a notice."""
    if text.strip():
        conversation.left_out.update({ATTACHMENT: files} if files else {})
        return True
    conversation.left_out[MEDIA if files else NOTICE] += 1
    return False


def files_in(fields: Body) -> int:
    """How many files are attached. Raises ValueError."""
    return sum(1 for _ in objects_in(fields, "attachments"))


def person(source: str, message: HelpdeskMessage, *, is_apart: bool) -> str:
    """What the author is called, in a webhook and in a file alike: an id with its source before it.

    `is_apart` says that a customer and an agent of this help desk may have the same id.
    """
    kind = "customer" if message.role == CUSTOMER else "agent"
    name = message.author
    return ":".join(filter(None, (source, kind if is_apart or name is None else None, name)))


def pieces(name: str, text: str, longest: int) -> Iterator[tuple[str, str]]:
    """Ids and texts of what a message called `name` becomes: several where it has more characters than `longest`."""
    for part, first in enumerate(range(0, len(text), longest), 1):
        if (piece := text[first : first + longest]).strip():
            yield (name if part == 1 else f"{name}/{part}"), piece
