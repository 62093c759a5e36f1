"""Who calls, and what a role may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A viewer reads; an agent also writes; an admin also deletes, retries and manages keys."""

    VIEWER = "viewer"
    AGENT = "agent"
    ADMIN = "admin"

    def includes(self, needed: "Role") -> bool:
        """Whether whoever has this role may do what `needed` may."""
        return RANK[self] >= RANK[needed]


RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request."""

    actor: str
    """As the audit log names it: `key:ID`, `account:ID`, or `anonymous`."""
    name: str
    role: Role
    owner: str = ""
    """Whose `external_id`s and idempotency keys it uses; empty while the service is open."""
    means: str = "none"
    """How it proved who it is: `key`, `token`, `session` or `ticket`; `none` while the service is open."""


ANONYMOUS = Caller("anonymous", "anonymous", Role.ADMIN)
"""Everybody, while the service is open."""
