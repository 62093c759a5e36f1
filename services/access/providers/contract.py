"""What a log-in provider is to the service."""

import base64
import hashlib
from typing import NamedTuple, Protocol

from core.errors import LoginFailed
from domain.admission import Identity

LONGEST_SUBJECT, LONGEST_EMAIL = 255, 320


class Challenge(NamedTuple):
    """What a log-in is begun with, and what its end has to fit."""

    nonce: str
    verifier: str
    redirect_uri: str

    @property
    def digest(self) -> str:
        """The code challenge of PKCE with S256."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")


class Returned(NamedTuple):
    """What a provider sends back by way of the browser."""

    code: str
    issuer: str | None = None
    """`iss` of RFC 9207."""


class IdentityProvider(Protocol):
    """Lets people prove who they are."""

    @property
    def label(self) -> str:
        """Its name for people."""

    async def address(self, state: str, challenge: Challenge) -> str:
        """Where to send the browser. Raises LoginUnavailable."""

    async def identity(self, returned: Returned, challenge: Challenge) -> Identity:
        """Who has logged in. Raises LoginFailed and LoginUnavailable."""


def identified(provider: str, subject: object, email: object, domain: object) -> Identity:
    """An identity of what a provider says. Raises LoginFailed if it cannot be one."""
    if not _is_word(subject, LONGEST_SUBJECT):
        raise LoginFailed("provider gives no usable id of the person")
    if not _is_word(email, LONGEST_EMAIL) or "@" not in str(email):
        raise LoginFailed("provider gives no usable e-mail")
    return Identity(provider, str(subject), str(email), str(domain))


def _is_word(value: object, most: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= most and value.isprintable()
