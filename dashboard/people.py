"""Who is here, and what they may press."""

from dataclasses import dataclass
from typing import Literal

from client.answers import Me
from dashboard import api
from dashboard.api import Problem

Role = Literal["viewer", "agent", "admin"]
RANK: dict[Role, int] = {"viewer": 0, "agent": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever looks at the dashboard, as the service knows them."""

    name: str
    role: Role
    is_known: bool
    """False while the service is open and asks nobody who they are."""

    def may(self, role: Role) -> bool:
        """Whether they may do what takes this role. The service has the last word; this only hides what it refuses."""
        return RANK[self.role] >= RANK[role]


def person(me: Me) -> Person:
    """Somebody by what the service says of them."""
    return Person(me.name, me.role, me.means != "none")


def here() -> Person | None:
    """Whoever looks at the page, if the service says who that is; asks no second time."""
    me, _ = api.here()
    return None if isinstance(me, Problem) else person(me)
