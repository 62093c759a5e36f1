"""Log-in at a provider that speaks OpenID Connect: authorization code, PKCE, nonce, and an ID token that is checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key
from joserfc.jwt import JWTClaimsRegistry

from core.clock import HOUR, SECOND, Clock
from core.errors import BadCredential, LoginFailed, LoginUnavailable
from core.login_settings import secure_url
from domain.admission import Identity, domain_of
from services.access.jwts import Claims, UnknownSigningKey, read_claims
from services.access.providers.contract import Challenge, Returned, identified
from services.access.providers.web import Form, Json, ProviderWeb

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Asymmetric ones only: with HS256 the public key could be used as a secret."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ."""
KEPT = HOUR
"""For so long the provider's addresses are not asked for again."""
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def vouched(claims: Claims) -> str | None:
    """The domain of a verified e-mail; None if it is not verified. Some providers write "true" as text."""
    found = claims.get("email_verified")
    if found is not True and found != "true":
        return None
    return domain_of(str(claims.get("email", "")))


def vouched_by_google(claims: Claims) -> str | None:
    """The Workspace domain, empty for none; None if Google does not vouch for the e-mail.

    Google vouches for its own addresses and for those of a Workspace. Any other was verified once, and may belong to
    somebody else by now.
    """
    domain = claims.get("hd", "")
    own = str(claims.get("email", "")).lower().endswith("@gmail.com")
    return str(domain) if vouched(claims) is not None and (domain or own) else None


@dataclass
class OidcProvider:
    """A provider with discovery. `issuer` is compared as it is written."""

    label: str
    account_provider: str
    """What its accounts are stored under."""
    issuer: str
    client_id: str
    client_secret: str
    web: ProviderWeb
    clock: Clock
    vouched: Callable[[Claims], str | None] = vouched
    other_issuers: tuple[str, ...] = ()
    """Under which it signs as well."""
    _discovered: Json = field(default_factory=dict)
    _discovered_at: int = 0
    _keys: KeySet | None = None

    async def address(self, state: str, challenge: Challenge) -> str:
        """Where to send the browser. Raises LoginUnavailable."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": challenge.redirect_uri,
            "scope": "openid email",
            "state": state,
            "nonce": challenge.nonce,
            "code_challenge": challenge.digest,
            "code_challenge_method": "S256",
        }
        found = await self._discovery()
        return str(httpx.URL(found["authorization_endpoint"]).copy_merge_params(asked))

    async def identity(self, returned: Returned, challenge: Challenge) -> Identity:
        """Who has logged in. Raises LoginFailed and LoginUnavailable."""
        found = await self._discovery()
        self._refuse_foreign(returned.issuer, found)
        answer = await self.web.exchanged(
            found["token_endpoint"], self._form(returned.code, challenge, found)
        )
        claims = await self._id_claims(answer, challenge.nonce)
        claims = await self._with_email(claims, answer, found)
        domain = self.vouched(claims)
        if domain is None:
            raise LoginFailed("unverified e-mail")
        return identified(self.account_provider, claims["sub"], claims.get("email"), domain)

    def _refuse_foreign(self, issuer: str | None, found: Json) -> None:
        promised = found.get("authorization_response_iss_parameter_supported") is True
        if issuer is None and promised:
            raise LoginFailed("call-back without iss")
        if issuer is not None and issuer not in (self.issuer, *self.other_issuers):
            raise LoginFailed("call-back of another issuer")

    def _form(self, code: str, challenge: Challenge, found: Json) -> Form:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": challenge.redirect_uri,
            "code_verifier": challenge.verifier,
        }
        if "client_secret_basic" in found.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            # RFC 6749, 2.3.1: each is form-encoded before it is put together.
            return Form(fields, (quote(self.client_id, safe=""), quote(self.client_secret, safe="")))
        return Form({**fields, "client_id": self.client_id, "client_secret": self.client_secret})

    # --- the ID token ---------------------------------------------------------------------------------------

    async def _id_claims(self, answer: Json, nonce: str) -> Claims:
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise LoginFailed("provider gives no ID token")
        try:
            claims = await self._read(text, self._required(nonce))
        except BadCredential as error:
            raise LoginFailed(f"ID {error.reason}") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self.client_id) != self.client_id:
            raise LoginFailed("ID token for another audience")
        return claims

    def _required(self, nonce: str) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=self.clock() // SECOND,
            leeway=LEEWAY,
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            iss={"essential": True, "values": [self.issuer, *self.other_issuers]},
            aud={"essential": True, "value": self.client_id},
            nonce={"essential": True, "value": nonce},
        )

    async def _read(self, text: str, required: JWTClaimsRegistry) -> Claims:
        if self._keys is not None:
            try:
                return read_claims(text, self._keys, ALGORITHMS, required)
            except UnknownSigningKey:
                pass  # the provider has taken a new key since
        self._keys = await self._fetched_keys()
        return read_claims(text, self._keys, ALGORITHMS, required)

    async def _fetched_keys(self) -> KeySet:
        found = await self.web.fetched((await self._discovery())["jwks_uri"])
        listed = found.get("keys") if isinstance(found, dict) else None
        keys = [key for each in listed or () if (key := _signing_key(each)) is not None]
        if not keys:
            raise LoginUnavailable("provider shows no signing keys")
        return KeySet(keys)

    async def _with_email(self, claims: Claims, answer: Json, found: Json) -> Claims:
        """The claims, with those of `userinfo` if the ID token has no e-mail: it need not have one."""
        if "email" in claims and "email_verified" in claims:
            return claims
        url = found.get("userinfo_endpoint")
        if not isinstance(url, str):
            return claims
        more = await self.web.fetched(_secure(url), str(answer.get("access_token", "")))
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise LoginFailed("userinfo of another person")
        return {**claims, "email": more.get("email"), "email_verified": more.get("email_verified")}

    # --- discovery ------------------------------------------------------------------------------------------

    async def _discovery(self) -> Json:
        now = self.clock()
        if not self._discovered or now - self._discovered_at > KEPT:
            url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            self._discovered, self._discovered_at = self._checked(await self.web.fetched(url)), now
        return self._discovered

    def _checked(self, found: object) -> Json:
        if not isinstance(found, dict) or found.get("issuer") != self.issuer:
            raise LoginUnavailable("discovery is of another issuer than OIDC_ISSUER, as it is written")
        for name in ENDPOINTS:
            _secure(found.get(name))
        return found


def _secure(url: object) -> str:
    try:
        return secure_url(str(url), query=True)
    except ValueError:
        raise LoginUnavailable("discovery has an address that is missing or not secure") from None


def _signing_key(found: Mapping[str, Any]) -> Key | None:
    """A key of a provider; None for one that is for something else, or of a kind that is not known."""
    try:
        return None if found.get("use", "sig") != "sig" else import_key(dict(found))
    except (JoseError, ValueError, TypeError, AttributeError, KeyError):
        return None
