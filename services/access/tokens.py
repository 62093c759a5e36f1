"""Tokens: JWTs of a quarter of an hour, which a program or a page sends in place of a key or a log-in.

A token holds no role: whom it stands for is looked up at each use, so that it dies with its key or account.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from core.bounded import Bounded
from core.clock import SECOND, Clock
from core.errors import EndedCredential
from core.secret_ring import SecretRing
from domain.roles import Caller
from services.access.digests import digest_of

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

PURPOSE = "tokens"
NAME = "insights-platform"
"""The issuer and the audience. Keys are derived from AUTH_SECRET: another installation's tokens do not verify."""
ALGORITHM = "HS256"
SECONDS = 900
REMEMBERED = 10_000
"""Tokens that are verified once and remembered; each takes about 300 bytes."""


class Verified(NamedTuple):
    """What is remembered of a token. Time in UTC microseconds."""

    actor: str
    expires_at: int


@dataclass
class Tokens:
    """Makes tokens and checks them. The first secret signs; all of them verify."""

    ring: SecretRing
    holder: Callable[[str], Caller]
    """Gives whom an actor names, as `Directory.by_actor`."""
    clock: Clock
    random_hex: Callable[[int], str]
    _known: Bounded[bytes, Verified] = field(default_factory=lambda: Bounded(REMEMBERED))

    @cached_property
    def _keys(self) -> "KeySet":
        # Imported at the first token: most services never see one, and joserfc takes 9 MB and 0.06 s of a start.
        from joserfc.jwk import KeySet, OctKey

        found = self.ring.keys(PURPOSE)
        return KeySet([OctKey.import_key(each.key, {"kid": each.id}) for each in found])

    def create(self, actor: str) -> str:
        """A token for the holder of a key, or for an account."""
        from joserfc import jwt

        # Given a set and no kid, joserfc signs with a key that it draws by lot.
        first = self._keys.keys[0]
        now = self.clock() // SECOND
        claims = {
            "iss": NAME,
            "aud": NAME,
            "sub": actor,
            "iat": now,
            "exp": now + SECONDS,
            "jti": self.random_hex(16),
        }
        return jwt.encode({"alg": ALGORITHM, "kid": first.kid}, claims, first, algorithms=[ALGORITHM])

    async def check(self, text: str) -> Caller:
        """Whom the token stands for. Raises BadCredential and NotWritable."""
        digest = digest_of(text)
        known = self._known.get(digest)
        if known is None:
            known = self._known[digest] = self._verified(text)
        if known.expires_at <= self.clock():
            raise EndedCredential("expired token")
        return replace(self.holder(known.actor), means="token")

    def _verified(self, text: str) -> Verified:
        from joserfc.jwt import JWTClaimsRegistry

        from services.access.jwts import read_claims

        required = JWTClaimsRegistry(
            now=self.clock() // SECOND,
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            iss={"essential": True, "value": NAME},
            aud={"essential": True, "value": NAME},
        )
        claims = read_claims(text, self._keys, [ALGORITHM], required)
        return Verified(claims["sub"], int(claims["exp"] * SECOND))
