"""Who speaks in a turn, from the words that files use for it."""

from collections.abc import Mapping
from typing import Any

CUSTOMER, AGENT = "customer", "support_agent"
NAMES = ("role", "user_type", "inbound")
ROLES = {
    **dict.fromkeys(("customer", "user", "end-user", "end_user", "enduser"), CUSTOMER),
    **dict.fromkeys(("support_agent", "agent", "assistant", "bot", "admin"), AGENT),
}
INBOUND = {"true": CUSTOMER, "1": CUSTOMER, "false": AGENT, "0": AGENT}
LEFT_OUT = {
    **dict.fromkeys(("system", "developer"), "system turn"),
    **dict.fromkeys(("notice", "event", "activity"), "system notice"),
    **dict.fromkeys(("tool", "function"), "tool call"),
    **dict.fromkeys(("note", "internal", "internal_note"), "internal note"),
}
INTERNAL = {
    "private": "true",
    "is_private": "true",
    "internal": "true",
    "is_internal": "true",
    "public": "false",
}


def role_of(fields: Mapping[str, Any]) -> str | None:
    """`customer` or `support_agent`; None where nothing says who speaks.

    Raises ValueError where the word is not known, or two fields disagree.
    """
    found = {_role(name, fields[name]) for name in NAMES if fields.get(name) not in (None, "")}
    if len(found) > 1:
        raise ValueError(f"{', '.join(name for name in NAMES if name in fields)} disagree on who speaks")
    return found.pop() if found else None


def speaks_as_agent(fields: Mapping[str, Any]) -> bool:
    """Whether a row that stands alone is an agent's. A column that only has such a name (`role: engineer`) is none."""
    words = {name: _word(fields[name]) for name in NAMES if fields.get(name) not in (None, "")}
    known = all(word in (INBOUND if name == "inbound" else ROLES) for name, word in words.items())
    return known and role_of(fields) == AGENT


def left_out(fields: Mapping[str, Any]) -> str | None:
    """What kind of turn this is, if it is none that customer or agent said to the other; else None."""
    for name, word in INTERNAL.items():
        if _word(fields.get(name)) == word:
            return "internal note"
    words = (_word(fields.get(name)) for name in NAMES)
    return next((LEFT_OUT[word] for word in words if word in LEFT_OUT), None)


def _role(name: str, value: object) -> str:
    known = INBOUND if name == "inbound" else {**ROLES, **INBOUND}
    role = known.get(_word(value))
    if role is None and name == "inbound":
        raise ValueError("inbound is neither true nor false")
    if role is None:
        raise ValueError("the role is neither customer nor support_agent")
    return role


def _word(value: object) -> str:
    return str(value).strip().lower().replace(" ", "_")
