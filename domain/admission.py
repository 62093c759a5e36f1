"""Who may come in after a log-in, and as what: a provider vouches for an e-mail address, the settings list them."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.roles import Role

LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class Identity(NamedTuple):
    """Who has logged in, as a provider says."""

    provider: str
    subject: str
    """The provider's lasting id of the person."""
    email: str
    """It is verified."""
    domain: str
    """The domain that the provider says the person belongs to; empty for none."""


class Admission:
    """The lists of who may come in."""

    def __init__(self, admins: Iterable[str], viewers: Iterable[str], domains: Iterable[str]) -> None:
        """`admins` and `viewers` are e-mail addresses; everybody of a domain is a viewer."""
        self._admins = frozenset(map(folded, admins))
        self._viewers = frozenset(map(folded, viewers))
        self._domains = frozenset(map(folded, domains))

    def role_of(self, person: Identity) -> Role | None:
        """The highest role that a list gives; None if the person is on none."""
        email = folded(person.email)
        if email in self._admins:
            return Role.ADMIN
        if email in self._viewers or folded(person.domain) in self._domains:
            return Role.VIEWER
        return None


def folded(text: str) -> str:
    """The text with A to Z in lower case, and nothing else.

    `str.lower` makes the Kelvin sign a k, so that whoever has an address with one would be taken for somebody else.
    """
    return text.translate(LOWER)


def domain_of(email: str) -> str:
    """What stands after the last @ of an e-mail address."""
    return email.rpartition("@")[2]
